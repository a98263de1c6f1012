/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import { makeGbl, makeGblSet, silabsOta, type MarkStep, type UpdateRequest } from '@drydock/dfu-core';
import fc from 'fast-check';
import type { RunOptions } from '../../links/virtual-run.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import {
  ADDRESS,
  FILE,
  gbl,
  identifyIt,
  MODEL,
  NEW,
  OLD,
  requestFor,
  runs,
  settle,
  SHA_NEW,
  SHA_OLD,
  steps,
  unit,
  update,
  what,
} from './conversation.fixture.js';
import type { SilabsOptions } from './options.js';

const AES_KEY = new Uint8Array(16).fill(5);
const ENCRYPTED = gbl({ encryption: { aesKey: AES_KEY, nonce: new Uint8Array(12).fill(6) } });
const UNSIGNED = makeGbl({ programs: [{ address: 0x4000, data: NEW }] });
const expectIdentity = { kind: 'ble-address', value: ADDRESS } as const;

describe('through the AppLoader', () => {
  const loader = (options: Partial<SilabsOptions> = {}): ReturnType<typeof unit> =>
    unit({ access: 'apploader', ...options });

  it('is proven, and the flash holds the image', () => {
    const story = loader();
    const progress: number[] = [];
    const result = update(silabsOta, story, FILE, { expectIdentity }, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
      sentBytes: FILE.length,
      before: { mode: 'application', running: [{ image: 0, version: '1.0.0' }], model: MODEL },
      after: { mode: 'application', running: [{ image: 0, version: '1.1.0' }] },
    });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(FILE.length);
  });

  it.each<[string, Partial<SilabsOptions>, RunOptions['model'], Partial<UpdateRequest>]>([
    ['acknowledged writes', {}, {}, { linkOptions: { writes: 'acknowledged' } }],
    ['a target that takes acknowledged writes only', { dataWrites: 'with-response' }, {}, {}],
    ['an odd MTU', {}, { ble: { mtu: 100 } }, {}],
    ['the smallest MTU', {}, { ble: { mtu: 23, linkPayloadBytes: 27 } }, {}],
    ['a lossy radio', {}, { ble: { lossRate: 0.1, seed: 5 } }, {}],
    ['slow flash, so that fast writes overrun it', { faults: { slowFlash: 30 }, bufferBytes: 4096 }, {}, {}],
    ['an AppLoader under an address of its own', { loaderAddress: 'd0:00:00:00:00:01' }, {}, {}],
    ['an old AppLoader', { otaVersion: 2 }, {}, {}],
  ])('is proven with %s', (_, options, model, change) => {
    const story = loader(options);
    const result = update(silabsOta, story, FILE, { expectIdentity, ...change }, { model: model ?? {} });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('takes an encrypted file where the unit has the key', () => {
    const story = loader({ aesKey: AES_KEY, requireEncryption: true });
    expect(update(silabsOta, story, ENCRYPTED).outcome.outcome).toBe('proven');
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('sends a set one file after the other', () => {
    const stack = makeDemoFirmware({ model: 'stack', version: '9', sizeBytes: 4000, seed: 3 });
    const first = gbl({ programs: [{ address: 0x1e000, data: stack }] });
    const story = loader();
    const set = makeGblSet({ first: { name: 'apploader.gbl', file: first }, application: FILE });
    const result = update(silabsOta, story, set);
    expect(result.outcome).toMatchObject({ outcome: 'proven', sentBytes: first.length + FILE.length });
    expect(what(story).filter((each) => each === 'activated')).toHaveLength(2);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('picks up a unit that an interrupted update left in its AppLoader', () => {
    const story = loader({ application: undefined });
    const result = update(silabsOta, story, FILE, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'proven', before: { mode: 'bootloader', running: [] } });
  });

  it('sends nothing to a device that runs the version already, if the version proves', () => {
    const story = loader();
    const result = update(silabsOta, story, FILE, { expectVersion: '1.0.0' });
    expect(result.outcome).toMatchObject({ outcome: 'skipped', needsRescue: false });
    expect([result.sends, steps(result), what(story)]).toEqual([[], [], ['booted']]);
  });

  it('keeps the link full', () => {
    const story = loader({ flash: { eraseMsPerPage: 0.1, writeUsPerWord: 0.1 } });
    const big = gbl({}, makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 100_000 }));
    const times: number[] = [];
    const result = update(silabsOta, story, big, {}, { onProgress: (_sent, _all, atMs) => times.push(atMs) });
    expect(result.outcome.outcome).toBe('proven');
    expect(times.at(-1)! - times[0]!).toBeLessThan((big.length / 244) * 2.5 * 1.15);
  });

  it.each<[string, Uint8Array, Partial<SilabsOptions>, string]>([
    ['signed by another key', gbl({ privateKey: new Uint8Array(32).fill(3) }), {}, 'target.refused-image'],
    ['unsigned', UNSIGNED, {}, 'target.refused-image'],
    ['for flash that it does not have', gbl({ programs: [{ address: 0, data: NEW }] }), {}, 'target.refused-image'],
    ['encrypted, without the key', ENCRYPTED, {}, 'target.refused-image'],
  ])('a file that is %s is refused, and the unit needs a rescue that works', (_, file, options, code) => {
    const story = loader(options);
    const result = update(silabsOta, story, file, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code });
    settle(story);
    const rescued = update(silabsOta, story, FILE, { expectIdentity });
    expect(rescued.outcome.outcome).toBe('proven');
  });

  it('a unit without bootloader is not touched', () => {
    const story = loader({ bootloaderVersion: 0, application: undefined });
    const result = update(silabsOta, story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.wrong-kind' });
    expect(result.sends).toEqual([]);
  });

  it('does not take another unit that waits under the same name', () => {
    const story = loader({ loaderAddress: 'd0:00:00:00:00:01' });
    const other = unit({ access: 'apploader', application: undefined, address: 'd0:00:00:00:00:02' });
    const result = update(silabsOta, story, FILE, { expectIdentity }, { others: [other.device] });
    expect(result.outcome.outcome).toBe('proven');
    expect(what(other)).toEqual(['booted']);
  });
});

describe('inside the application', () => {
  const inside = (options: Partial<SilabsOptions> = {}): ReturnType<typeof unit> =>
    unit({ access: 'application-ota', ...options });

  it('is proven; the application is never lost', () => {
    const story = inside();
    const result = update(silabsOta, story, FILE, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(steps(result)).toEqual(['touched', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each<[string, Partial<SilabsOptions>]>([
    ['a slot that is still being erased', { slotBytes: 128 * 1024, faults: { slowFlash: 20 } }],
    ['links lost on the way', { faults: { disconnectAtByte: [9000, 40_000] } }],
    ['a slow verification', { verifyMs: 9000 }],
  ])('is proven with %s', (_, options) => {
    const story = inside(options);
    story.device.unit.memory.preset('slot', 0, OLD);
    const result = update(silabsOta, story, FILE, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a file that the bootloader refuses leaves the old application, and is told', () => {
    const story = inside();
    const result = update(silabsOta, story, gbl({ privateKey: new Uint8Array(32).fill(3) }), {
      returnWithinMs: 20_000,
    });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs', needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
  });

  it('a file larger than the slot', () => {
    const story = inside({ slotBytes: 8192 });
    const result = update(silabsOta, story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.no-memory', needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
  });

  it('a cancellation in the middle leaves the old application at once', () => {
    const story = inside();
    const result = update(silabsOta, story, FILE, {}, { cancelAfterMs: 800 });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
    settle(story);
    expect(update(silabsOta, story).outcome.outcome).toBe('proven');
  });
});

describe('identify', () => {
  it('tells the three faces apart, and changes nothing', () => {
    const application = unit({ access: 'apploader' });
    expect(identifyIt(silabsOta, application)).toEqual({
      protocol: 'silabs-ota',
      mode: 'application',
      identity: expectIdentity,
      hardware: { ota: 'by-reboot', serialNumber: 'SN-7' },
      running: [{ image: 0, version: '1.0.0' }],
      model: MODEL,
    });
    expect(identifyIt(silabsOta, unit({ access: 'apploader', application: undefined }))).toMatchObject({
      mode: 'bootloader',
      hardware: { ota: 'apploader', loaderVersion: '4.2.2-389', bootloaderVersion: '2.4.1', applicationVersion: 0 },
      running: [],
    });
    expect(identifyIt(silabsOta, unit({ access: 'application-ota' }))).toMatchObject({
      mode: 'application',
      hardware: { ota: 'in-application' },
    });
    expect(what(application)).toEqual(['booted']);
  });

  it('recognises an AppLoader by its name', () => {
    const sighting = { link: 'ble', address: ADDRESS, services: [], name: 'OTA' } as const;
    expect(silabsOta.recognise(sighting)).toBe('bootloader');
    expect(silabsOta.recognise({ ...sighting, name: 'sensor' })).toBeUndefined();
  });
});

describe('troubles', () => {
  it.each<[string, SilabsOptions['faults']]>([
    ['reboot', { rebootAtByte: 12_000 }],
    ['power cut', { powerCutAtByte: 15_000 }],
    ['links lost', { disconnectAtByte: [1000, 20_000, 45_000] }],
    ['a lost frame', { dropToDevice: [60] }],
    ['a damaged frame', { corruptToDevice: [60] }],
    ['a long silence', { stallAtFrame: 50, stallMs: 8000 }],
  ])('%s: begins again and is proven', (_, faults) => {
    const story = unit({ access: 'apploader', ...(faults && { faults }) });
    const result = update(silabsOta, story, FILE, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each<[string, SilabsOptions['faults'], object]>([
    [
      'an entry that is denied',
      { refuse: { request: 'enter', code: 0xfc } },
      { code: 'target.refused', needsRescue: false },
    ],
    ['data that is refused', { refuse: { request: 'data', code: 0x85 } }, { code: 'target.refused-image' }],
    [
      'an end that is refused for good',
      { refuse: { request: 'finish', code: 0x80 } },
      { code: 'target.refused-image', needsRescue: false },
    ],
    ['a unit that stays away', { muteAfterActivation: true }, { code: 'target.did-not-return' }],
    ['a unit that keeps the old image', { keepOldImage: true }, { code: 'target.wrong-image-runs' }],
  ])('%s', (_, faults, expected) => {
    const story = unit({ access: 'apploader', ...(faults && { faults }) });
    const result = update(silabsOta, story, FILE, { expectIdentity });
    expect(result.outcome).toMatchObject({ outcome: 'failed', ...expected });
  });

  it('ends with a unit that loses the link for ever, bounded', () => {
    const cuts = Array.from({ length: 40 }, (_, index) => 3000 * (index + 1));
    const story = unit({ access: 'apploader', faults: { disconnectAtByte: cuts } });
    const result = update(silabsOta, story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', needsRescue: true });
    expect(result.elapsedMs).toBeLessThan(10 * 60_000);
  });

  it.each<MarkStep>(['touched', 'erased', 'complete', 'activating'])('a fence at %s stops every write', (step) => {
    const story = unit({ access: 'apploader' });
    let fencedAt = 0;
    const result = update(
      silabsOta,
      story,
      FILE,
      {},
      {
        onMark: (mark, atMs) => {
          if (mark !== step) return 'go';
          fencedAt = atMs;
          return { fail: 'fence.finish-by' };
        },
      },
    );
    expect(result.outcome).toMatchObject({
      outcome: 'failed',
      code: 'fence.finish-by',
      needsRescue: step === 'complete' || step === 'activating',
    });
    expect(result.sends.filter(({ atMs }) => atMs > fencedAt)).toEqual([]);
  });

  it.each<['application-ota' | 'apploader']>([['apploader'], ['application-ota']])(
    'cut at random places, %s: ends proven, or with an application or the way to a rescue',
    (access) => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 3000 }), (atMs, offMs) => {
          const story = unit({ access });
          story.scheduler.after(atMs, () => story.device.powerCut(offMs));
          const first = update(silabsOta, story, FILE, { expectIdentity });
          expect(['proven', 'failed']).toContain(first.outcome.outcome);
          if (first.outcome.outcome === 'proven') return expect(runs(story)).toBe(SHA_NEW);
          settle(story);
          const second = update(silabsOta, story, FILE, { expectIdentity });
          expect(['proven', 'skipped']).toContain(second.outcome.outcome);
          expect(runs(story)).toBe(SHA_NEW);
        }),
        { numRuns: 25 },
      );
    },
  );

  it('cancelled at random: left with an application, or finished', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6000 }), (cancelAfterMs) => {
        const story = unit({ access: 'apploader' });
        const { outcome } = update(silabsOta, story, FILE, { expectIdentity }, { cancelAfterMs });
        expect(['proven', 'cancelled']).toContain(outcome.outcome);
        expect(outcome.needsRescue).toBe(false);
        expect(runs(story)).toBe(outcome.outcome === 'proven' ? SHA_NEW : SHA_OLD);
      }),
      { numRuns: 25 },
    );
  });

  it('is judged late as well: prove', () => {
    const story = unit({ access: 'apploader', application: NEW });
    const before = { ...identifyIt(silabsOta, story), running: [{ image: 0, version: '1.0.0' }] };
    const request = requestFor(FILE, { expectIdentity });
    const other = unit({ access: 'apploader', application: NEW });
    expect(
      update({ ...silabsOta, update: (link) => silabsOta.prove(link, request, before) }, other).outcome,
    ).toMatchObject({
      outcome: 'proven',
    });
  });
});
