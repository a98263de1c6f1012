/** Levels, passkeys, lost bonds and private addresses over the real stack and the simulated controller. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  GenericPeripheral,
  GenericUuid,
  memoryPort,
  resolvableAddress,
  SimulatedController,
  WallClock,
  type GenericOptions,
  type PairingTraits,
} from '@drydock/device-sim';
import { DrydockError, type Sighting } from '@drydock/dfu-core';
import { BleAdapter, type BondWish } from './ble-adapter.js';
import { type BondStore, openBondStore } from './bond-store.js';
import type { OpenBleLink } from './open-ble-link.js';
import { Passkey } from './pairing/passkey.js';
import { personWith } from './pairing/person.js';
import type { SecurityPolicy } from './security-policy.js';

const ADDRESS = 'c0:11:22:33:44:50';
const IRK = Buffer.from('ec0234a357c8ad05341010a60a397d9b', 'hex');
const DIGITS = '012345';
const PASSKEY = Passkey.parse(DIGITS, 'test');
const SECURE: PairingTraits = { secureConnections: 'yes' };
const LABELLED: PairingTraits = { secureConnections: 'yes', io: 'display-only', passkey: () => Number(DIGITS) };
const WITH_LABEL: BondWish = { minimum: 'authenticated', person: personWith(PASSKEY) };

let dir: string;
let bonds: BondStore;
let now: number;
let adapter: BleAdapter;
let controller: SimulatedController;
const logged: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-secured-'));
  now = 1_700_000_000_000;
  bonds = await openBondStore(dir, () => now);
  logged.length = 0;
  controller = new SimulatedController({ scheduler: new WallClock(), supervisionMs: 300 });
  const log = (message: string): void => void logged.push(message);
  adapter = await BleAdapter.overPort('memory', memoryPort(controller), { bonds, log });
});
afterEach(async () => {
  await adapter.close();
  await rm(dir, { recursive: true });
});

function unit(options: Partial<GenericOptions> = {}): GenericPeripheral {
  const device = new GenericPeripheral({ address: ADDRESS, ...options });
  controller.host(device);
  return device;
}

const open = (security?: SecurityPolicy, address = ADDRESS): Promise<OpenBleLink> =>
  adapter.link(address, { services: [GenericUuid.service], security }).open({}, 30_000) as Promise<OpenBleLink>;

/** The code with which the protected characteristic is refused; undefined when it is read. */
async function secretRefusal(link: OpenBleLink): Promise<string | undefined> {
  try {
    await link.query(GenericUuid.secret, 30_000);
    return undefined;
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error;
    return error.code;
  } finally {
    await link.close();
  }
}

const codeOf = (link: Promise<OpenBleLink>): Promise<string> =>
  link.then(
    () => 'open',
    (error: DrydockError) => error.code,
  );

const level = (wanted: SecurityPolicy['level'], rest: Partial<SecurityPolicy> = {}): SecurityPolicy => ({
  level: wanted,
  pairing: 'by-hand',
  ...rest,
});

describe('a device that asks', () => {
  it('for encryption is served after a pairing by Secure Connections', async () => {
    const device = unit({ pairing: SECURE });
    expect(await secretRefusal(await open())).toBe('link.auth-required');
    const { address, bond } = await adapter.bond(ADDRESS, {}, 30_000);
    expect({ address, ...bond }).toMatchObject({ address: ADDRESS, secureConnections: true, authenticated: false });
    expect([...device.pairing!.bonds.values()]).toMatchObject([{ secureConnections: true, authenticated: false }]);
    const link = await open();
    expect(link.secured).toEqual({ level: 'encrypted', bondLost: false });
    expect(await secretRefusal(link)).toBeUndefined();
  }, 60_000);

  it.each<[string, PairingTraits]>([
    ['Secure Connections', LABELLED],
    ['legacy pairing', { ...LABELLED, secureConnections: 'no' }],
  ])(
    'for authentication is told apart, and served after a pairing with its passkey, by %s',
    async (_, traits) => {
      unit({ pairing: traits, secretNeeds: 'authenticated' });
      await adapter.bond(ADDRESS, {}, 30_000);
      expect(await secretRefusal(await open())).toBe('link.security-level');
      // What it was bonded with is no obstacle for more.
      await adapter.bond(ADDRESS, {}, 30_000, WITH_LABEL);
      const link = await open();
      expect(link.secured.level).toBe('authenticated');
      expect(await secretRefusal(link)).toBeUndefined();
      await expect(adapter.bond(ADDRESS, {}, 30_000)).rejects.toMatchObject({ code: 'link.passkey-required' });
      // The better bond is still there.
      expect((await bonds.get(ADDRESS))?.authenticated).toBe(true);
    },
    60_000,
  );

  it('to compare numbers shows the same ones', async () => {
    const there: number[] = [];
    const here: string[] = [];
    unit({
      pairing: { secureConnections: 'only', io: 'display-yes-no', mitm: true, confirms: (d) => there.push(d) > 0 },
      secretNeeds: 'authenticated',
    });
    const present = {
      showPasskey: () => undefined,
      compare: (digits: string) => Promise.resolve(here.push(digits) > 0),
    };
    const person = { enterPasskey: () => Promise.reject(new Error('not asked for')), present };
    await adapter.bond(ADDRESS, {}, 30_000, { minimum: 'authenticated', person });
    expect(here.map(Number)).toEqual(there);
    expect(here[0]).toHaveLength(6);
    expect(await secretRefusal(await open())).toBeUndefined();
  }, 60_000);
});

describe('radios with short packets', () => {
  it('carry public keys in pieces, in both directions, between what noble sends meanwhile', async () => {
    await adapter.close();
    controller = new SimulatedController({
      scheduler: new WallClock(),
      supervisionMs: 300,
      aclBytes: 27,
      aclPackets: 3,
      maxLinkPayloadBytes: 27,
    });
    adapter = await BleAdapter.overPort('memory', memoryPort(controller), { bonds });
    const device = unit({ pairing: LABELLED, secretNeeds: 'authenticated', maxLinkPayloadBytes: 27 });
    const policy = level('authenticated', { pairing: 'when-needed', passkey: PASSKEY });
    const link = await open(policy);
    expect(link.info.maxWriteBytes).toBe(244);
    await link.send(GenericUuid.commands, new Uint8Array(244).fill(3), { acknowledged: true, withinMs: 30_000 });
    expect(device.writtenBytes).toBe(244);
    expect(await secretRefusal(link)).toBeUndefined();
    expect(controller.statistics.overruns).toBe(0);
  }, 60_000);
});

describe('a site that asks', () => {
  it('for more than the bond is worth gets no link, and nothing is said to the device', async () => {
    const device = unit({ pairing: LABELLED });
    expect(await codeOf(open(level('encrypted')))).toBe('link.security-level');
    await adapter.bond(ADDRESS, {}, 30_000);
    expect(await codeOf(open(level('authenticated')))).toBe('link.security-level');
    expect(await secretRefusal(await open(level('encrypted')))).toBeUndefined();
    device.pairing!.bonds.clear();
    expect(await codeOf(open(level('encrypted')))).toBe('link.bond-lost');
    expect(device.written).toEqual([]);
    expect(device.pairing!.bonds.size).toBe(0);
  }, 60_000);

  it('pairs when it is needed, if it says so', async () => {
    const device = unit({ pairing: LABELLED, secretNeeds: 'authenticated' });
    const policy = level('authenticated', { pairing: 'when-needed', passkey: PASSKEY });
    expect(await secretRefusal(await open(policy))).toBeUndefined();
    expect(await bonds.get(ADDRESS)).toMatchObject({ authenticated: true, secureConnections: true });
    // The second time the bond is enough.
    device.pairing!.accepts = () => false;
    expect(await secretRefusal(await open(policy))).toBeUndefined();
  }, 60_000);

  it('does not demand of a bootloader under another address what only the application has', async () => {
    const device = unit({ pairing: SECURE });
    await adapter.bond(ADDRESS, {}, 30_000);
    device.advertised = { ...device.advertised!, address: 'c0:11:22:33:44:51' };
    const link = adapter.link(ADDRESS, { services: [GenericUuid.service], security: level('encrypted') });
    const opened = (await link.open({ addresses: ['c0:11:22:33:44:51'] }, 30_000)) as OpenBleLink;
    expect(opened.secured.level).toBe('unencrypted');
    await opened.close();
  }, 60_000);
});

describe('a device that has lost its bond', () => {
  const lose = async (traits: PairingTraits, wish?: BondWish): Promise<GenericPeripheral> => {
    const device = unit({ pairing: traits });
    await adapter.bond(ADDRESS, {}, 30_000, wish);
    device.pairing!.bonds.clear();
    return device;
  };

  it('is told so where it asks for encryption, and not paired by the agent', async () => {
    const device = await lose(SECURE);
    const link = await open();
    expect(link.secured).toEqual({ level: 'unencrypted', bondLost: true });
    expect(await secretRefusal(link)).toBe('link.bond-lost');
    expect(device.pairing!.bonds.size).toBe(0);
    expect(logged.join()).toContain('no common bond any more');
  }, 60_000);

  it('is paired again where the site allows it', async () => {
    const device = await lose(SECURE);
    const before = await bonds.get(ADDRESS);
    expect(await secretRefusal(await open(level('encrypted', { pairing: 'when-lost' })))).toBeUndefined();
    expect(device.pairing!.bonds.size).toBe(1);
    expect((await bonds.get(ADDRESS))?.ltk).not.toEqual(before?.ltk);
  }, 60_000);

  it('is not paired with less than it had', async () => {
    await lose(LABELLED, WITH_LABEL);
    const before = await bonds.get(ADDRESS);
    expect(await codeOf(open(level('unencrypted', { pairing: 'when-lost' })))).toBe('link.passkey-required');
    expect(await bonds.get(ADDRESS)).toEqual(before);
  }, 60_000);

  it('and has another passkey is given up after three attempts, each after a longer pause, until a person pairs', async () => {
    const device = await lose(LABELLED, WITH_LABEL);
    const right = device.pairing!.traits;
    device.pairing!.traits = { ...LABELLED, passkey: () => 999_999 };
    const policy = level('authenticated', { pairing: 'when-lost', passkey: PASSKEY });
    const failure = (): Promise<DrydockError> =>
      open(policy).then(
        () => expect(undefined).toBe('refused'),
        (error: DrydockError) => error,
      ) as Promise<DrydockError>;
    for (const pauseMs of [1000, 2000, 4000]) {
      expect((await failure()).message).toContain('most likely the passkey is another one');
      expect((await bonds.pairingPause(ADDRESS)).pauseMs).toBe(pauseMs);
      expect((await failure()).message).toMatch(pauseMs === 4000 ? /a person has to see to it/ : /failed just now/);
      now += pauseMs;
    }
    expect((await failure()).message).toContain('a person has to see to it');
    expect(await bonds.pairingPause(ADDRESS)).toEqual({ failures: 3, pauseMs: 0 });

    device.pairing!.traits = right;
    await adapter.bond(ADDRESS, {}, 30_000, WITH_LABEL);
    expect(await bonds.pairingPause(ADDRESS)).toEqual({ failures: 0, pauseMs: 0 });
    expect(await secretRefusal(await open(policy))).toBeUndefined();
  }, 120_000);
});

describe('a device that changes its address', () => {
  const onAir = (random: number): string => resolvableAddress(IRK, random);
  const PRIVATE: PairingTraits = { ...SECURE, identity: { irk: IRK, address: ADDRESS, addressType: 'random' } };

  async function seen(): Promise<Sighting[]> {
    const sightings: Sighting[] = [];
    const done = new AbortController();
    await adapter.scan(
      30_000,
      (sighting) => {
        sightings.push(sighting);
        done.abort();
      },
      done.signal,
    );
    return sightings;
  }

  function move(device: GenericPeripheral, random: number): void {
    device.advertised = { ...device.advertised!, address: onAir(random) };
  }

  it('is the same one once it is bonded, whatever it calls itself', async () => {
    const device = unit({ address: onAir(1), pairing: PRIVATE });
    expect(await seen()).toMatchObject([{ address: onAir(1), privateAddress: true }]);
    const paired = await adapter.bond(onAir(1), {}, 30_000);
    expect(paired.address).toBe(ADDRESS);
    expect((await bonds.all()).map(({ address }) => address)).toEqual([ADDRESS]);
    for (const random of [2, 77, 0x3fffff]) {
      move(device, random);
      const [sighting] = await seen();
      expect(sighting).toMatchObject({ address: ADDRESS });
      expect(sighting).not.toHaveProperty('privateAddress');
      const link = await open(level('encrypted'));
      expect(link.info.identity).toEqual({ kind: 'ble-address', value: ADDRESS });
      expect(await secretRefusal(link)).toBeUndefined();
    }
    // Pairing again, by name or by the address it has just now, is pairing with the same one.
    await adapter.bond(ADDRESS, { addressType: 'random' }, 30_000);
    await adapter.bond(onAir(0x3fffff), {}, 30_000);
    expect(await bonds.all()).toHaveLength(1);
  }, 120_000);

  it('and has a public one that stays is known by that', async () => {
    const identity = { irk: IRK, address: '00:11:22:33:44:55', addressType: 'public' } as const;
    const device = unit({ address: onAir(1), pairing: { ...SECURE, identity } });
    expect((await adapter.bond(onAir(1), {}, 30_000)).bond.addressType).toBe('public');
    move(device, 2);
    const link = adapter.link(identity.address, { services: [GenericUuid.service], addressType: 'public' });
    expect(await secretRefusal((await link.open({}, 30_000)) as OpenBleLink)).toBeUndefined();
  }, 60_000);

  it('is not taken for the one that it says to be', async () => {
    const victim = unit({ pairing: SECURE });
    await adapter.bond(ADDRESS, {}, 30_000);
    const before = await bonds.get(ADDRESS);
    victim.advertised = undefined;
    const liar = unit({ address: onAir(5), pairing: PRIVATE });
    await expect(adapter.bond(onAir(5), {}, 30_000)).rejects.toMatchObject({
      code: 'link.pairing-failed',
      message: expect.stringContaining('which is bonded'),
    });
    expect(await bonds.get(ADDRESS)).toEqual(before);
    const other = Buffer.alloc(16, 1);
    liar.pairing!.traits = { ...SECURE, identity: { irk: other, address: 'c0:00:00:00:00:01', addressType: 'random' } };
    await expect(adapter.bond(onAir(5), {}, 30_000)).rejects.toMatchObject({
      code: 'link.pairing-failed',
      message: expect.stringContaining('not that of its address'),
    });
    expect(await bonds.all()).toHaveLength(1);
  }, 60_000);
});

describe('secrets', () => {
  it('are in no log, no error and no other file', async () => {
    unit({ pairing: { ...LABELLED, identity: { irk: IRK, address: ADDRESS, addressType: 'random' } } });
    await adapter.bond(ADDRESS, {}, 30_000, WITH_LABEL);
    const policy = level('authenticated', { pairing: 'when-lost', passkey: PASSKEY });
    const errors: unknown[] = [];
    await open(policy).then((link) => link.close());
    await adapter.bond(ADDRESS, {}, 30_000).catch((error: unknown) => errors.push(error));
    const bond = (await bonds.get(ADDRESS))!;
    const secrets = [bond.ltk, bond.irk!].map((bytes) => Buffer.from(bytes).toString('hex')).concat(DIGITS, '12345');
    const said = JSON.stringify([logged, policy, errors, errors.map(String)]);
    const file = await readFile(join(dir, 'bonds.json'), 'utf8');
    for (const secret of secrets) expect(said).not.toContain(secret);
    expect(file).toContain(secrets[0]);
    expect(file).not.toContain(DIGITS);
  }, 60_000);
});
