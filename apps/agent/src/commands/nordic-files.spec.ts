/** `pack nordic` and `keys`, as a person uses them. */
import { createPublicKey } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { describeNordicPackage, makeIntelHex, nordicKeyHex, nordicPayloads } from '@drydock/dfu-core';
import { type PackNordicOptions, packNordic } from './make-nordic-package.js';
import { publicPoint } from './nordic-keys.js';
import { makeKey, showKey } from './signing-keys.js';

let dir: string;
let key: string;
let said: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-pack-'));
  key = join(dir, 'key.pem');
  said = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(dir, { recursive: true });
});

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, bytes);
  return path;
}

async function pack(options: PackNordicOptions): Promise<{ status: number; bytes: Uint8Array }> {
  const out = join(dir, 'out.zip');
  const status = await packNordic(out, { json: true, ...options });
  return { status, bytes: status === 0 ? new Uint8Array(await readFile(out)) : new Uint8Array() };
}

const IMAGE = Uint8Array.from({ length: 50 }, (_, at) => at);

describe('keys', () => {
  it('makes a key that is its owner’s alone, overwrites none, and shows its public half', async () => {
    expect(await makeKey(key)).toBe(0);
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    const pem = await readFile(key, 'utf8');
    expect(said).not.toContain(pem.split('\n')[1]);
    expect(await makeKey(key)).toBe(2);
    expect(await readFile(key, 'utf8')).toBe(pem);

    const hex = nordicKeyHex(publicPoint(createPublicKey(pem)));
    said = '';
    expect(await showKey(key, { format: 'hex' })).toBe(0);
    expect(said.trim()).toBe(hex);
    said = '';
    expect(await showKey(key)).toBe(0);
    const publicPem = await file('public.pem', Buffer.from(said));
    said = '';
    expect(await showKey(publicPem, { format: 'code', json: true })).toBe(0);
    expect((JSON.parse(said) as { publicKey: string }).publicKey).toContain(
      `0x${hex.slice(0, 2)}, 0x${hex.slice(2, 4)}`,
    );
  });

  it('refuses what is no such key, and names no byte of it', async () => {
    const path = await file(
      'noise.pem',
      Buffer.from('-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n'),
    );
    expect([await showKey(path), await showKey(join(dir, 'absent')), await showKey(path, { format: 'der' })]).toEqual([
      2, 2, 2,
    ]);
    expect(said).not.toContain('c2VjcmV0');
  });
});

describe('pack nordic', () => {
  it('makes a signed package, from Intel HEX as from the bare image', async () => {
    await makeKey(key);
    const bare = await file('app.bin', IMAGE);
    const hex = await file('app.hex', makeIntelHex({ segments: [{ address: 0x26000, bytes: IMAGE }] }));
    const options = { applicationVersion: '7', hwVersion: '52', sdReq: '0x0101,0x0100', keyFile: key };
    const one = await pack({ application: bare, ...options });
    const publicKey = Uint8Array.of(4, ...publicPoint(createPublicKey(await readFile(key))));
    expect(describeNordicPackage(one.bytes, { publicKey })).toMatchObject({
      images: [{ kind: 'application', version: '7', sizeBytes: 52 }],
      hardware: { hwVersion: 52, sdReq: '0x0101,0x0100' },
    });
    expect((await pack({ application: hex, ...options })).bytes).toEqual(one.bytes);
  });

  it('makes SoftDevice, bootloader and application in one, the application for the new SoftDevice', async () => {
    const part = await file('part.bin', IMAGE);
    const { status, bytes } = await pack({
      softdevice: part,
      bootloader: part,
      bootloaderVersion: '2',
      application: part,
      applicationVersion: '3',
      hwVersion: '52',
      sdReq: '0x00cb',
      sdId: '0x0101',
      unsigned: true,
    });
    expect(status).toBe(0);
    expect(describeNordicPackage(bytes).images.map(({ kind, version }) => [kind, version])).toEqual([
      ['softdevice-bootloader', '2'],
      ['application', '3'],
    ]);
    expect(nordicPayloads(bytes).get('image:3')).toHaveLength(104);
  });

  it.each<[string, PackNordicOptions]>([
    ['without an image', { hwVersion: '52', sdReq: '0', unsigned: true }],
    ['without key or word for it', { application: 'part.bin', applicationVersion: '1', hwVersion: '52', sdReq: '0' }],
    ['without SoftDevices', { application: 'part.bin', applicationVersion: '1', hwVersion: '52', unsigned: true }],
    ['without version', { application: 'part.bin', hwVersion: '52', sdReq: '0', unsigned: true }],
    [
      'with a number that is none',
      { application: 'part.bin', applicationVersion: '1', hwVersion: 'x', sdReq: '0', unsigned: true },
    ],
    [
      'with a FWID that is none',
      { application: 'part.bin', applicationVersion: '1', hwVersion: '52', sdReq: '0x10000', unsigned: true },
    ],
    [
      'with a bootloader and an application without SoftDevice',
      {
        application: 'part.bin',
        bootloader: 'part.bin',
        applicationVersion: '1',
        bootloaderVersion: '1',
        hwVersion: '52',
        sdReq: '0',
        unsigned: true,
      },
    ],
    [
      'with a boot validation that needs a key',
      {
        application: 'part.bin',
        applicationVersion: '1',
        hwVersion: '52',
        sdReq: '0',
        unsigned: true,
        appBootValidation: 'VALIDATE_ECDSA_P256_SHA256',
      },
    ],
    [
      'with a file that is not there',
      { application: 'absent.bin', applicationVersion: '1', hwVersion: '52', sdReq: '0', unsigned: true },
    ],
  ])('refuses %s', async (_, options) => {
    await file('part.bin', IMAGE);
    const inDir = (name: string | undefined): string | undefined => name && join(dir, name);
    const { application, bootloader, ...rest } = options;
    const { status } = await pack({
      ...rest,
      ...(application !== undefined && { application: inDir(application)! }),
      ...(bootloader !== undefined && { bootloader: inDir(bootloader)! }),
    });
    expect(status).toBe(2);
    expect(said).toContain('request.invalid');
  });
});
