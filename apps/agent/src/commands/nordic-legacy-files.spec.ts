/** `pack nordic-legacy` and `pack nordic-dat` on real files, through the command line's own parser. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { describeArtifact, fromHex, makeIntelHex, toHex } from '@drydock/dfu-core';
import { Command } from 'commander';
import { addPackNordicLegacy } from './pack-nordic-legacy.js';
import { openFirmware } from './read-input.js';

const folder = mkdtempSync(join(tmpdir(), 'drydock-pack-'));
const I16 = fromHex('000102030405060708090a0b0c0d0e0f');
const path = (name: string): string => join(folder, name);
writeFileSync(path('app.bin'), I16);
writeFileSync(path('app.hex'), makeIntelHex({ segments: [{ address: 0x18000, bytes: I16 }] }));
const printed = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
const told = jest.spyOn(process.stderr, 'write').mockReturnValue(true);

afterAll(() => {
  printed.mockRestore();
  told.mockRestore();
  process.exitCode = 0;
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  process.exitCode = 0;
});

async function pack(...args: string[]): Promise<number | string | undefined> {
  const program = new Command('pack').exitOverride();
  addPackNordicLegacy(program);
  for (const each of program.commands) each.exitOverride();
  await program.parseAsync(args, { from: 'user' });
  return process.exitCode ?? undefined;
}

describe('pack nordic-dat', () => {
  it.each(['app.bin', 'app.hex'])('makes what gen_dat makes, of %s', async (name) => {
    expect(await pack('nordic-dat', path('a.dat'), '--application', path(name))).toBe(0);
    expect(toHex(readFileSync(path('a.dat')))).toBe('ffffffffffffffff0100feff373b');
  });

  it('names what it is told to', async () => {
    const names = [
      '--dev-type',
      '0x52',
      '--dev-revision',
      '52840',
      '--application-version',
      '1',
      '--sd-req',
      '0xb6,0x101',
    ];
    expect(await pack('nordic-dat', path('b.dat'), '--application', path('app.bin'), ...names)).toBe(0);
    expect(toHex(readFileSync(path('b.dat')))).toBe('520068ce010000000200b6000101373b');
  });
});

describe('pack nordic-legacy', () => {
  it('makes a package that is read again', async () => {
    const out = path('out.zip');
    expect(await pack('nordic-legacy', out, '--application', path('app.hex'), '--bootloader', path('app.bin'))).toBe(0);
    expect(describeArtifact(new Uint8Array(readFileSync(out)))).toMatchObject({
      format: 'nordic-legacy-zip',
      images: [{ kind: 'bootloader' }, { kind: 'application', sizeBytes: 16, member: 'app.bin' }],
    });
  });

  it('signs with a key', async () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    writeFileSync(path('key.pem'), pem);
    const out = path('signed.zip');
    expect(await pack('nordic-legacy', out, '--application', path('app.bin'), '--key-file', path('key.pem'))).toBe(0);
    expect(describeArtifact(new Uint8Array(readFileSync(out))).signatures).toHaveLength(1);
  });

  it.each([
    ['nothing to pack', []],
    ['an unknown form', ['--application', path('app.bin'), '--dfu-ver', '0.9']],
    ['a type that is no number', ['--application', path('app.bin'), '--dev-type', 'x']],
    ['a file that is not there', ['--application', path('none.bin')]],
  ])('refuses %s', async (_, args) => {
    expect(await pack('nordic-legacy', path('bad.zip'), ...args)).toBe(2);
  });
});

describe('two files that were given by hand', () => {
  it('become one artifact', async () => {
    writeFileSync(path('pair.dat'), fromHex('ffffffffffffffff0100feff373b'));
    expect(describeArtifact(await openFirmware(path('app.hex'), path('pair.dat')))).toMatchObject({
      format: 'nordic-legacy-zip',
      images: [{ sizeBytes: 16, initPacketBytes: 14 }],
    });
    expect(describeArtifact(await openFirmware(path('app.bin'), 'none')).images[0]).toMatchObject({
      initPacketBytes: 0,
    });
    writeFileSync(path('pair.dat'), fromHex('ffffffffffffffff0100feff373c'));
    const wrong = await openFirmware(path('app.hex'), path('pair.dat'));
    expect(() => describeArtifact(wrong)).toThrow(/0x3c37/);
  });
});
