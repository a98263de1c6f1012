import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSiteFile } from './site-file.js';

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'drydock-site-')), 'site.yaml');
});
afterEach(() => rm(join(path, '..'), { recursive: true }));

async function read(text: string) {
  await writeFile(path, text);
  return readSiteFile(path, ['smp', 'secure-dfu']);
}

const PEM =
  '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n';

describe('site file', () => {
  it('reads devices, models, keys and limits', async () => {
    await writeFile(join(path, '..', 'release.pem'), PEM);
    const site = await read(`
name: hall-3
bluetooth: { adapter: hci1 }
limits: { parallel: 2 }
models:
  pump:
    protocol: smp
    releaseKeys: [release.pem]
    expectVersions: { ${'a'.repeat(64)}: "1.2" }
devices:
  - { name: p1, model: pump, link: "serial:/dev/ttyUSB0?baud=115200", identity: { kind: serial-number, value: "7" } }
discover:
  - { protocol: secure-dfu, model: sensor, name: "Demo*" }
`);
    expect(site.devices).toEqual([
      {
        name: 'p1',
        model: 'pump',
        protocol: 'smp',
        link: 'serial:/dev/ttyUSB0?baud=115200',
        identity: { kind: 'serial-number', value: '7' },
      },
    ]);
    expect(site.releaseKeys.get('pump')).toHaveLength(1);
    expect(site.expectVersion('pump', 'a'.repeat(64))).toBe('1.2');
    expect([site.limits.parallel, site.limits.parallelBluetooth, site.bluetooth?.scanSeconds]).toEqual([2, 8, 10]);
  });

  it('may be empty', async () => {
    expect((await read('')).devices).toEqual([]);
  });

  it.each([
    ['devices:\n  - model: pump\n    link: serial:/dev/x\n    protocol: smp\n    colour: red\n', ':2', 'colour'],
    [
      'models:\n  pump: {}\ndevices:\n  - model: pump\n    link: "usb:1"\n    protocol: smp\n',
      ':5',
      'expected serial:',
    ],
    ['devices:\n  - model: pump\n    link: serial:/dev/x\n', ':2', 'neither the device nor its model'],
    ['devices:\n  - model: pump\n    link: serial:/dev/x\n    protocol: telepathy\n', ':4', 'does not speak telepathy'],
    [
      'devices:\n  - { model: a, protocol: smp, link: "serial:/dev/x" }\n  - { model: a, protocol: smp, link: "serial:/dev/x?baud=9600" }\n',
      ':3',
      'named twice',
    ],
    [
      'devices:\n  - { model: a, protocol: smp, link: "ble:C0:00:00:00:00:02", rawPort: true }\n',
      ':2',
      'only a serial port',
    ],
    ['models:\n  pump:\n    releaseKeys: [none.pem]\n', ':3', 'ENOENT'],
    ['models:\n  pump:\n    releaseKeys: ["-----BEGIN nothing"]\n', ':3', 'no public key'],
    ['limits: { parallel: 0 }\n', ':1', 'limits.parallel'],
    ['a: [1\n', ':', 'site.yaml'],
  ])('refuses %j with line and field', async (text, line, why) => {
    const refused = expect(read(text)).rejects;
    await refused.toMatchObject({ code: 'settings.invalid', message: expect.stringContaining(`site.yaml${line}`) });
    await expect(read(text)).rejects.toThrow(why);
  });
});
