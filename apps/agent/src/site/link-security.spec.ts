import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSiteFile, type Site } from './site-file.js';

const ADDRESS = 'c7:42:2f:ff:19:1a';
let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'drydock-site-')), 'site.yaml');
});
afterEach(() => rm(join(path, '..'), { recursive: true }));

async function read(text: string, mode = 0o600): Promise<Site> {
  await writeFile(path, text);
  await chmod(path, mode);
  return readSiteFile(path, ['smp']);
}

/** @param model, device what is said of both, in YAML's flow style. */
const site = (model: string, device: string): string =>
  `models:
  pump:
    protocol: smp
    security: ${model}
devices:
  - model: pump
    link: 'ble:C7:42:2F:FF:19:1A'
    security: ${device}
`;

describe('security in the site file', () => {
  it('is the model’s, unless the device says otherwise; others of the model have it too', async () => {
    const both = await read(
      site('{ level: encrypted, pairing: when-lost }', "{ level: authenticated, passkey: '012345' }"),
    );
    const policy = both.security(ADDRESS, undefined);
    expect(policy).toMatchObject({ level: 'authenticated', pairing: 'when-lost' });
    expect(policy?.passkey?.toKey().readUInt32LE(0)).toBe(12_345);
    expect(JSON.stringify([policy, both])).not.toContain('12345"');
    expect(both.security('c7:42:2f:ff:19:1b', 'pump')).toEqual({ level: 'encrypted', pairing: 'when-lost' });
    expect(both.security('c7:42:2f:ff:19:1b', 'other')).toBeUndefined();
    expect(both.security('c7:42:2f:ff:19:1b', undefined)).toBeUndefined();
    // The address decides: an order that names another model asks for no less.
    expect(both.security(ADDRESS, 'other')).toBe(policy);
    expect((await read(site('{}', '{}'))).security(ADDRESS, 'pump')).toEqual({
      level: 'unencrypted',
      pairing: 'by-hand',
    });
  });

  it('may keep the passkey in a file of its own, which only its owner may read', async () => {
    const key = join(path, '..', 'pump.passkey');
    await writeFile(key, '999999\n', { mode: 0o600 });
    const text = site('{ level: authenticated, pairing: when-needed }', '{ passkey: pump.passkey }');
    const policy = (await read(text, 0o644)).security(ADDRESS, 'pump');
    expect(policy?.passkey?.toKey().readUInt32LE(0)).toBe(999_999);
    await chmod(key, 0o640);
    await expect(read(text)).rejects.toThrow('can pair with the device');
    await chmod(key, 0o600);
    await writeFile(key, '99999x\n');
    const broken = await read(text).catch((error: Error) => error);
    expect(String(broken)).toContain('six digits');
    expect(String(broken)).not.toContain('99999');
  });

  it.each([
    ['{}', '{ level: secret }', ':8', 'level'],
    ['{}', '{ colour: red }', ':8', 'colour'],
    ['{ pairing: when-needed }', '{}', ':4', 'nothing is ever needed'],
    ['{ level: authenticated, pairing: when-lost }', '{}', ':8', 'without a passkey'],
    ['{}', "{ passkey: '012345' }", ':8', 'need not lie here'],
    ['{ level: encrypted, pairing: when-lost }', "{ passkey: '12345' }", ':8', 'six digits'],
    ['{ level: encrypted, pairing: when-lost }', '{ passkey: 123456 }', ':8', 'passkey'],
    ['{ level: encrypted, pairing: when-lost }', '{ passkey: none.txt }', ':8', 'no such file'],
  ])('%s of the model and %s of the device are refused with line and field', async (model, device, line, why) => {
    const refused = await read(site(model, device)).catch((error: Error) => error);
    expect(refused).toMatchObject({ code: 'settings.invalid' });
    expect(String(refused)).toContain(`site.yaml${line}`);
    expect(String(refused)).toContain(why);
    expect(String(refused)).not.toMatch(/12345/);
  });

  it('with a passkey in it is for its owner alone', async () => {
    const text = site('{ level: encrypted, pairing: when-lost }', "{ passkey: '012345' }");
    await expect(read(text, 0o644)).rejects.toThrow('chmod 600');
    await expect(read(text, 0o600)).resolves.toBeDefined();
  });

  it('is for Bluetooth links', async () => {
    const text = site('{ level: encrypted }', '{}').replace('ble:C7:42:2F:FF:19:1A', 'serial:/dev/ttyUSB0');
    await expect(read(text)).rejects.toThrow('only Bluetooth links');
    const ofModel = text.replace('    security: {}\n', '');
    expect((await read(ofModel)).security(ADDRESS, undefined)).toBeUndefined();
  });
});
