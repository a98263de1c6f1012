/** Pairing, bonds and encryption over the real stack and the simulated controller, whose own security was written apart. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  describeArtifact,
  makeMcubootImage,
  makeNordicPackage,
  secureDfu,
  smp,
  type Protocol,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import {
  createSecureDfuDevice,
  createSmpDevice,
  makeDemoFirmware,
  makeFactoryImage,
  memoryPort,
  SimulatedController,
  WallClock,
  type SecureDfuBleDevice,
} from '@drydock/device-sim';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { BleAdapter } from './ble-adapter.js';
import { type BondStore, openBondStore } from './bond-store.js';
import { Passkey } from './pairing/passkey.js';
import { personWith } from './pairing/person.js';

const ADDRESS = 'c0:11:22:33:44:50';
let dir: string;
let bonds: BondStore;
const adapters: BleAdapter[] = [];
const logged: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-bonds-'));
  bonds = await openBondStore(dir);
  logged.length = 0;
});
afterEach(async () => {
  await Promise.all(adapters.splice(0).map((adapter) => adapter.close()));
  await rm(dir, { recursive: true });
});

async function adapterOver(controller: SimulatedController, store = bonds): Promise<BleAdapter> {
  const log = (message: string): void => void logged.push(message);
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller), { bonds: store, log });
  adapters.push(adapter);
  return adapter;
}

function bondedUnit(): { device: SecureDfuBleDevice; controller: SimulatedController } {
  const scheduler = new WallClock();
  const device = createSecureDfuDevice({
    scheduler,
    address: ADDRESS,
    model: 'demo-sensor',
    buttonless: 'bonded',
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 0.5, writeUsPerWord: 1 },
    rebootMs: 50,
    jumpLink: 'graceful',
    faults: { disconnectAtByte: [9_000] },
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 300 });
  controller.host(device.ble);
  return { device, controller };
}

async function update(adapter: BleAdapter, protocol: Protocol, file: Uint8Array): Promise<UpdateOutcome> {
  const artifact = describeArtifact(file);
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(ADDRESS, { services: protocol.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, protocol.payloads(file)),
  });
  try {
    return await driver.run(
      (info) =>
        protocol.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0',
          returnWithinMs: 10_000,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
  } finally {
    await driver.close();
  }
}

const nordicFile = makeNordicPackage({
  application: makeDemoFirmware({ model: 'demo-sensor', version: '2.0.0', sizeBytes: 20_000, seed: 2 }),
  hwVersion: 52,
  fwVersion: 2,
  sdReq: [0x0101],
});

describe('a device with the buttonless service for bonded peers', () => {
  it('is refused without a bond, bonded once, and updated through its bootloader and a lost link', async () => {
    const { device, controller } = bondedUnit();
    const adapter = await adapterOver(controller);
    expect(await update(adapter, secureDfu, nordicFile)).toMatchObject({
      outcome: 'failed',
      code: 'link.auth-required',
    });
    expect(device.touches.map(({ what }) => what)).toEqual(['booted']);

    await adapter.bond(ADDRESS, {}, 10_000);
    expect(device.ble.pairing.bonds.size).toBe(1);
    expect((await bonds.all()).map(({ address }) => address)).toEqual([ADDRESS]);

    expect(await update(adapter, secureDfu, nordicFile)).toMatchObject({ outcome: 'proven' });
  }, 30_000);

  it('knows its bond after the agent was restarted', async () => {
    const { controller } = bondedUnit();
    const first = await adapterOver(controller);
    await first.bond(ADDRESS, { addressType: 'random' }, 10_000);
    await first.close();
    const second = await adapterOver(controller, await openBondStore(dir));
    expect(await update(second, secureDfu, nordicFile)).toMatchObject({ outcome: 'proven' });
  }, 30_000);

  it('that has forgotten its bond is told so, and still identified', async () => {
    const { device, controller } = bondedUnit();
    const adapter = await adapterOver(controller);
    await adapter.bond(ADDRESS, {}, 10_000);
    device.ble.pairing.bonds.clear();
    expect(await update(adapter, secureDfu, nordicFile)).toMatchObject({
      outcome: 'failed',
      code: 'link.bond-lost',
      before: { running: [{ image: 0, version: '1.0.0' }] },
    });
    expect(logged.join('\n')).toContain('hold no common bond any more');
  }, 30_000);

  it('whose key is another one is told so, and nothing is touched', async () => {
    const { device, controller } = bondedUnit();
    const adapter = await adapterOver(controller);
    await adapter.bond(ADDRESS, {}, 10_000);
    const [central, bond] = [...device.ble.pairing.bonds][0]!;
    device.ble.pairing.bonds.set(central, { ...bond, ltk: new Uint8Array(16) });
    await expect(adapter.link(ADDRESS, { services: secureDfu.services }).open({}, 1500)).rejects.toMatchObject({
      code: 'link.bond-lost',
    });
    expect(device.touches.map(({ what }) => what)).toEqual(['booted']);
  }, 30_000);
});

describe('any other device', () => {
  it('that pairs with nobody says so', async () => {
    const scheduler = new WallClock();
    const device = createSecureDfuDevice({ scheduler, address: ADDRESS, application: new Uint8Array(4096) });
    const controller = new SimulatedController({ scheduler, supervisionMs: 300 });
    controller.host(device.ble);
    const adapter = await adapterOver(controller);
    await expect(adapter.bond(ADDRESS, {}, 10_000)).rejects.toMatchObject({ code: 'link.pairing-failed' });
    expect(await bonds.all()).toEqual([]);
  }, 30_000);

  it('that speaks SMP behind encryption is served as well', async () => {
    const scheduler = new WallClock();
    const device = createSmpDevice({
      scheduler,
      transport: 'ble',
      address: ADDRESS,
      needsPairing: true,
      image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
      slotBytes: 256 * 1024,
      flash: { eraseMsPerPage: 0.5, writeUsPerWord: 1 },
      resetDelayMs: 50,
      rebootMs: 50,
      swapMs: 50,
    });
    const controller = new SimulatedController({ scheduler, supervisionMs: 300 });
    controller.host(device.ble!);
    const adapter = await adapterOver(controller);
    const file = makeMcubootImage({
      body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: 20_000, seed: 2 }),
      version: { major: 2, minor: 0, revision: 0, build: 0 },
    });
    expect(await update(adapter, smp, file)).toMatchObject({ outcome: 'failed', code: 'link.auth-required' });
    await adapter.bond(ADDRESS, {}, 10_000);
    expect(await update(adapter, smp, file)).toMatchObject({ outcome: 'proven' });
  }, 30_000);

  it('that wants its passkey and comes back under another private address is the same one, and proven', async () => {
    const scheduler = new WallClock();
    const irk = Buffer.from('ec0234a357c8ad05341010a60a397d9b', 'hex');
    const device = createSmpDevice({
      scheduler,
      transport: 'ble',
      address: ADDRESS,
      needsPairing: 'authenticated',
      rotatesAddress: true,
      pairing: {
        secureConnections: 'only',
        io: 'display-only',
        mitm: true,
        passkey: () => 4711,
        identity: { irk, address: ADDRESS, addressType: 'random' },
      },
      image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
      slotBytes: 256 * 1024,
      flash: { eraseMsPerPage: 0.5, writeUsPerWord: 1 },
      resetDelayMs: 50,
      rebootMs: 50,
      swapMs: 50,
    });
    const controller = new SimulatedController({ scheduler, supervisionMs: 300 });
    controller.host(device.ble!);
    const adapter = await adapterOver(controller);
    const first = device.ble!.advertisement()!.address;
    await expect(adapter.bond(first, {}, 30_000)).rejects.toMatchObject({ code: 'link.passkey-required' });
    const person = personWith(Passkey.parse('004711', 'test'));
    const second = device.ble!.advertisement()!.address;
    expect(second).not.toBe(first);
    const paired = await adapter.bond(second, {}, 30_000, { minimum: 'authenticated', person });
    expect(paired.address).toBe(ADDRESS);
    const file = makeMcubootImage({
      body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: 20_000, seed: 2 }),
      version: { major: 2, minor: 0, revision: 0, build: 0 },
    });
    expect(await update(adapter, smp, file)).toMatchObject({ outcome: 'proven' });
    expect([first, second]).not.toContain(device.ble!.advertisement()!.address);
  }, 60_000);
});
