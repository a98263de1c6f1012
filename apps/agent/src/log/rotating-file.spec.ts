import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logLines, LogHistory, recallHistory } from './log-history.js';
import { describeLogLine, LogPicker, parseLogLine } from './log-line.js';
import { RotatingFile } from './rotating-file.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-log-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
const line = (number: number, more: object = {}): string =>
  `${JSON.stringify({ level: 30, time: '2026-01-01T00:00:00.000Z', number, ...more, msg: 'said' })}\n`;

describe('the log file', () => {
  it('never grows past its bounds and loses the oldest lines first', async () => {
    const path = join(await folder(), 'logs', 'agent.log');
    const file = new RotatingFile({ path, maxBytes: 1000, keep: 2 });
    for (let number = 0; number < 200; number += 1) file.write(line(number));
    await file.close();
    const names = (await readdir(join(path, '..'))).sort();
    expect(names).toEqual(['agent.log', 'agent.log.1', 'agent.log.2']);
    for (const name of names) expect((await stat(join(path, '..', name))).size).toBeLessThanOrEqual(1000);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const numbers: number[] = [];
    for await (const text of logLines(path)) numbers.push(Number(parseLogLine(text)?.facts['number']));
    expect(numbers.at(-1)).toBe(199);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 200 - numbers.length + index));
  });

  it('counts what a broken disk costs and goes on without it', async () => {
    const dir = await folder();
    await writeFile(join(dir, 'logs'), 'a file where the folder should be');
    const file = new RotatingFile({ path: join(dir, 'logs', 'agent.log') });
    file.write(line(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    file.write(line(2));
    await file.close();
    expect(file.lost).toBe(2);
  });

  it('writes what waits when the process ends at once', async () => {
    const path = join(await folder(), 'agent.log');
    const file = new RotatingFile({ path });
    file.write(line(7));
    file.flushSync();
    expect(await readFile(path, 'utf8')).toBe(line(7));
  });

  it('is the memory of an agent that was started again', async () => {
    const path = join(await folder(), 'agent.log');
    const file = new RotatingFile({ path });
    file.write(line(1));
    file.write(line(2, { level: 20 }));
    file.write(line(3, { level: 40 }));
    file.write('no json\n');
    await file.close();
    const history = new LogHistory(new Set(['said']));
    await recallHistory(path, history);
    expect(history.lines.map(({ facts }) => facts['number'])).toEqual([1, 3]);
    expect(history.errors.map(({ facts }) => facts['number'])).toEqual([3]);
    expect(history.last('said')?.facts['number']).toBe(3);
  });
});

describe('picking lines', () => {
  const attempt = '0b9d5a0e-0000-4000-8000-000000000001/1/1';
  const lines = [
    { level: 30, attempt, device: 'dev-1', links: ['serial:/dev/ttyUSB0'], msg: 'attempt begins' },
    { level: 20, attempt, effect: 'send', msg: '' },
    { level: 30, attempt: 'other/1/1', msg: 'session over' },
    { level: 40, link: 'serial:/dev/ttyUSB0', msg: 'went away' },
  ].map((facts) => parseLogLine(JSON.stringify({ time: '2026-01-01T00:00:00.000Z', ...facts }))!);
  const picked = (filter: { level?: number; device?: string; attempt?: string }): string[] => {
    const picker = new LogPicker({ level: 20, ...filter });
    return lines.filter((each) => picker.wants(each)).map(({ msg, facts }) => msg || String(facts['effect']));
  };

  it('finds the session of a device by its attempt, and by its link', () => {
    expect(picked({ device: 'dev-1' })).toEqual(['attempt begins', 'send']);
    expect(picked({ device: 'TTYUSB0' })).toEqual(['attempt begins', 'send', 'went away']);
    expect(picked({ attempt: attempt.slice(0, 36) })).toEqual(['attempt begins', 'send']);
    expect(picked({ level: 40 })).toEqual(['went away']);
  });

  it('takes nothing that is no line, and shows no control characters', () => {
    for (const text of ['', '[]', 'null', '{"level":"x"}', '{', `{"a":"${'x'.repeat(20_000)}"}`]) {
      expect(parseLogLine(text)).toBeUndefined();
    }
    const evil = parseLogLine(JSON.stringify({ level: 30, time: 't', msg: '\u001b[2J', name: '\u001b]0;x\u0007' }))!;
    expect(describeLogLine(evil)).not.toMatch(/\p{Cc}/u);
  });
});
