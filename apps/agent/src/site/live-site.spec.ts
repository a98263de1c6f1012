import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realClock } from '../clock.js';
import { SILENT } from '../logger.js';
import { LiveSite } from './live-site.js';
import { readSiteFile } from './site-file.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'drydock-live-')), 'site.yaml');
});
afterEach(() => rm(join(path, '..'), { recursive: true }));

const device = (n: number): string => `devices: [{ model: m, protocol: smp, link: "serial:/dev/d${n}?baud=9600" }]\n`;

async function open(text: string): Promise<{ live: LiveSite; changes: () => number }> {
  await writeFile(path, text);
  const live = new LiveSite({
    site: await readSiteFile(path, ['smp']),
    path,
    knownProtocols: ['smp'],
    clock: realClock,
    log: SILENT,
  });
  let changes = 0;
  live.onChange = () => (changes += 1);
  return { live, changes: () => changes };
}

describe('the site file of a running agent', () => {
  it('is taken when it changes, and once', async () => {
    const { live, changes } = await open(device(1));
    await live.look();
    expect(changes()).toBe(0);
    await writeFile(path, `${device(2)}limits: { parallel: 3 }\n`);
    await live.look();
    await live.look();
    expect(changes()).toBe(1);
    expect([live.site.devices[0]!.link, live.site.limits.parallel]).toEqual(['serial:/dev/d2?baud=9600', 3]);
  });

  it('that is broken or gone leaves the last good one, says why, and is taken again when it is mended', async () => {
    const { live, changes } = await open(device(1));
    await live.look();
    await writeFile(path, 'devices: [{ model: m, protocol: smp, link: "serial:/dev/d1?baud=9600", colour: red }]\n');
    await live.look();
    await live.look();
    expect([changes(), live.site.devices.length]).toEqual([1, 1]);
    expect(live.note).toContain('site.yaml:1');
    expect(live.note).toContain('colour');
    await rm(path);
    await live.look();
    expect(live.note).toContain('ENOENT');
    expect(live.site.devices).toHaveLength(1);
    await writeFile(path, device(1));
    await live.look();
    expect([live.note, changes()]).toEqual([undefined, 3]);
  });

  it('that was changed between its first reading and the first look is taken, too', async () => {
    const { live, changes } = await open(device(1));
    await writeFile(path, device(5));
    await live.look();
    expect([changes(), live.site.devices[0]!.link]).toEqual([1, 'serial:/dev/d5?baud=9600']);
  });
});
