/** The file of the bonds: for its owner alone, whole, and shared by several processes. */
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DrydockError } from '@drydock/dfu-core';
import fc from 'fast-check';
import { encodeBondFile, parseBondFile } from './bond-file.js';
import { type BondStore, openBondStore } from './bond-store.js';
import type { Bond } from './pairing/bond.js';

const ADDRESS = 'c0:11:22:33:44:50';
const bond: Bond = {
  ltk: new Uint8Array(16).fill(7),
  ediv: 0x1234,
  rand: new Uint8Array(8).fill(9),
  secureConnections: false,
  authenticated: true,
  irk: new Uint8Array(16).fill(5),
  addressType: 'random',
};

let dir: string;
let path: string;
let bonds: BondStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-bonds-'));
  path = join(dir, 'bonds.json');
  bonds = await openBondStore(dir);
});
afterEach(() => rm(dir, { recursive: true }));

describe('the file of the bonds', () => {
  it('is for its owner alone, and is read again', async () => {
    await bonds.set(ADDRESS.toUpperCase(), bond);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['bonds.json']);
    const again = await openBondStore(dir);
    expect(await again.get(ADDRESS)).toEqual(bond);
    expect(await again.all()).toEqual([{ address: ADDRESS, ...bond }]);
    expect(await again.ownRandomAddress()).toEqual(await (await openBondStore(dir)).ownRandomAddress());
    expect([await again.forget(ADDRESS), await again.forget(ADDRESS)]).toEqual([true, false]);
    expect(await (await openBondStore(dir)).all()).toEqual([]);
  });

  it('keeps what several wrote at once', async () => {
    const stores = await Promise.all([0, 1, 2, 3].map(() => openBondStore(dir)));
    await Promise.all(
      stores.flatMap((store, i) => [0, 1, 2].map((j) => store.set(`c0:11:22:33:4${i}:5${j}`, { ...bond, ediv: i }))),
    );
    expect(await (await openBondStore(dir)).all()).toHaveLength(12);
    expect(await readdir(dir)).toEqual(['bonds.json']);
  });

  it('is written also after a process was killed while it held the lock', async () => {
    const lock = `${path}.lock`;
    await writeFile(lock, '');
    await utimes(lock, 0, 0);
    await bonds.set(ADDRESS, bond);
    expect(await readdir(dir)).toEqual(['bonds.json']);
  });

  it('shows what somebody else wrote meanwhile, and loses neither', async () => {
    const other = await openBondStore(dir);
    await bonds.set(ADDRESS, bond);
    expect(await other.get(ADDRESS)).toEqual(bond);
    await other.set('c0:11:22:33:44:51', bond);
    await bonds.set('c0:11:22:33:44:52', bond);
    expect(await other.all()).toHaveLength(3);
  });

  it('of an older agent is read as what it was', async () => {
    const { ltk, ediv, rand } = bond;
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const old = { version: 1, bonds: { [ADDRESS]: { ltk: hex(ltk), ediv, rand: hex(rand) } } };
    await writeFile(path, JSON.stringify(old), { mode: 0o600 });
    expect(await bonds.get(ADDRESS)).toEqual({ ltk, ediv, rand, secureConnections: false, authenticated: false });
  });

  it('is refused when others may read it, or it is broken, and then not overwritten', async () => {
    await bonds.set(ADDRESS, bond);
    const whole = await readFile(path, 'utf8');
    await chmod(path, 0o644);
    await expect(openBondStore(dir)).rejects.toMatchObject({ code: 'settings.invalid' });
    await chmod(path, 0o600);
    const broken = [
      '',
      '[]',
      '{"version":3,"bonds":{}}',
      '{"version":2}',
      '{"version":2,"bonds":{},"ownAddress":"000000000000"}',
      whole.replace('0707', '07zz'),
      whole.replace(ADDRESS, 'nobody'),
      whole.replace('"authenticated":true', '"authenticated":1'),
      whole.replace('"random"', '"other"'),
      whole.replace('4660', '-1'),
    ];
    for (const text of broken) {
      await writeFile(path, text);
      await expect(openBondStore(dir)).rejects.toMatchObject({ code: 'settings.invalid' });
      await expect(bonds.set(ADDRESS, bond)).rejects.toMatchObject({ code: 'settings.invalid' });
      expect(await readFile(path, 'utf8')).toBe(text);
    }
    await writeFile(path, whole);
    expect(await bonds.get(ADDRESS)).toEqual(bond);
  });

  it('takes only as many as it can read again', async () => {
    const many = new Map(
      Array.from({ length: 4096 }, (_, i) => [
        `c0:11:22:33:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
        bond,
      ]),
    );
    const file = encodeBondFile({ bonds: many, failures: new Map(), ownAddress: undefined });
    await writeFile(path, JSON.stringify(file), { mode: 0o600 });
    await bonds.set('c0:11:22:33:00:00', bond);
    await expect(bonds.set('c0:11:22:33:ff:ff', bond)).rejects.toMatchObject({ code: 'settings.invalid' });
    expect(await (await openBondStore(dir)).all()).toHaveLength(4096);
  });

  it('leaves no draft of a killed process behind', async () => {
    const draft = join(dir, 'bonds.json.0011223344556677.new');
    await writeFile(draft, 'half', { mode: 0o600 });
    await openBondStore(dir);
    expect(await readdir(dir)).toContain('bonds.json.0011223344556677.new');
    await utimes(draft, 0, 0);
    await openBondStore(dir);
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('pairings that fail', () => {
  it('make the next one wait, longer each time, also after a restart; a bond ends that', async () => {
    let now = 1_000_000;
    const clocked = await openBondStore(dir, () => now);
    const pauses: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      await clocked.pairingFailed(ADDRESS);
      pauses.push((await clocked.pairingPause(ADDRESS)).pauseMs);
    }
    expect(pauses.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
    expect(pauses.at(-1)).toBe(300_000);
    const again = await openBondStore(dir, () => now);
    expect(await again.pairingPause(ADDRESS)).toEqual({ failures: 12, pauseMs: 300_000 });
    now += 299_000;
    expect((await again.pairingPause(ADDRESS)).pauseMs).toBe(1000);
    // A clock that is set back does not make it wait for ever.
    now -= 3_600_000;
    expect((await again.pairingPause(ADDRESS)).pauseMs).toBe(300_000);
    now += 300_000;
    expect((await again.pairingPause(ADDRESS)).pauseMs).toBe(0);
    await again.set(ADDRESS, bond);
    expect(await clocked.pairingPause(ADDRESS)).toEqual({ failures: 0, pauseMs: 0 });
  });

  it('of strangers are not remembered without end', async () => {
    for (let i = 0; i < 70; i += 1) await bonds.pairingFailed(`40:00:00:00:00:${i.toString(16).padStart(2, '0')}`);
    expect((await bonds.pairingPause('40:00:00:00:00:00')).failures).toBe(0);
    expect((await bonds.pairingPause('40:00:00:00:00:45')).failures).toBe(1);
    expect(await (await openBondStore(dir)).all()).toEqual([]);
  });
});

describe('any text', () => {
  const refuse = (detail: string): DrydockError => new DrydockError('settings.invalid', { field: 'f', detail });
  const key = Buffer.from(bond.ltk).toString('hex');

  it('is a file, or refused without a key in the reason', () => {
    const whole = JSON.stringify(
      encodeBondFile({
        bonds: new Map([[ADDRESS, bond]]),
        failures: new Map([[ADDRESS, { count: 1, lastMs: 5 }]]),
        ownAddress: Uint8Array.of(1, 2, 3, 4, 5, 0xc0),
      }),
    );
    const value = fc.oneof(fc.jsonValue(), fc.constant({}), fc.constant([]), fc.constant(null));
    const paths = ['version', 'bonds', 'failures', 'ownAddress', `bonds.${ADDRESS}`, `failures.${ADDRESS}`].concat(
      Object.keys(bond).map((field) => `bonds.${ADDRESS}.${field}`),
    );
    const changed = fc.tuple(fc.constantFrom(...paths), value).map(([where, what]) => {
      const root = JSON.parse(whole) as Record<string, unknown>;
      const names = where.split('.');
      let at = root;
      for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
      at[names.at(-1)!] = what;
      return JSON.stringify(root);
    });
    const cut = fc.nat(whole.length).map((length) => whole.slice(0, length));
    fc.assert(
      fc.property(fc.oneof(fc.string(), changed, cut), (text) => {
        try {
          const file = parseBondFile(text, refuse);
          expect(parseBondFile(JSON.stringify(encodeBondFile(file)), refuse)).toEqual(file);
        } catch (error) {
          expect(error).toMatchObject({ code: 'settings.invalid' });
          expect((error as Error).message).not.toContain(key);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
