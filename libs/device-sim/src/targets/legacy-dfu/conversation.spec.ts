/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import { joinLegacyFiles, legacyDfu, makeLegacyPackage, type MarkStep, type UpdateRequest } from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions } from '../../links/virtual-run.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import {
  ADDRESS,
  BOOTLOADER,
  identifyIt,
  MODEL,
  NEW,
  PACKAGE,
  pack,
  PLUS_ONE,
  PRIVATE_KEY,
  PUBLIC_KEY,
  requestFor,
  runs,
  sha256,
  SHA_NEW,
  SHA_OLD,
  SOFTDEVICE,
  steps,
  unit,
  update,
  what,
} from './conversation.fixture.js';
import type { LegacyDfuOptions } from './options.js';

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

  it.each<[string, Partial<LegacyDfuOptions>, RunOptions['model']]>([
    ['SDK 7: the same address', { sdk: '7' }, {}],
    ['SDK 8', { sdk: '8' }, {}],
    ['SDK 9, one bank', { sdk: '9', banks: 'single' }, {}],
    ['Adafruit, which wants its device type and takes long packets', { sdk: 'adafruit' }, {}],
    ['SDK 6.1: no revision', { sdk: '6.1' }, {}],
    ['a bond handed over', { peerData: 'bonded' }, {}],
    ['a peer handed over: directed advertising', { peerData: 'directed' }, {}],
    ['a link that ends in good form', { jumpLink: 'graceful' }, {}],
    ['responses lost with the link', { dropsBeforeResponse: true }, {}],
    ['a large MTU that its packet characteristic does not keep', { grantsMtu: true }, {}],
    ['a lossy radio', {}, { ble: { lossRate: 0.1, seed: 5 } }],
    ['flash four times as slow', { faults: { slowFlash: 4 } }, {}],
  ])('is proven with %s', (_, options, model = {}) => {
    const story = unit(options);
    const file = options.sdk === 'adafruit' ? pack({ deviceType: 0x52 }) : PACKAGE;
    const result = update(story, file, {}, { model });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
    const longest = Math.max(...result.sends.filter((sent) => !sent.acknowledged).map((sent) => sent.bytes.length));
    expect(longest).toBe(options.sdk === 'adafruit' ? 244 : 20);
  });

  it.each(['4.4', '5.2', '6.0', '6.1'] as const)('SDK %s, found in its bootloader: starts of the first form', (sdk) => {
    const big = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 70_000, seed: 6 });
    const story = unit({ sdk, application: undefined, bankBytes: 80 * 1024 });
    // The counter of SDK 5.2 wraps at 64 KiB.
    const result = update(story, pack({ application: big }), { expectIdentity: undefined });
    expect(result.outcome).toMatchObject({ outcome: 'proven', before: { mode: 'bootloader' }, sentBytes: big.length });
    expect(runs(story)).toBe(sha256(big));
    const starts = result.sends.filter((sent) => sent.acknowledged && sent.bytes[0] === 1);
    expect(starts.map(({ bytes }) => bytes.length)).toEqual(sdk === '6.1' ? [2] : [2, 1]);
  });

  it('old bootloaders take firmware that never had an init packet', () => {
    const story = unit({ sdk: '6.1' });
    expect(update(story, joinLegacyFiles(NEW)).outcome).toMatchObject({ outcome: 'proven' });
    expect(update(unit(), joinLegacyFiles(NEW)).outcome).toMatchObject({
      outcome: 'failed',
      code: 'artifact.unsupported',
      needsRescue: false,
    });
  });

  it('a signed package for a bootloader with a key', () => {
    const story = unit({ publicKey: PUBLIC_KEY });
    expect(update(story, pack({ privateKey: PRIVATE_KEY })).outcome).toMatchObject({ outcome: 'proven' });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each<[string, Partial<LegacyDfuOptions>]>([
    ['dual', {}],
    ['single', { banks: 'single' }],
  ])('SoftDevice and bootloader, then the application: two transfers, %s bank', (_, options) => {
    const story = unit(options);
    const file = pack({ softdevice: SOFTDEVICE, bootloader: BOOTLOADER });
    const result = update(story, file);
    // The application proves itself; what else was brought, nobody states.
    expect(result.outcome).toMatchObject({ needsRescue: false, after: { running: [{ version: '1.1.0' }] } });
    expect(['proven', 'unproven']).toContain(result.outcome.outcome);
    expect(runs(story)).toBe(SHA_NEW);
    expect(story.device.unit.installedSha256('softdevice')).toBe(sha256(SOFTDEVICE));
    expect(story.device.unit.installedSha256('bootloader')).toBe(sha256(BOOTLOADER));
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
  });

  it('a bootloader alone, which leaves the application in place: entered again for the next image', () => {
    const story = unit();
    const result = update(story, pack({ bootloader: BOOTLOADER }));
    expect(runs(story)).toBe(SHA_NEW);
    expect(story.device.unit.installedSha256('bootloader')).toBe(sha256(BOOTLOADER));
    expect(result.outcome.needsRescue).toBe(false);
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
    const story = unit({ flash: { eraseMsPerPage: 0.1, writeUsPerWord: 1 }, bankBytes: 128 * 1024 });
    const big = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 100_000, seed: 4 });
    const times: number[] = [];
    const result = update(story, pack({ application: big }), {}, { onProgress: (_s, _t, atMs) => times.push(atMs) });
    expect(result.outcome.outcome).toBe('proven');
    // 20 bytes each 676 us of air.
    expect(times.at(-1)! - times[0]!).toBeLessThan((big.length / 20) * 0.676 * 1.1 + 100);
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
    expect(identifyIt(story, { deviceType: '82', softDevice: '0x64' })).toEqual({
      protocol: 'legacy-dfu',
      mode: 'application',
      identity: { kind: 'ble-address', value: ADDRESS },
      hardware: { dfuRevision: 1, serialNumber: 'SN-7', deviceType: 82, softDevice: '0x0064' },
      running: [{ image: 0, version: '1.0.0' }],
      model: MODEL,
    });
    expect(what(story)).toEqual(['booted']);
  });

  it.each([
    ['6.0', 'none', ADDRESS],
    ['7', 5, ADDRESS],
    ['8', 6, PLUS_ONE],
    ['11', 8, PLUS_ONE],
  ] as const)('knows the bootloader of SDK %s', (sdk, dfuRevision, address) => {
    const story = unit({ sdk, application: undefined });
    expect(identifyIt(story)).toMatchObject({
      mode: 'bootloader',
      identity: { value: address },
      hardware: { dfuRevision },
      running: [],
    });
    expect(what(story)).toEqual(['booted']);
  });

  it('knows an application without revision by what else it offers', () => {
    expect(identifyIt(unit({ sdk: '6.1', without: ['information'] }))).toMatchObject({ mode: 'application' });
  });

  it('refuses what has no such service', () => {
    const story = unit({ without: ['dfu'] });
    expect(() => identifyIt(story)).toThrow(/1530/);
    expect(() => identifyIt(unit(), { deviceType: '70000' })).toThrow(/deviceType/);
  });

  it('recognises bootloaders by their service', () => {
    const seen = (services: string[]) => legacyDfu.recognise({ link: 'ble', address: ADDRESS, services });
    expect(seen(['000015301212efde1523785feabcd123'])).toBe('bootloader');
    expect(seen(['fe59'])).toBeUndefined();
  });
});

describe('what cannot be proven', () => {
  it.each<[string, Partial<LegacyDfuOptions>, Partial<UpdateRequest>, string]>([
    ['the version is not readable', { without: ['revision'] }, {}, 'version-not-readable'],
    ['nobody knows how the application calls itself', {}, { expectVersion: undefined }, 'version-ambiguous'],
    ['other files carry the version', {}, { versionProves: false }, 'version-ambiguous'],
  ])('because %s', (_, options, change, reason) => {
    const story = unit(options);
    const { outcome } = update(story, PACKAGE, change);
    expect(outcome).toMatchObject({ outcome: 'unproven', reason, needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });
});

describe('what is refused before anything is touched', () => {
  it.each<[string, Partial<LegacyDfuOptions>, Uint8Array, Partial<UpdateRequest>, string]>([
    ['a unit that wants a bond', { wantsBond: true }, PACKAGE, {}, 'link.auth-required'],
    ['a unit without a way in', { without: ['dfu'] }, PACKAGE, {}, 'target.wrong-kind'],
    [
      'another unit',
      {},
      PACKAGE,
      { expectIdentity: { kind: 'ble-address', value: 'c1:02:03:04:05:10' } },
      'target.wrong-identity',
    ],
    ['an older version', {}, PACKAGE, { expectVersion: '0.9.0' }, 'artifact.downgrade'],
    [
      'a file for another device type, which a person stated',
      {},
      pack({ deviceType: 5 }),
      { linkOptions: { deviceType: '6' } },
      'artifact.wrong-hardware',
    ],
    [
      'a file for another SoftDevice, which a person stated',
      {},
      PACKAGE,
      { linkOptions: { softDevice: '0x0087' } },
      'artifact.requires',
    ],
  ])('%s', (_, options, file, change, code) => {
    const story = unit(options);
    const result = update(story, file, change);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect([result.sends, steps(result), what(story)]).toEqual([[], [], ['booted']]);
  });

  it('an artifact whose bytes are not what was described', () => {
    const story = unit();
    const payloads = new Map(legacyDfu.payloads(PACKAGE));
    payloads.set(
      'image:0',
      NEW.map((byte, at) => (at === 9999 ? byte ^ 1 : byte)),
    );
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
  it.each<[string, Partial<LegacyDfuOptions>, Uint8Array, string, string]>([
    ['another device type', { deviceType: 7 }, pack({ deviceType: 5 }), 'target.refused-image', 'device type 5'],
    ['another SoftDevice', {}, pack({ softdevices: [0x87] }), 'target.refused-image', 'SoftDevice 0x0087'],
    ['no Adafruit type', { sdk: 'adafruit' }, PACKAGE, 'target.refused-image', 'not meant for it'],
    ['no signature', { publicKey: PUBLIC_KEY }, PACKAGE, 'target.refused-image', 'not meant for it'],
    [
      "a stranger's signature",
      { publicKey: PUBLIC_KEY },
      pack({ privateKey: new Uint8Array(32).fill(8) }),
      'target.refused-image',
      'signature',
    ],
    ['an image without room', { bankBytes: 16_384 }, PACKAGE, 'target.no-memory', 'larger than the bank'],
    ['a hash that SDK 7 does not know', { sdk: '7' }, pack({ dfuVersion: 0.7 }), 'artifact.unsupported', 'CRC only'],
    [
      'an init packet that is longer than its buffer',
      { sdk: '8' },
      pack({ softdevices: Array.from({ length: 30 }, (_, i) => 0x64 + i) }),
      'artifact.limit',
      '72',
    ],
    [
      'a CRC that it reads elsewhere (dfu_ver 0.6)',
      {},
      pack({ dfuVersion: 0.6 }),
      'target.refused-image',
      'another kind of init packet',
    ],
  ])('%s, and the old application runs again', (_, options, file, code, says) => {
    const story = unit(options);
    const result = update(story, file);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect(JSON.stringify(result.outcome)).toContain(says);
    expect(runs(story)).toBe(SHA_OLD);
    expect(story.device.ble.advertisement()?.address).toBe(ADDRESS);
  });

  it('SDK 6.0 replaces no SoftDevice', () => {
    const story = unit({ sdk: '6.0', application: undefined });
    const file = makeLegacyPackage({ softdevice: SOFTDEVICE });
    const { outcome } = update(story, file, { expectIdentity: undefined });
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(JSON.stringify(outcome)).toContain('SDK 6.0');
  });

  it('needs a rescue when the image is refused after the only bank was erased', () => {
    const story = unit({ banks: 'single', faults: { refuse: { request: 'validate', code: 5 } } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image', needsRescue: true });
    expect(runs(story)).toBeUndefined();
  });

  it('an application that does not know the jump stays where it is', () => {
    const story = unit({ faults: { refuse: { request: 'jump', code: 3 } } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: false });
    expect(what(story)).toEqual(['booted']);
  });

  it('a link option that is no number ends in words', () => {
    const { scheduler, device } = unit();
    const result = runInVirtualTime(
      (link) => legacyDfu.update(link, requestFor(PACKAGE, { linkOptions: { deviceType: 'x' } })),
      device,
      { scheduler },
    );
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'request.invalid' });
  });
});
