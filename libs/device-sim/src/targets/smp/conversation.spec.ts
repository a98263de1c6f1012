/** dfu-core's SMP session against the simulated unit, in virtual time: two spellings of one document. */
import { describe, expect, it } from '@jest/globals';
import { type LinkModel } from '../../links/link-model.js';
import { seededRandom } from '../../scheduler/seeded-random.js';
import type { FaultPlan } from '../../target.js';
import {
  bench,
  expectProven,
  fileHash,
  firmware,
  FORGER,
  hashOf,
  NEW,
  OLD,
  OTHER,
  steps,
} from './conversation.fixture.js';
import type { SmpOptions } from './options.js';

describe('the usual way', () => {
  it.each<[string, Partial<SmpOptions>]>([
    ['console', {}],
    ['console with log text and Zephyr lines', { chatter: true, crcOnExtraLine: true }],
    ['definite CBOR, rc 0, frugal list', { cbor: 'definite', legacyRc: true, frugalList: true }],
    ['a server from before version 2', { versionOneOnly: true }],
    ['without params', { hasParams: false }],
    ['without any information', { hasParams: false, hasBootloaderInfo: false, hasOsInfo: false }],
    ['with image check', { imageCheck: true }],
    ['two large buffers', { bufSize: 2048, bufCount: 2 }],
    ['eight buffers', { bufSize: 1024, bufCount: 8 }],
    ['overwrite only', { mode: 2 }],
    ['swap with offset', { mode: 9 }],
    ['raw UART', { transport: 'raw' }],
    ['UDP', { transport: 'udp', bufSize: 2048, bufCount: 2 }],
    ['BLE', { transport: 'ble', bufSize: 2475 }],
    ['BLE without reassembly', { transport: 'ble', reassembly: false, hasParams: false }],
    ['BLE without reassembly, but with params', { transport: 'ble', reassembly: false, bufSize: 1024 }],
  ])('%s', (_, options) => {
    const { device, update } = bench(options);
    const result = update(NEW);
    expectProven(result, device);
    expect(steps(result)).toBe(
      options.mode === 2 ? 'touched complete erased activating' : 'touched complete activating',
    );
    expect(result.outcome.before?.running).toMatchObject([{ hash: hashOf(OLD), version: '1.0.0', confirmed: true }]);
    expect(result.outcome.sentBytes).toBe(NEW.length);
  });

  it('touches nothing before the mark', () => {
    const { device, update } = bench();
    const result = update(NEW);
    const touched = result.marks.find(({ step }) => step === 'touched')?.atMs ?? Infinity;
    expect(device.touches.find(({ what }) => what === 'touched')?.atMs).toBeGreaterThanOrEqual(touched);
  });

  it('confirms at once when asked to', () => {
    const { device, update } = bench();
    expectProven(update(NEW, { confirm: 'at-once' }), device);
    expect(device.touches.find(({ what }) => what === 'activated')?.detail).toBe('permanent');
  });

  it('a unit that names itself is known by its name, where the link says so', () => {
    const linkOptions = { identity: 'node-name' };
    const { device, update } = bench({ deviceId: 'UNIT-77' });
    const named = { kind: 'serial-number', value: 'UNIT-77' } as const;
    const other = { kind: 'serial-number', value: 'UNIT-78' } as const;
    expect(update(NEW, { linkOptions, expectIdentity: other }).outcome).toMatchObject({
      code: 'target.wrong-identity',
    });
    const result = update(NEW, { linkOptions, expectIdentity: named });
    expectProven(result, device);
    expect(result.outcome.after?.identity).toEqual(named);
    // Recovery cannot name itself; the application that comes back must.
    const broken = bench({ deviceId: 'UNIT-77', image: firmware(0, 20_000, FORGER) });
    expectProven(broken.update(NEW, { linkOptions, expectIdentity: named }), broken.device);
    const swapped = bench({ deviceId: 'UNIT-79', image: firmware(0, 20_000, FORGER) });
    expect(swapped.update(NEW, { linkOptions, expectIdentity: named }).outcome).toMatchObject({
      code: 'target.wrong-identity',
    });
  });

  it('identifies application and recovery', () => {
    expect(bench().identify()).toEqual({
      protocol: 'smp',
      mode: 'application',
      identity: { kind: 'port-path', value: 'sim:SIM-0001' },
      model: 'demo-board',
      hardware: {
        bootloader: 'MCUboot',
        bootloaderMode: 3,
        noDowngrade: 0,
        platform: 'demo-board',
        maxImageBytes: 258048,
      },
      running: [{ image: 0, version: '1.0.0', hash: hashOf(OLD), confirmed: true }],
      installed: [],
    });
    const recovery = bench({ image: firmware(0, 20_000, FORGER) }).identify();
    expect(recovery).toMatchObject({ mode: 'bootloader', running: [] });
  });

  it('keeps the wire full: at least 97 % of what the line can carry', () => {
    const big = firmware(5, 120_000);
    const { device, update } = bench({ bufSize: 1024, flash: { eraseMsPerPage: 0 } });
    const result = update(big);
    expectProven(result, device, big);
    const [touched, complete] = ['touched', 'complete'].map(
      (step) => result.marks.find((mark) => mark.step === step)?.atMs ?? NaN,
    );
    const wireBytes = result.sends
      .filter(({ atMs }) => atMs >= (touched ?? 0) && atMs < (complete ?? 0))
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
    const floorMs = (wireBytes * 10 * 1000) / 115_200;
    expect(floorMs / ((complete ?? NaN) - (touched ?? NaN))).toBeGreaterThan(0.97);
  });
});

describe('what is already there', () => {
  it('skips what runs, and touches nothing', () => {
    const { device, update } = bench();
    const result = update(OLD);
    expect(result.outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running', sentBytes: 0 });
    expect(steps(result)).toBe('');
    expect(device.touches.filter(({ what }) => what !== 'booted')).toEqual([]);
  });

  it('does not send what is in the slot', () => {
    const { device, update } = bench();
    let stopped = 0;
    update(NEW, {}, { onMark: (step) => (step === 'activating' ? (stopped++, 'cancel') : 'go') });
    expect(stopped).toBe(1);
    const result = update(NEW);
    expectProven(result, device);
    expect(result.outcome.sentBytes).toBe(0);
    expect(steps(result)).toBe('touched activating');
  });

  it('only resets what is already set for the next boot', () => {
    const { device, update } = bench();
    update(NEW, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    device.unit.slots.setPending(false, () => undefined);
    device.unit.scheduler.after(10_000, () => undefined);
    const result = update(NEW);
    expectProven(result, device);
    expect(result.outcome.sentBytes).toBe(0);
  });

  it('takes a foreign image out of the next boot first', () => {
    const { device, update } = bench();
    update(OTHER, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    device.unit.slots.setPending(true, () => undefined);
    expectProven(update(NEW), device);
  });

  it('lets a foreign trial fall back first', () => {
    const { device, scheduler, update } = bench();
    update(OTHER, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    device.unit.slots.setPending(false, () => undefined);
    scheduler.advance(100);
    device.powerCut(100);
    scheduler.advance(60_000);
    expect(device.flash.runningImageSha256()).toBe(fileHash(OTHER));
    const result = update(NEW, { allowDowngrade: true });
    expectProven(result, device);
    expect(result.outcome.before?.running).toMatchObject([{ hash: hashOf(OLD), confirmed: true }]);
  });
});

describe('a lossy line', () => {
  it.each<[string, FaultPlan, LinkModel?]>([
    ['each lost line to the device', { dropToDevice: [3, 20, 60, 61, 62, 140, 250] }],
    ['each lost answer', { dropToHost: [2, 9, 15, 40, 41, 60] }],
    ['damaged lines', { corruptToDevice: [5, 33, 34, 90], corruptToHost: [4, 20, 33] }],
    ['2 % of all lines lost', { lossRate: 0.02, seed: 5 }],
    ['2 % of all lines damaged', { corruptRate: 0.02, seed: 6 }],
    ['a stall', { stallAtFrame: 100, stallMs: 6000 }],
    ['bit errors on the wire', {}, { serial: { bitErrorsPerByte: 0.0002, seed: 9 } }],
    ['lost pieces on the wire', {}, { serial: { lossRate: 0.003, seed: 10 } }],
    ['slow flash', { slowFlash: 12 }],
  ])('%s', (_, faults, model = {}) => {
    const { device, update } = bench({ faults }, model);
    expectProven(update(NEW, { returnWithinMs: 600_000 }), device);
  });

  it('a lost first or last chunk, and lost answers to them, wherever they are', () => {
    const count = bench().update(NEW).sends.length;
    for (const share of [0, 0.02, 0.04, 0.9, 0.95, 0.97, 0.98, 0.99, 1]) {
      const { device, update } = bench({ faults: { dropToHost: [Math.max(1, Math.round(count * share) - 4)] } });
      expectProven(update(NEW), device);
    }
  });
});

describe('power and links that go', () => {
  it.each([1, 600, 5000, 15_000, 29_900, 30_640])('power cut when %i bytes were taken', (powerCutAtByte) => {
    const { device, update } = bench({ faults: { powerCutAtByte } });
    expectProven(update(NEW), device);
  });

  it.each([700, 20_000])('reboot at byte %i', (rebootAtByte) => {
    const { device, update } = bench({ faults: { rebootAtByte, rebootMs: 9000 } });
    expectProven(update(NEW), device);
  });

  it('BLE: goes on where it was after a lost link', () => {
    const { device, update } = bench({ transport: 'ble', faults: { disconnectAtByte: [2000, 14_000, 22_000] } });
    const result = update(NEW);
    expectProven(result, device);
    expect(result.outcome.sentBytes).toBeLessThan(NEW.length + 4000);
  });

  it('a new session resumes where the former was cut', () => {
    for (const cutMs of [900, 1500, 2200, 3000]) {
      const { device, update } = bench();
      const first = update(NEW, {}, { cancelAfterMs: cutMs });
      expect(first.outcome.outcome).toBe('cancelled');
      const second = update(NEW);
      expectProven(second, device);
      expect(first.outcome.sentBytes + second.outcome.sentBytes).toBeGreaterThanOrEqual(NEW.length);
      expect(first.outcome.sentBytes + second.outcome.sentBytes).toBeLessThan(NEW.length + 500);
    }
  });

  it('power cut between test and reset starts the image all the same', () => {
    const { device, scheduler, update } = bench({ resetDelayMs: 60_000 });
    const cut = (): void => {
      if (device.touches.some(({ what }) => what === 'activated')) device.powerCut(500);
      else scheduler.after(50, cut);
    };
    scheduler.after(50, cut);
    expectProven(update(NEW), device);
  });
});

describe('anything at once', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => [seed + 1]))('seed %i ends proven', (seed) => {
    const random = seededRandom(seed);
    const sometimes = (share: number, fault: FaultPlan): FaultPlan => (random() < share ? fault : {});
    const transport = (['console', 'console', 'raw', 'ble', 'udp'] as const)[seed % 5] ?? 'console';
    const faults: FaultPlan = {
      seed,
      ...sometimes(0.5, { lossRate: random() * 0.06 }),
      // Only the console has a checksum; the others leave damage to the layer below.
      ...(transport === 'console' ? sometimes(0.5, { corruptRate: random() * 0.06 }) : {}),
      ...sometimes(0.4, { powerCutAtByte: Math.floor(random() * 40_000) }),
      ...sometimes(0.3, { rebootAtByte: Math.floor(random() * 60_000) }),
      ...sometimes(0.3, { disconnectAtByte: [Math.floor(random() * 30_000)] }),
      ...sometimes(0.2, { slowFlash: 1 + random() * 20 }),
      ...sometimes(0.3, { stallAtFrame: Math.floor(random() * 200), stallMs: random() * 15_000 }),
    };
    const { device, update } = bench({
      transport,
      faults,
      bufSize: 300 + Math.floor(random() * 2000),
      bufCount: 1 + Math.floor(random() * 6),
      imageCheck: random() < 0.3,
      chatter: random() < 0.3,
      hasParams: random() < 0.8,
      swapMs: random() * 30_000,
      ...(seed % 10 === 1 ? { image: firmware(0, 20_000, FORGER) } : {}),
    });
    expectProven(update(NEW), device);
  });
});

describe('cancellation and fences', () => {
  it.each(['touched', 'complete', 'activating'] as const)('leaves at the mark %s', (at) => {
    const { device, update } = bench();
    const result = update(NEW, {}, { onMark: (step) => (step === at ? 'cancel' : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
    expect(device.unit.slots.flags('slot1').pending).toBe(false);
    if (at === 'touched') expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
  });

  it('at any moment: cancelled before the activation, finished after it', () => {
    const whole = bench().update(NEW);
    const activating = whole.marks.find(({ step }) => step === 'activating')?.atMs ?? NaN;
    for (let atMs = 0; atMs < whole.elapsedMs; atMs += whole.elapsedMs / 40) {
      const { device, scheduler, update } = bench();
      const { outcome } = update(NEW, {}, { cancelAfterMs: atMs });
      expect(['cancelled', 'proven']).toContain(outcome.outcome);
      if (atMs < activating - 100) expect(outcome.outcome).toBe('cancelled');
      device.powerCut(100);
      scheduler.advance(60_000);
      expect(device.flash.runningImageSha256()).toBe(fileHash(outcome.outcome === 'proven' ? NEW : OLD));
    }
  });

  it('a fence is told by its code', () => {
    const { update } = bench();
    const result = update(NEW, {}, { onMark: (step) => (step === 'activating' ? { fail: 'fence.finish-by' } : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by' });
  });
});

describe('what the unit refuses', () => {
  it.each([
    [1, 'target.refused'],
    [9, 'target.refused'],
    [12, 'target.refused'],
    [27, 'target.refused-image'],
    [30, 'target.refused-image'],
  ] as const)('upload with image code %i', (code, expected) => {
    const { device, update } = bench({ faults: { refuse: { request: 'upload', code } } });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: expected, needsRescue: false });
    expect(result.outcome).toMatchObject({ params: { result: `1/${code}` } });
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('the state, and the reset', () => {
    const state = bench({ faults: { refuse: { request: 'state', code: 24 } } }).update(NEW);
    expect(state.outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', params: { result: '1/24' } });
    const { device, update } = bench({ faults: { refuse: { request: 'reset', code: 11 } } });
    expect(update(NEW).outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: false });
    // What was set for the next boot is taken back.
    expect(device.unit.slots.flags('slot1').pending).toBe(false);
    const busy = bench({ faults: { refuse: { request: 'reset', code: 10 } } }).update(NEW);
    expect(busy.outcome).toMatchObject({ outcome: 'failed', code: 'target.busy' });
  });

  it('what does not fit: too large, older, other unit, other bytes', () => {
    const { device, update } = bench({ slotBytes: 40 * 1024 });
    expect(update(firmware(1, 39_000)).outcome).toMatchObject({ outcome: 'failed', code: 'artifact.limit' });
    const newer = bench({ image: OTHER });
    expect(newer.update(NEW).outcome).toMatchObject({ outcome: 'failed', code: 'artifact.downgrade' });
    expectProven(newer.update(NEW, { allowDowngrade: true }), newer.device);
    const noDowngrade = bench({ image: OTHER, noDowngrade: true });
    expect(noDowngrade.update(NEW, { allowDowngrade: true }).outcome).toMatchObject({ code: 'artifact.downgrade' });
    const elsewhere = { kind: 'port-path', value: '/dev/other' } as const;
    expect(update(NEW, { expectIdentity: elsewhere }).outcome).toMatchObject({ code: 'target.wrong-identity' });
    const wrong = new Map([['image:0', new Uint8Array(NEW.length)]]);
    expect(update(NEW, {}, { payloads: wrong }).outcome).toMatchObject({ code: 'artifact.digest' });
    expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
  });
});

describe('after the activation', () => {
  it('mute: it did not return', () => {
    const { update } = bench({ faults: { muteAfterActivation: true } });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.did-not-return', needsRescue: true });
    expect(result.elapsedMs).toBeLessThan(200_000);
  });

  it('the old image is back, and the new one lies unused beside it', () => {
    const { update } = bench({ faults: { keepOldImage: true } });
    expect(update(NEW).outcome).toMatchObject({ outcome: 'reverted', needsRescue: false });
  });

  it('the bootloader throws a forged image away', () => {
    const { device, update } = bench();
    const result = update(firmware(1, 30_000, FORGER));
    expect(result.outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.wrong-image-runs',
      params: { actual: hashOf(OLD) },
    });
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('falls back after it was confirmed: seen by the next look', () => {
    const { scheduler, update, prove } = bench({ faults: { revertAfterConfirm: true } });
    const first = update(NEW);
    expect(first.outcome.outcome).toBe('proven');
    scheduler.advance(60_000);
    expect(prove(NEW, first.outcome.before)).toMatchObject({ outcome: 'reverted' });
  });

  it('a late proof of what ran before says so', () => {
    const { identify, prove } = bench();
    expect(prove(OLD, identify())).toMatchObject({ outcome: 'unproven', reason: 'version-unchanged' });
  });

  it('a late proof confirms what is still on trial', () => {
    const { device, scheduler, update, prove } = bench();
    const before = bench().identify();
    update(NEW, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    device.unit.slots.setPending(false, () => undefined);
    scheduler.advance(100);
    device.powerCut(100);
    scheduler.advance(60_000);
    expect(prove(NEW, undefined)).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
    expect(device.unit.slots.flags('slot0').confirmed).toBe(true);
    expect(prove(NEW, before)).toMatchObject({ outcome: 'proven' });
    expect(prove(OTHER, before)).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs' });
  });

  it('waits as long as a swap takes', () => {
    const { device, update } = bench({ swapMs: 45_000 });
    expectProven(update(NEW), device);
  });
});

describe('serial recovery', () => {
  const broken = firmware(0, 20_000, FORGER);

  it('rescues a unit without a valid application', () => {
    const { device, update } = bench({ image: broken });
    const result = update(NEW);
    expectProven(result, device);
    expect(steps(result)).toBe('touched erased complete activating');
    expect(result.outcome.before).toMatchObject({ mode: 'bootloader', running: [] });
  });

  it('with lost lines, and without params', () => {
    const { device, update } = bench({ image: broken, hasParams: false, faults: { lossRate: 0.02, seed: 4 } });
    expectProven(update(NEW), device);
  });

  it('needs a rescue when it is left in the middle', () => {
    const { update } = bench({ image: broken });
    const result = update(NEW, {}, { cancelAfterMs: 4000 });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: true });
  });

  it('refuses a forged image after its upload', () => {
    const { update } = bench({ image: broken });
    expect(update(firmware(1, 30_000, FORGER)).outcome).toMatchObject({
      code: 'target.refused-image',
      needsRescue: true,
    });
  });
});
