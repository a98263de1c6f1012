/** The serial session and the simulated bootloader talk to each other in virtual time. Both were written apart. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  describeArtifact,
  joinLegacyFiles,
  legacySerial,
  makeLegacyPackage,
  type Identification,
  type MarkStep,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import { createLegacySerialDevice, type LegacySerialDevice } from './legacy-serial-device.js';
import type { LegacySerialOptions } from './options.js';

const MODEL = 'feather';
const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 16_000 });
const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 30_004, seed: 2 });
const SYSTEM = makeDemoFirmware({ model: 's132', version: '6', sizeBytes: 12_000, seed: 3 });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pack = (change: Partial<Parameters<typeof makeLegacyPackage>[0]> = {}): Uint8Array =>
  makeLegacyPackage({ application: NEW, deviceType: 0x52, softdevices: [0xb6], ...change });
const PACKAGE = pack();

interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: LegacySerialDevice;
}

function unit(options: Partial<LegacySerialOptions> = {}): Story {
  const scheduler = new VirtualScheduler();
  const device = createLegacySerialDevice({
    scheduler,
    application: OLD,
    softDeviceFwid: 0xb6,
    bankBytes: 48 * 1024,
    startsInBootloader: true,
    ...options,
  });
  return { scheduler, device };
}

function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: false,
    returnWithinMs: 30_000,
    ...change,
  };
}

function update(
  { scheduler, device }: Story,
  file = PACKAGE,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  const result = runInVirtualTime((link) => legacySerial.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: legacySerial.payloads(file),
    ...run,
  });
  // What is under way on the unit comes to its end.
  scheduler.advance(60_000);
  return result;
}

const identifyIt = ({ scheduler, device }: Story, options: Record<string, string> = {}): Identification =>
  runInVirtualTime((link) => legacySerial.identify(link, options), device, { scheduler }).outcome;
const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
const DONE = { outcome: 'unproven', reason: 'version-not-readable', needsRescue: false };

describe('an update over a UART', () => {
  it('ends unproven, as nobody can ask what runs; and it runs', () => {
    const story = unit();
    const progress: number[] = [];
    const result = update(story, PACKAGE, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({ ...DONE, sentBytes: NEW.length, before: { mode: 'bootloader' } });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(sha256(NEW));
    expect(progress.at(-1)).toBe(NEW.length);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it.each<[string, Partial<LegacySerialOptions>, Partial<UpdateRequest>, RunOptions['model']]>([
    ['one bank', { banks: 'single' }, {}, {}],
    ['no application before', { application: undefined, startsInBootloader: false }, {}, {}],
    ["Nordic's own, at 38400 baud, found by trying", { vendor: 'nordic' }, {}, {}],
    ['a processor that is deaf while flash is erased', { deafWhileErasing: true }, {}, {}],
    ['flash four times as slow', { faults: { slowFlash: 4 } }, {}, {}],
    ['a USB adapter that holds bytes back', {}, {}, { serial: { latencyMs: 16 } }],
    ['bytes in single file', {}, {}, { serial: { pieceBytes: 1 } }],
    ['a port that takes little at once', {}, {}, { serial: { maxWriteBytes: 64 } }],
    ['bit errors', {}, {}, { serial: { bitErrorsPerByte: 0.0002, seed: 4 } }],
    ['pieces lost', {}, {}, { serial: { lossRate: 0.005, seed: 9 } }],
  ])('gets there with %s', (_, options, change, model) => {
    const story = unit(options);
    expect(update(story, PACKAGE, change, { model: model ?? {} }).outcome).toMatchObject(DONE);
    expect(runs(story)).toBe(sha256(NEW));
  });

  it('a board that enters its bootloader by a touch', () => {
    const story = unit({ startsInBootloader: false, entersWhenOpened: true });
    const result = update(story, PACKAGE, { linkOptions: { entry: 'touch', baud: '115200' } });
    expect(result.outcome).toMatchObject({ ...DONE, before: { mode: 'application' } });
    expect(runs(story)).toBe(sha256(NEW));
    expect(what(story).slice(0, 3)).toEqual(['booted', 'touched', 'booted']);
  });

  it('SoftDevice and bootloader, then the application', () => {
    const story = unit({ banks: 'single' });
    const file = pack({ softdevice: SYSTEM, bootloader: OLD.subarray(0, 8_000) });
    expect(update(story, file).outcome).toMatchObject(DONE);
    expect(runs(story)).toBe(sha256(NEW));
    expect(story.device.unit.installedSha256('softdevice')).toBe(sha256(SYSTEM));
  });

  it('does not sleep: most of the time is wire and flash', () => {
    const story = unit({ flash: { eraseMsPerPage: 0.1, writeUsPerWord: 1 } });
    const times: number[] = [];
    update(story, PACKAGE, {}, { onProgress: (_s, _t, atMs) => times.push(atMs) });
    const wireMs = ((NEW.length / 512) * (512 + 14 + 4) * 10_000) / 115_200;
    expect(times.at(-1)! - times[0]!).toBeLessThan(wireMs * 1.1);
  });
});

describe('identify', () => {
  it('tells a bootloader by its acknowledgement, and changes nothing', () => {
    const story = unit();
    expect(identifyIt(story)).toEqual({
      protocol: 'legacy-serial',
      mode: 'bootloader',
      identity: { kind: 'port-path', value: 'sim:SIM-0001' },
      hardware: { baud: 115_200 },
      running: [],
    });
    expect(identifyIt(unit({ vendor: 'nordic' })).hardware).toEqual({ baud: 38_400 });
    expect(what(story)).toEqual(['booted']);
  });

  it('an application cannot be asked', () => {
    expect(() => identifyIt(unit({ startsInBootloader: false }))).toThrow(/entry=touch/);
    expect(identifyIt(unit({ startsInBootloader: false }), { entry: 'touch' })).toMatchObject({ mode: 'application' });
  });

  it('takes no advertisement', () => {
    expect(legacySerial.recognise({ link: 'ble', address: 'x', services: [] })).toBeUndefined();
  });
});

describe('what is refused', () => {
  it.each<[string, Uint8Array, Partial<UpdateRequest>, string]>([
    ['firmware without init packet', joinLegacyFiles(NEW), {}, 'artifact.unsupported'],
    [
      'a port that is not the expected one',
      PACKAGE,
      { expectIdentity: { kind: 'port-path', value: 'other' } },
      'target.wrong-identity',
    ],
    [
      'a file for another SoftDevice, which a person stated',
      PACKAGE,
      { linkOptions: { softDevice: '0x0101' } },
      'artifact.requires',
    ],
  ])('before anything is touched: %s', (_, file, change, code) => {
    const story = unit();
    const result = update(story, file, change);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code });
    expect([steps(result), what(story)]).toEqual([[], ['booted']]);
  });

  it.each<[string, Partial<LegacySerialOptions>, Uint8Array, string]>([
    ['another device type', {}, pack({ deviceType: 0x53 }), 'not meant for it'],
    ['another SoftDevice', {}, pack({ softdevices: [0x101] }), '0x0101'],
  ])('by a bootloader that restarts: %s', (_, options, file, says) => {
    const story = unit({ application: undefined, ...options });
    const { outcome } = update(story, file);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(JSON.stringify(outcome)).toContain(says);
  });

  it('by one that falls back to its old application: it cannot be told from a broken line, and both are said', () => {
    const story = unit();
    const { outcome } = update(story, pack({ deviceType: 0x53 }));
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: true });
    expect(JSON.stringify(outcome)).toContain('fell silent');
    expect(runs(story)).toBe(sha256(OLD));
  });

  it('an image without room', () => {
    const story = unit({ application: undefined, bankBytes: 16_384 });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(JSON.stringify(outcome)).toContain('larger than its bank');
  });

  it('an image that does not pass the check at the end, each time', () => {
    const story = unit({ application: undefined, faults: { refuse: { request: 'validate', code: 1 } } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', needsRescue: true });
  });

  it('by a fence: nothing is written after it', () => {
    const story = unit();
    const result = update(story, PACKAGE, {}, { onMark: () => ({ fail: 'fence.start-by' }) });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'fence.start-by' });
    expect(what(story)).toEqual(['booted']);
  });
});

describe('troubles on the way', () => {
  it('any frame lost or damaged, in either direction', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65 }), fc.boolean(), fc.boolean(), (frame, toHost, corrupt) => {
        const key = `${corrupt ? 'corrupt' : 'drop'}To${toHost ? 'Host' : 'Device'}` as const;
        const story = unit({ faults: { [key]: [frame], seed: frame } });
        expect(update(story).outcome).toMatchObject(DONE);
        expect(runs(story)).toBe(sha256(NEW));
      }),
      { numRuns: 60 },
    );
  });

  it('frames lost all along', () => {
    const story = unit({ faults: { lossRate: 0.1, seed: 2 } });
    expect(update(story).outcome).toMatchObject(DONE);
    expect(runs(story)).toBe(sha256(NEW));
  });

  it('a restart in mid-transfer, at any place: it begins again', () => {
    for (const at of [512, 1_024, 1_536, 2_048, 4_096, 10_000, 20_000]) {
      for (const faults of [{ rebootAtByte: at }, { powerCutAtByte: at }]) {
        const story = unit({ application: undefined, faults });
        const { outcome } = update(story);
        expect([at, outcome]).toMatchObject([at, DONE]);
        expect(runs(story)).toBe(sha256(NEW));
      }
    }
  });

  it('a restart that ends in the old application cannot be mended over this line, and is told', () => {
    const story = unit({ faults: { powerCutAtByte: 10_000 } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.timeout' });
    expect(runs(story)).toBe(sha256(OLD));
  });

  it('with a touch it can', () => {
    const story = unit({ entersWhenOpened: true, faults: { powerCutAtByte: 10_000 } });
    const { outcome } = update(story, PACKAGE, { linkOptions: { entry: 'touch' } });
    expect(outcome).toMatchObject(DONE);
    expect(runs(story)).toBe(sha256(NEW));
  });

  it('a half transfer that somebody left behind ends in a restart, and then goes through', () => {
    const story = unit({ application: undefined });
    const left = update(story, PACKAGE, {}, { onMark: (s) => (s === 'complete' ? { fail: 'fence.finish-by' } : 'go') });
    expect(left.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    const result = update(story);
    expect(['unproven', 'failed']).toContain(result.outcome.outcome);
    if (result.outcome.outcome === 'failed') expect(update(story).outcome).toMatchObject(DONE);
    expect(runs(story)).toBe(sha256(NEW));
  });

  it('noise from a chatty device', () => {
    const story = unit();
    const { serial } = story.device;
    const chatty = {
      ...story.device,
      serial: {
        baud: serial.baud,
        attach: (send: (bytes: Uint8Array) => void) =>
          serial.attach((bytes) => {
            send(new TextEncoder().encode('[app] hello\r\n'));
            send(bytes);
          }),
        onBytes: (bytes: Uint8Array) => serial.onBytes(bytes),
      },
    };
    const result = runInVirtualTime((link) => legacySerial.update(link, requestFor(PACKAGE)), chatty, {
      scheduler: story.scheduler,
      payloads: legacySerial.payloads(PACKAGE),
    });
    expect(result.outcome).toMatchObject(DONE);
  });

  it('a late proof tells a bootloader from silence', () => {
    const story = unit({ application: undefined });
    const prove = (): UpdateOutcome =>
      runInVirtualTime((link) => legacySerial.prove(link, requestFor(PACKAGE), undefined), story.device, {
        scheduler: story.scheduler,
      }).outcome;
    expect(prove()).toMatchObject({ outcome: 'failed', code: 'target.in-bootloader', needsRescue: true });
    update(story);
    expect(prove()).toMatchObject(DONE);
  });

  it('cancelled at any moment: before the erase it stays, after it the way goes on', () => {
    const whole = update(unit()).elapsedMs;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Math.floor(whole) }), (cancelAfterMs) => {
        const story = unit();
        const result = update(story, PACKAGE, {}, { cancelAfterMs });
        const erased = steps(result).includes('erased');
        expect(result.outcome.outcome).toBe(erased ? 'unproven' : 'cancelled');
        if (erased) expect(runs(story)).toBe(sha256(NEW));
      }),
      { numRuns: 40 },
    );
  });
});
