/** Every way in which MCUboot is built: what the same update does there, what it sends, and what it proves. */
import { describe, expect, it } from '@jest/globals';
import { makeMcubootPackage } from '@drydock/dfu-core';
import {
  bench,
  expectProven,
  fileHash,
  firmware,
  FORGER,
  hashOf,
  KEY,
  NEW,
  OLD,
  steps,
} from './conversation.fixture.js';
import type { SmpOptions } from './options.js';
import type { SmpDevice } from './smp-device.js';

type Mode = NonNullable<SmpOptions['mode']>;

const LOADER = firmware(9, 12_000);
const withLoader: Partial<SmpOptions> = { mode: 7, loader: LOADER };
const events = (device: SmpDevice, what: string): (string | undefined)[] =>
  device.touches.filter((touch) => touch.what === what).map(({ detail }) => detail);

describe.each<[Mode, string, { outcome: string; steps: string; set: readonly string[]; sent?: number }]>([
  [0, 'a single slot', { outcome: 'unproven', steps: 'touched erased complete activating', set: [] }],
  [1, 'swap using scratch', { outcome: 'proven', steps: 'touched complete activating', set: ['test'] }],
  [2, 'overwrite only', { outcome: 'proven', steps: 'touched complete erased activating', set: ['permanent'] }],
  [3, 'swap using move', { outcome: 'proven', steps: 'touched complete activating', set: ['test'] }],
  [4, 'direct-XIP', { outcome: 'proven', steps: 'touched complete activating', set: [] }],
  [5, 'direct-XIP with revert', { outcome: 'proven', steps: 'touched complete activating', set: ['test'] }],
  [6, 'RAM load', { outcome: 'proven', steps: 'touched complete activating', set: [] }],
  [7, 'firmware loader', { outcome: 'unproven', steps: 'touched erased complete activating', set: [] }],
  [8, 'a single slot, run from RAM', { outcome: 'unproven', steps: 'touched erased complete activating', set: [] }],
  [9, 'swap using offset', { outcome: 'proven', steps: 'touched complete activating', set: ['test'] }],
])('mode %i: %s', (mode, _, expected) => {
  const options = { mode, loader: LOADER };

  it('the new image runs, and is called proven only where it can be read', () => {
    const { device, update } = bench(options);
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: expected.outcome, needsRescue: false, sentBytes: NEW.length });
    if (expected.outcome === 'unproven') expect(result.outcome).toMatchObject({ reason: 'image-not-readable' });
    expect(steps(result)).toBe(expected.steps);
    expect(events(device, 'activated')).toEqual(expected.set);
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
    expect(device.unit.personality).toBe('application');
  });

  it.each([1, 9000, 29_990])('a power cut at byte %i: run again, it ends the same', (powerCutAtByte) => {
    const { device, scheduler, update } = bench({ ...options, faults: { powerCutAtByte } });
    update(NEW, { returnWithinMs: 90_000 });
    scheduler.advance(10_000);
    const again = update(NEW, { returnWithinMs: 90_000 });
    expect(['proven', 'skipped', 'unproven']).toContain(again.outcome.outcome);
    expect(again.outcome.needsRescue).toBe(false);
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
    expect(device.unit.personality).toBe('application');
  });

  it('an image that the bootloader refuses never passes as success', () => {
    const { device, update } = bench(options);
    const result = update(firmware(1, 30_001, FORGER));
    expect(result.outcome.outcome).toBe('failed');
    expect(device.flash.runningImageSha256()).not.toBe(fileHash(NEW));
  });

  it('identify says which it is', () => {
    expect(bench(options).identify()).toMatchObject({ mode: 'application', hardware: { bootloaderMode: mode } });
  });
});

describe.each<[Mode, string]>([
  [1, 'swap using scratch'],
  [2, 'overwrite only'],
  [3, 'swap using move'],
  [4, 'direct-XIP'],
  [5, 'direct-XIP with revert'],
  [6, 'RAM load'],
  [9, 'swap using offset'],
])('two images, mode %i: %s', (mode) => {
  const SECOND_OLD = firmware(0, 12_000);
  const SECOND_NEW = firmware(6, 14_001);
  const both = makeMcubootPackage([
    { image: 0, file: 'app.bin', bytes: NEW },
    { image: 1, file: 'second.bin', bytes: SECOND_NEW },
  ]);
  const options: Partial<SmpOptions> = { mode, secondImage: { image: SECOND_OLD } };
  const running = (device: SmpDevice) => device.unit.images.map((slots) => device.unit.imageSha256(slots));

  it('both run, each is named and confirmed, and once more is nothing to do', () => {
    const { device, update } = bench(options);
    const result = update(both);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(result.outcome.after?.running).toMatchObject([
      { image: 0, hash: hashOf(NEW), confirmed: true },
      { image: 1, hash: hashOf(SECOND_NEW), confirmed: true },
    ]);
    expect(running(device)).toEqual([fileHash(NEW), fileHash(SECOND_NEW)]);
    expect(update(both).outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running', sentBytes: 0 });
    // Once more: nothing may fall back at the next boot.
    device.powerCut(100);
    expect(update(both).outcome).toMatchObject({ outcome: 'skipped' });
  });

  it('one of them refused by the bootloader: the update has failed', () => {
    const { device, update } = bench(options);
    const forged = makeMcubootPackage([
      { image: 0, file: 'app.bin', bytes: NEW },
      { image: 1, file: 'second.bin', bytes: firmware(6, 14_001, FORGER) },
    ]);
    expect(update(forged).outcome).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs' });
    expect(running(device)[1]).toBe(fileHash(SECOND_OLD));
  });
});

describe('swap using offset', () => {
  it('has a page less room, and says so', () => {
    const { update } = bench({ mode: 9, slotBytes: 10 * 4096 });
    const file = firmware(1, 8 * 4096 - 0x200);
    expect(update(file).outcome).toMatchObject({ code: 'artifact.limit', params: { limit: 8 * 4096 } });
    const roomy = bench({ mode: 3, slotBytes: 10 * 4096 });
    expectProven(roomy.update(file), roomy.device, file);
  });
});

describe('the firmware loader', () => {
  it.each(['console', 'raw', 'udp', 'ble'] as const)('over %s', (transport) => {
    const { device, update } = bench({ ...withLoader, transport, bufSize: 2475 });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
    expect(result.outcome.after?.identity).toEqual(result.outcome.before?.identity);
    // By radio it is told how to call itself, and found by that; several requests are under way.
    if (transport === 'ble') expect(device.unit.loaderName).toMatch(/^FL_\d{5}$/);
  });

  it('over BLE, where it cannot be named: not found, and the unit says so', () => {
    const { device, scheduler, update } = bench({ ...withLoader, transport: 'ble', hasSettings: false });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'link.not-found', needsRescue: true });
    expect(steps(result)).toBe('touched');
    scheduler.advance(10_000);
    expect(device.unit.personality).toBe('loader');
  });

  it('is a bootloader in every word, whoever finds it', () => {
    const { device, identify, update } = bench({ ...withLoader, image: undefined });
    expect(device.unit.personality).toBe('loader');
    expect(identify()).toMatchObject({ mode: 'bootloader', running: [], installed: [] });
    const rescued = update(NEW);
    expect(rescued.outcome).toMatchObject({ outcome: 'unproven', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
  });

  it('knows what is installed: an older image is refused before anything is erased, and the application runs again', () => {
    const { device, scheduler, update } = bench({ ...withLoader, image: firmware(5) });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.downgrade', needsRescue: false });
    scheduler.advance(10_000);
    expect(device.unit.personality).toBe('application');
    expect(device.flash.runningImageSha256()).toBe(fileHash(firmware(5)));
    expect(events(device, 'erased')).toEqual([]);
  });

  it('left before anything was erased, over BLE: back to the application', () => {
    const { device, scheduler, update } = bench({ ...withLoader, transport: 'ble' });
    const result = update(NEW, {}, { onMark: (step) => (step === 'erased' ? 'cancel' : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
    scheduler.advance(10_000);
    expect(device.unit.personality).toBe('application');
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('without retained memory the application comes back, and nothing was erased', () => {
    const { device, update } = bench({ ...withLoader, transport: 'ble', keepsBootMode: false });
    expect(update(NEW).outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('goes on where it was after a lost link', () => {
    const { device, update } = bench({ ...withLoader, transport: 'ble', faults: { disconnectAtByte: [12_000] } });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'unproven', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
  });
});

describe('the board that a package names', () => {
  const packageFor = (board: string) => makeMcubootPackage([{ image: 0, file: 'app.bin', bytes: NEW }], { board });

  it.each(['demo-board', 'demo-board/nrf52840', 'demo-board_nrf52840_ns'])('%s is that of the unit', (board) => {
    const { device, update } = bench();
    expectProven(update(packageFor(board)), device);
  });

  it('another is refused by that field, before anything is touched', () => {
    const { device, update } = bench({ model: 'nrf52dk' });
    expect(update(packageFor('nrf52840dk')).outcome).toMatchObject({
      outcome: 'failed',
      code: 'artifact.wrong-hardware',
      params: { field: 'board', actual: 'board nrf52840dk', expected: 'board nrf52dk' },
    });
    expect(events(device, 'touched')).toEqual([]);
  });

  it('a unit that does not say what it is takes it', () => {
    const { device, update } = bench({ model: 'nrf52dk', hasOsInfo: false });
    expectProven(update(packageFor('nrf52840dk')), device);
  });
});

describe('datagrams that overtake each other', () => {
  it.each([1, 2, 3, 4, 5, 6])('requests and answers out of order, seed %i', (seed) => {
    const { device, update } = bench(
      { transport: 'udp', bufSize: 512, bufCount: 8 },
      { udp: { jitterMs: 40, latencyMs: 5, seed } },
    );
    const result = update(NEW);
    expectProven(result, device);
    // An answer that comes late looks like a target that lost something: it may cost a few chunks, never a round.
    expect(result.outcome.sentBytes).toBeLessThan(NEW.length * 1.2);
  });

  it('and some of them lost', () => {
    const { device, update } = bench(
      { transport: 'udp', bufSize: 512, bufCount: 8 },
      { udp: { jitterMs: 40, lossRate: 0.03, seed: 9 } },
    );
    expectProven(update(NEW, { returnWithinMs: 120_000 }), device);
  });
});

it('the hash that runs is the one that the list names', () => {
  const { device, update } = bench({ mode: 6, image: firmware(0, 20_000, KEY) });
  const result = update(NEW);
  expect(result.outcome.after?.running).toMatchObject([{ image: 0, hash: hashOf(NEW), confirmed: true }]);
  expect(device.unit.slots.active).toBe('slot1');
});
