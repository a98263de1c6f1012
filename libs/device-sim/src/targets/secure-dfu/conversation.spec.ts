/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import {
  describeNordicPackage,
  makeNordicPackage,
  nordicPublicKeyOf,
  secureDfu,
  type Identification,
  type MarkStep,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SecureDfuOptions } from './options.js';
import { createSecureDfuDevice, type SecureDfuDevice } from './secure-dfu-device.js';

const MODEL = 'sensor-a';
const ADDRESS = 'c1:02:03:04:05:ff';
const PRIVATE_KEY = new Uint8Array(32).fill(9);
const PUBLIC_KEY = nordicPublicKeyOf(PRIVATE_KEY).slice(1);
const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 20_000 });
const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 30_000, seed: 2 });

const pack = (change: Partial<Parameters<typeof makeNordicPackage>[0]> = {}): Uint8Array =>
  makeNordicPackage({
    application: NEW,
    hwVersion: 52,
    fwVersion: 2,
    sdReq: [0x0101],
    privateKey: PRIVATE_KEY,
    ...change,
  });
const PACKAGE = pack();

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: SecureDfuDevice;
}

function unit(options: Partial<SecureDfuOptions> = {}): Story {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    model: MODEL,
    serialNumber: 'SN-7',
    address: ADDRESS,
    application: OLD,
    publicKey: PUBLIC_KEY,
    ...options,
  });
  return { scheduler, device };
}

function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeNordicPackage(file),
    expectIdentity: { kind: 'ble-address', value: ADDRESS },
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    expectVersion: '1.1.0',
    returnWithinMs: 60_000,
    ...change,
  };
}

function update(
  { scheduler, device }: Story,
  file = PACKAGE,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  return runInVirtualTime((link) => secureDfu.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: secureDfu.payloads(file),
    ...run,
  });
}

const identifyIt = ({ scheduler, device }: Story): Identification =>
  runInVirtualTime((link) => secureDfu.identify(link, {}), device, { scheduler }).outcome;
const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
const SHA_OLD = hex(sha256(OLD));
const SHA_NEW = hex(sha256(NEW));

describe('an update from the application to the proof', () => {
  it('is proven, and the flash holds the image', () => {
    const story = unit();
    const progress: number[] = [];
    const result = update(story, PACKAGE, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
      sentBytes: NEW.length,
      before: { mode: 'application', running: [{ image: 0, version: '1.0.0' }], model: MODEL },
      after: { mode: 'application', running: [{ image: 0, version: '1.1.0' }] },
    });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
    expect(result.framesDropped).toBe(0);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(NEW.length);
  });

  it.each<[string, Partial<SecureDfuOptions>, RunOptions['model']]>([
    ['SDK 12: 20-byte packets, saved progress, plain errors', { sdk: '12' }, {}],
    ['SDK 14', { sdk: '14' }, {}],
    ['SDK 15.0', { sdk: '15.0' }, {}],
    ['SDK 16', { sdk: '16' }, {}],
    ['one bank', { banks: 'single' }, {}],
    ['a bootloader at the same address', { bootloaderAddress: 'same' }, {}],
    ['a link that ends in good form', { jumpLink: 'graceful' }, {}],
    ['an odd MTU', {}, { ble: { mtu: 100 } }],
    ['the smallest MTU', {}, { ble: { mtu: 23, linkPayloadBytes: 27 } }],
    ['a lossy radio', {}, { ble: { lossRate: 0.1, seed: 5 } }],
    ['flash four times as slow', { faults: { slowFlash: 4 } }, {}],
  ])('is proven with %s', (_, options, model = {}) => {
    const story = unit(options);
    const result = update(story, PACKAGE, {}, { model });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('marks each step before the device notes it', () => {
    const story = unit({ banks: 'single' });
    const result = update(story);
    const at = (step: MarkStep): number => result.marks.find((mark) => mark.step === step)!.atMs;
    const seen = (touch: TouchEntry['what']): number => story.device.touches.find((entry) => entry.what === touch)!.atMs;
    expect(at('touched')).toBeLessThan(seen('touched'));
    expect(at('erased')).toBeLessThan(seen('erased'));
    expect(at('complete')).toBeLessThanOrEqual(at('activating'));
    expect(at('activating')).toBeLessThan(seen('activated'));
  });

  it('keeps the link full: on fast flash most of the time is air', () => {
    const story = unit({ flash: { eraseMsPerPage: 0.1, writeUsPerWord: 0.1 } });
    const big = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 200_000, seed: 4 });
    const times: number[] = [];
    const result = update(story, pack({ application: big }), {}, { onProgress: (_sent, _total, atMs) => times.push(atMs) });
    expect(result.outcome.outcome).toBe('proven');
    // Per object: 17 packets of 2.5 ms, and one event of 15 ms each for the answers to create and execute.
    const objects = Math.ceil(big.length / 4096);
    expect(times.at(-1)! - times[0]!).toBeLessThan(objects * (17 * 2.5 + 2 * 15) * 1.1);
  });

  it('sends nothing to a device that runs the version already, if the version proves', () => {
    const story = unit();
    const result = update(story, PACKAGE, { expectVersion: '1.0.0' });
    expect(result.outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running', needsRescue: false });
    expect([result.sends, steps(result), what(story)]).toEqual([[], [], ['booted']]);
  });
});

describe('what cannot be proven', () => {
  it.each<[string, Partial<SecureDfuOptions>, Partial<UpdateRequest>, string]>([
    ['the version is not readable', { without: ['revision'] }, {}, 'version-not-readable'],
    ['nobody knows how the application calls itself', {}, { expectVersion: undefined }, 'version-ambiguous'],
    ['other files carry the version', {}, { versionProves: false }, 'version-ambiguous'],
    [
      'the version was the same before',
      { firmwareRevision: () => '1.1.0' },
      { versionProves: false },
      'version-unchanged',
    ],
  ])('because %s', (_, options, change, reason) => {
    const story = unit(options);
    const { outcome } = update(story, PACKAGE, change);
    expect(outcome).toMatchObject({ outcome: 'unproven', reason, needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });
});

describe('what is refused before anything is touched', () => {
  it.each<[string, Partial<SecureDfuOptions>, Uint8Array, Partial<UpdateRequest>, string]>([
    ['a unit that wants bonds', { buttonless: 'bonded' }, PACKAGE, {}, 'link.auth-required'],
    ['a unit without a way in', { buttonless: 'none' }, PACKAGE, {}, 'target.wrong-kind'],
    [
      'another unit',
      {},
      PACKAGE,
      { expectIdentity: { kind: 'ble-address', value: 'c1:02:03:04:05:00' } },
      'target.wrong-identity',
    ],
    ['a debug build', {}, pack({ isDebug: true }), {}, 'artifact.debug'],
    ['an older version', {}, PACKAGE, { expectVersion: '0.9.0' }, 'artifact.downgrade'],
  ])('%s', (_, options, file, change, code) => {
    const story = unit(options);
    const result = update(story, file, change);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect([result.sends, steps(result), what(story)]).toEqual([[], [], ['booted']]);
  });

  it('an artifact whose bytes are not what was described', () => {
    const story = unit();
    const payloads = new Map(secureDfu.payloads(PACKAGE));
    payloads.set('image:0', NEW.map((byte, at) => (at === 9999 ? byte ^ 1 : byte)));
    const result = update(story, PACKAGE, {}, { payloads });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest', needsRescue: false });
    expect(what(story)).toEqual(['booted']);
  });

  it('by a fence', () => {
    const story = unit();
    const result = update(story, PACKAGE, {}, { onMark: () => ({ fail: 'fence.start-by' }) });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'fence.start-by', needsRescue: false });
    expect([result.sends, what(story)]).toEqual([[], ['booted']]);
  });
});

describe('what the bootloader refuses', () => {
  it.each<[string, Partial<SecureDfuOptions>, Uint8Array, string]>([
    ['other hardware', {}, pack({ hwVersion: 51 }), 'artifact.wrong-hardware'],
    ['another SoftDevice', {}, pack({ sdReq: [0x0100] }), 'artifact.requires'],
    ['an older firmware version', { applicationVersion: 3 }, PACKAGE, 'artifact.downgrade'],
    ['no signature', {}, pack({ privateKey: undefined }), 'artifact.unsigned'],
    ["a stranger's signature", {}, pack({ privateKey: new Uint8Array(32).fill(8) }), 'artifact.signature'],
    ['an image without room', { applicationAreaBytes: 24_576 }, PACKAGE, 'target.no-memory'],
    ['the image at the end', { faults: { refuse: { request: 'validate', code: 5 } } }, PACKAGE, 'target.refused-image'],
  ])('%s, and the old application runs again', (_, options, file, code) => {
    const story = unit(options);
    const result = update(story, file);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
    expect(what(story).at(-1)).toBe('booted');
    expect(story.device.ble.advertisement()?.address).toBe(ADDRESS);
  });

  it('is told in the words of SDK 12, which names no reasons and has no abort', () => {
    const story = unit({ sdk: '12' });
    const { outcome } = update(story, pack({ hwVersion: 51 }));
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(JSON.stringify(outcome)).toContain('0x0a');
  });

  it('needs a rescue when the image is refused after the only bank was erased', () => {
    const story = unit({ banks: 'single', faults: { refuse: { request: 'validate', code: 5 } } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(runs(story)).toBeUndefined();
  });
});

describe('troubles on the way', () => {
  const borders = [0, 4096, 8192, 12_288, 16_384, 20_480, 24_576, 28_672, NEW.length].flatMap((border) =>
    [border - 4, border, border + 4].filter((at) => at > 0 && at <= NEW.length),
  );
  const profiles = ['12', '14', '15.0', '17'] as const;

  it.each(profiles)('link lost at every object border, SDK %s', (sdk) => {
    for (const at of borders) {
      const story = unit({ sdk, faults: { disconnectAtByte: [at] } });
      const result = update(story);
      expect([at, result.outcome.outcome]).toEqual([at, 'proven']);
      expect(runs(story)).toBe(SHA_NEW);
      expect(result.reconnects).toBeGreaterThanOrEqual(3);
    }
  });

  it('a bootloader that keeps its progress is sent each byte once', () => {
    const story = unit({ sdk: '15.0', faults: { disconnectAtByte: [9_000, 17_000, 25_000] } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', sentBytes: NEW.length });
    const image = result.sends.filter(({ acknowledged }) => !acknowledged).reduce((sum, { bytes }) => sum + bytes.length, 0);
    // What was on its way when the link went is sent again, and nothing else.
    expect(image).toBeLessThan(NEW.length + 200 + 3 * 4096);
  });

  it('link lost at random bytes, several times, on every kind of bootloader', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: NEW.length }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...profiles),
        fc.constantFrom('single' as const, 'dual' as const),
        (disconnectAtByte, sdk, banks) => {
          const story = unit({ sdk, banks, faults: { disconnectAtByte } });
          const { outcome } = update(story);
          expect(outcome.outcome).toBe('proven');
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('single frames lost or damaged, whichever they are', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 160 }), { maxLength: 3 }),
        fc.uniqueArray(fc.integer({ min: 3, max: 160 }), { maxLength: 2 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 1 }),
        fc.constantFrom(...profiles),
        (dropToDevice, corruptToDevice, dropToHost, sdk) => {
          const story = unit({ sdk, faults: { dropToDevice, corruptToDevice, dropToHost, seed: 3 } });
          const { outcome } = update(story);
          if (outcome.outcome === 'failed') {
            // A damaged request may change its meaning; then the device must still be told true.
            expect(outcome.needsRescue).toBe(story.device.ble.advertisement()?.address !== ADDRESS);
            return;
          }
          expect(outcome.outcome).toBe('proven');
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('one packet in fifty lost all along', () => {
    for (const sdk of ['15.0', '17'] as const) {
      const story = unit({ sdk, faults: { lossRate: 0.02, seed: 11 } });
      const { outcome } = update(story);
      expect(outcome.outcome).toBe('proven');
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a device that never stops losing the link ends in a failure that names it', () => {
    const everyKilobyte = Array.from({ length: 400 }, (_, i) => (i + 1) * 1000);
    const story = unit({ sdk: '17', banks: 'single', faults: { disconnectAtByte: everyKilobyte } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'link.lost', needsRescue: true });
    expect(result.reconnects).toBeLessThan(20);
  });

  it('a reboot in mid-transfer lets the old application come back, and the update begins again', () => {
    const story = unit({ faults: { rebootAtByte: 15_000 } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('does not come back', () => {
    const story = unit({ faults: { muteAfterActivation: true } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.did-not-return', needsRescue: true });
  });

  it('comes back with the old image', () => {
    const story = unit({ faults: { keepOldImage: true } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.wrong-image-runs',
      params: { actual: '1.0.0', expected: '1.1.0' },
      needsRescue: false,
    });
  });

  it('is not fooled by a neighbour with the same software', () => {
    const story = unit();
    const neighbour = createSecureDfuDevice({
      scheduler: story.scheduler,
      model: MODEL,
      serialNumber: 'SN-8',
      address: 'c1:02:03:04:05:10',
      application: NEW,
    });
    const result = update(story, PACKAGE, {}, { others: [neighbour] });
    expect(result.outcome).toMatchObject({ outcome: 'proven', after: { identity: { value: ADDRESS } } });
    expect(neighbour.touches.map((touch) => touch.what)).toEqual(['booted']);
  });
});

describe('rescue', () => {
  const rescue = ({ scheduler, device }: Story, change: Partial<UpdateRequest> = {}): UpdateOutcome =>
    runInVirtualTime((link) => secureDfu.rescue(link, requestFor(PACKAGE, change)), device, {
      scheduler,
      payloads: secureDfu.payloads(PACKAGE),
    }).outcome;

  it.each(['12', '14', '15.0', '17'] as const)('after a power cut in mid-transfer on one bank, SDK %s', (sdk) => {
    const story = unit({ sdk, banks: 'single' });
    // The first session is cut off together with its device: the gateway lost power too.
    const first = update(story, PACKAGE, {}, {
      onMark: (step) => (step === 'complete' ? { fail: 'fence.finish-by' } : 'go'),
    });
    expect(first.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    story.device.powerCut(2000);
    story.scheduler.advance(10_000);
    expect(runs(story)).toBeUndefined();
    expect(identifyIt(story)).toMatchObject({ mode: 'bootloader', running: [] });

    const outcome = rescue(story);
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false, before: { mode: 'bootloader' } });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a power cut during the session itself is mended by it', () => {
    for (const banks of ['single', 'dual'] as const) {
      const story = unit({ banks, faults: { powerCutAtByte: 14_000 } });
      const { outcome } = update(story);
      expect(outcome.outcome).toBe('proven');
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a unit without any application, known only by its bootloader', () => {
    const story = unit({ application: undefined });
    const outcome = rescue(story, { expectIdentity: undefined });
    expect(outcome).toMatchObject({ outcome: 'proven', after: { identity: { value: ADDRESS } } });
  });

  it('a late proof judges what runs', () => {
    const story = unit();
    const before = identifyIt(story);
    const prove = (change: Partial<UpdateRequest> = {}, seen: Identification | undefined = before): UpdateOutcome =>
      runInVirtualTime((link) => secureDfu.prove(link, requestFor(PACKAGE, change), seen), story.device, {
        scheduler: story.scheduler,
      }).outcome;
    expect(prove()).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs' });
    expect(update(story).outcome.outcome).toBe('proven');
    expect(prove()).toMatchObject({ outcome: 'proven', after: { running: [{ version: '1.1.0' }] } });
    const nobodySawIt = runInVirtualTime((link) => secureDfu.prove(link, requestFor(PACKAGE), undefined), story.device, {
      scheduler: story.scheduler,
    }).outcome;
    expect(nobodySawIt).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
  });
});

describe('cancellation', () => {
  it('at any moment leaves an application running, and says which', () => {
    const whole = update(unit({ banks: 'single' })).elapsedMs;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Math.floor(whole) }),
        fc.constantFrom('single' as const, 'dual' as const),
        fc.constantFrom('15.0' as const, '17' as const),
        (cancelAfterMs, banks, sdk) => {
          const story = unit({ banks, sdk });
          const result = update(story, PACKAGE, {}, { cancelAfterMs });
          const erased = steps(result).includes('erased');
          expect(result.outcome).toMatchObject({ outcome: erased ? 'proven' : 'cancelled', needsRescue: false });
          expect(runs(story)).toBe(erased ? SHA_NEW : SHA_OLD);
          expect(story.device.ble.advertisement()?.address).toBe(ADDRESS);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(['touched', 'erased', 'complete', 'activating'] as const)('at the mark %s', (step) => {
    const story = unit();
    let given = false;
    const result = update(story, PACKAGE, {}, {
      onMark: (now) => {
        if (now !== step || given) return 'go';
        given = true;
        return 'cancel';
      },
    });
    const early = step === 'touched' || step === 'erased';
    expect(result.outcome).toMatchObject({ outcome: early ? 'cancelled' : 'proven', needsRescue: false });
    expect(runs(story)).toBe(early ? SHA_OLD : SHA_NEW);
    if (step === 'touched') expect(what(story)).toEqual(['booted']);
  });

  it('on a bootloader without abort tells that the unit stays in it', () => {
    const story = unit({ sdk: '12' });
    const result = update(story, PACKAGE, {}, { onMark: (step) => (step === 'erased' ? 'cancel' : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: true });
  });
});
