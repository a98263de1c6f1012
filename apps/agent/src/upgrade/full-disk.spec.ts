/** A disk that is full in the middle of a trial. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SILENT } from '../logger.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { readLauncherState, writeLauncherState } from './launcher-state.js';
import { SelfUpgrade } from './self-upgrade.js';
import { Trial } from './trial.js';

const folders: string[] = [];
afterEach(async () => {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true });
});
const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const good = { sha256: A, version: '1.0.0' };
const trial = { sha256: B, version: '2.0.0', starts: 0, withinMs: 1000, links: [] };

describe('a full disk', () => {
  it('confirms nothing that is not written down, and tries again until the time is over', async () => {
    const clock = new VirtualClock();
    const said: string[] = [];
    let isFull = true;
    const start = (): Trial => {
      const made = new Trial({
        state: { ...trial, withinMs: 10_000 },
        clock,
        log: SILENT,
        facts: () => ({ online: true, answered: true, acknowledged: 1, links: [], missing: [] }),
        confirm: () => {
          if (isFull) throw new Error('ENOSPC');
          said.push('confirm');
        },
        fallBack: (why) => said.push(why),
      });
      made.start();
      return made;
    };
    const settle = (): Promise<void> => Promise.resolve();
    const late = start();
    expect(late.look()).toContain('cannot be written down');
    await clock.advance(5000, settle);
    expect([late.pending, said]).toEqual([true, []]);
    isFull = false;
    await clock.advance(1000, settle);
    expect([late.pending, late.look(), said]).toEqual([false, undefined, ['confirm']]);
    isFull = true;
    start();
    await clock.advance(11_000, settle);
    expect(said).toEqual(['confirm', expect.stringContaining('cannot be written down')]);
  });

  it('leaves a trial whose start was not counted: it is not begun days later', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drydock-full-'));
    folders.push(dir);
    writeLauncherState(dir, { v: 1, good, trial, fellBack: null });
    const self = new SelfUpgrade({
      stateDir: dir,
      gateway: 'g',
      bundle: A,
      clock: new VirtualClock(),
      log: SILENT,
      keys: () => [],
      facts: () => ({ online: false, acknowledged: 0, links: [], missing: [] }),
      serverAnswers: () => Promise.resolve(false),
      restart: () => undefined,
      proven: () => undefined,
    });
    expect(readLauncherState(dir)).toMatchObject({ good, trial: null, fellBack: { sha256: B } });
    expect(self.who().fellBack).toEqual({ sha256: B, why: 'its start could not be written down' });
    expect(self.onTrial).toBe(false);
  });
});
