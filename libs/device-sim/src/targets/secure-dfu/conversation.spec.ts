/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import { secureDfu, type MarkStep, type UpdateRequest } from '@drydock/dfu-core';
import type { RunOptions } from '../../links/virtual-run.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import {
  ADDRESS,
  identifyIt,
  MODEL,
  NEW,
  PACKAGE,
  SHA_NEW,
  SHA_OLD,
  pack,
  runs,
  steps,
  unit,
  update,
  what,
} from './conversation.fixture.js';
import type { SecureDfuOptions } from './options.js';

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
    const seen = (touch: TouchEntry['what']): number =>
      story.device.touches.find((entry) => entry.what === touch)!.atMs;
    expect(at('touched')).toBeLessThan(seen('touched'));
    expect(at('erased')).toBeLessThan(seen('erased'));
    expect(at('complete')).toBeLessThanOrEqual(at('activating'));
    expect(at('activating')).toBeLessThan(seen('activated'));
  });

  it('keeps the link full: on fast flash most of the time is air', () => {
    const story = unit({ flash: { eraseMsPerPage: 0.1, writeUsPerWord: 0.1 } });
    const big = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 200_000, seed: 4 });
    const times: number[] = [];
    const result = update(
      story,
      pack({ application: big }),
      {},
      { onProgress: (_sent, _total, atMs) => times.push(atMs) },
    );
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

describe('identify', () => {
  it('reads what an application says about itself, and changes nothing', () => {
    const story = unit();
    expect(identifyIt(story)).toEqual({
      protocol: 'secure-dfu',
      mode: 'application',
      identity: { kind: 'ble-address', value: ADDRESS },
      hardware: { buttonless: 'without-bonds', serialNumber: 'SN-7' },
      running: [{ image: 0, version: '1.0.0' }],
      model: MODEL,
    });
    expect(what(story)).toEqual(['booted']);
  });

  it('names the way in that needs a bond', () => {
    expect(identifyIt(unit({ buttonless: 'bonded' })).hardware['buttonless']).toBe('with-bonds');
  });

  it('knows a bootloader, which over BLE says nothing about itself', () => {
    const story = unit({ application: undefined });
    expect(identifyIt(story)).toEqual({
      protocol: 'secure-dfu',
      mode: 'bootloader',
      identity: { kind: 'ble-address', value: 'c1:02:03:04:05:00' },
      hardware: {},
      running: [],
    });
    expect(what(story)).toEqual(['booted']);
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
    payloads.set(
      'image:0',
      NEW.map((byte, at) => (at === 9999 ? byte ^ 1 : byte)),
    );
    const result = update(story, PACKAGE, {}, { payloads });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest', needsRescue: false });
    expect(what(story)).toEqual(['booted']);
  });

  it('another valid package of the same size than the one described', () => {
    const other = pack({ application: makeDemoFirmware({ model: MODEL, version: '6.6.6', sizeBytes: NEW.length }) });
    const story = unit();
    const result = update(story, PACKAGE, {}, { payloads: secureDfu.payloads(other) });
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
