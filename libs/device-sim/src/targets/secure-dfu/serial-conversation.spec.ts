/** The session and the serial target talk to each other over a simulated line, in virtual time. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { secureDfu, type Identification } from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import {
  NEW,
  pack,
  PACKAGE,
  runs,
  serialUnit,
  SHA_NEW,
  SHA_OLD,
  steps,
  updateSerial,
  what,
  type Story,
} from './conversation.fixture.js';
import type { SecureDfuOptions } from './options.js';

const identifyIt = ({ scheduler, device }: Story, options = {}): Identification =>
  runInVirtualTime((link) => secureDfu.identify(link, options), device, { scheduler }).outcome;
const delivered = { outcome: 'unproven', reason: 'version-not-readable', needsRescue: false } as const;

describe('an update over a serial line', () => {
  it.each<[string, Partial<SecureDfuOptions>]>([
    ['UART, SDK 13: no versions, no abort', { sdk: '13' }],
    ['UART, SDK 15.0', { sdk: '15.0' }],
    ['UART, SDK 17', { sdk: '17' }],
    ['USB CDC', { transport: 'usb', sdk: '17' }],
    ['one bank', { banks: 'single' }],
    ['no application at all', { application: undefined }],
    ['flash four times as slow', { faults: { slowFlash: 4 } }],
  ])('delivers the image: %s', (_, options) => {
    const story = serialUnit(options);
    const result = updateSerial(story);
    expect(result.outcome).toMatchObject({ ...delivered, sentBytes: NEW.length, before: { mode: 'bootloader' } });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    // The session cannot see how long the image is copied.
    story.scheduler.runUntil(() => runs(story) !== undefined, story.scheduler.now() + 60_000);
    expect(runs(story)).toBe(SHA_NEW);
    expect(result.reconnects).toBe(1);
  });

  it('says nothing with an END before it, and fills the frames', () => {
    const { sends } = updateSerial(serialUnit());
    for (const { bytes } of sends) expect([bytes[0], bytes.at(-1)]).not.toEqual([0xc0, 0xc0]);
    const first = sends.find(({ bytes }) => bytes[0] === 0x08 && bytes.length > 1000);
    expect(first).toBeDefined();
  });

  it('reads what the bootloader says of itself, as installed', () => {
    expect(identifyIt(serialUnit({ applicationVersion: 5, bootloaderVersion: 3 }))).toMatchObject({
      mode: 'bootloader',
      identity: { kind: 'port-path', value: 'sim:SN-7' },
      hardware: { part: 0x52840, bootloaderVersion: 3 },
      installed: [
        { image: 2, version: '3' },
        { image: 1, version: '7002000' },
        { image: 0, version: '5' },
      ],
      running: [],
    });
  });

  it('refuses an older application by what the bootloader says, before anything is touched', () => {
    const story = serialUnit({ applicationVersion: 5 });
    const result = updateSerial(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.downgrade' });
    expect(steps(result)).toEqual([]);
    expect(what(story)).toEqual(['booted']);
  });

  it.each<[string, Partial<SecureDfuOptions>, Uint8Array, string]>([
    ['other hardware', {}, pack({ hwVersion: 51 }), 'artifact.wrong-hardware'],
    ['another SoftDevice', {}, pack({ sdReq: [0x0100] }), 'artifact.requires'],
    ["a stranger's signature", {}, pack({ privateKey: new Uint8Array(32).fill(8) }), 'artifact.signature'],
  ])('tells what the bootloader refuses: %s', (_, options, file, code) => {
    const story = serialUnit(options);
    const { outcome } = updateSerial(story, file);
    expect(outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
  });

  it('refuses by what people state of the unit, before anything is touched', () => {
    const wrong = updateSerial(serialUnit(), PACKAGE, { linkOptions: { softDevice: '0x00b6' } });
    expect(wrong.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.requires' });
    expect(steps(wrong)).toEqual([]);
    const board = updateSerial(serialUnit(), PACKAGE, { linkOptions: { hwVersion: '51' } });
    expect(board.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.wrong-hardware' });
    const noise = updateSerial(serialUnit(), PACKAGE, { linkOptions: { hwVersion: 'x' } });
    expect(noise.outcome).toMatchObject({ outcome: 'failed', code: 'request.invalid' });
  });

  it('says that a silent device is silent', () => {
    const story = serialUnit({ startsInBootloader: false });
    expect(() => identifyIt(story)).toThrow(/no bootloader answers/);
  });

  it('tells a bootloader that comes back from an application', () => {
    const story = serialUnit({ application: undefined, faults: { keepOldImage: true } });
    const { outcome } = updateSerial(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.in-bootloader', needsRescue: true });
  });
});

describe('troubles of a serial line', () => {
  it('any frame lost, either way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 560 }), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
        fc.constantFrom('13' as const, '17' as const),
        (dropToDevice, dropToHost, sdk) => {
          const story = serialUnit({ sdk, faults: { dropToDevice, dropToHost } });
          expect(updateSerial(story).outcome).toMatchObject(delivered);
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 25, seed: 5 },
    );
  });

  it('bits turned over on the line', () => {
    for (const seed of [1, 2, 3]) {
      const story = serialUnit();
      const result = updateSerial(story, PACKAGE, {}, { model: { serial: { bitErrorsPerByte: 1e-4, seed } } });
      expect([seed, result.outcome.outcome, runs(story)]).toEqual([seed, 'unproven', SHA_NEW]);
    }
  });

  it('a restart in mid-transfer that nobody sees, with one bank and with saved progress', () => {
    for (const sdk of ['13', '14', '17'] as const) {
      const story = serialUnit({ sdk, banks: 'single', faults: { rebootAtByte: 14_000 } });
      expect([sdk, updateSerial(story).outcome.outcome, runs(story)]).toEqual([sdk, 'unproven', SHA_NEW]);
    }
  });

  it('flash that is slower than the line: the target overruns and resets, and is sent less at a time', () => {
    const story = serialUnit({ application: undefined, faults: { slowFlash: 12 } });
    const result = updateSerial(story);
    expect(result.outcome).toMatchObject(delivered);
    expect(what(story).filter((each) => each === 'booted').length).toBeGreaterThan(2);
    story.scheduler.runUntil(() => runs(story) !== undefined, story.scheduler.now() + 60_000);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a power cut at every object border', () => {
    for (let at = 4096; at < NEW.length; at += 4096) {
      const story = serialUnit({ banks: 'single', faults: { powerCutAtByte: at } });
      expect([at, updateSerial(story).outcome.outcome, runs(story)]).toEqual([at, 'unproven', SHA_NEW]);
    }
  });
});
