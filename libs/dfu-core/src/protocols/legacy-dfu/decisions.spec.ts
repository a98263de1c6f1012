/** The parts that decide without a link: fit, pace, what a refusal is called. */
import { describe, expect, it } from '@jest/globals';
import type { ArtifactDescription } from '../../image/description.js';
import { describeLegacyPackage } from '../../image/nordic-legacy/describe-package.js';
import { joinLegacyFiles, makeLegacyPackage } from '../../image/nordic-legacy/make-package.js';
import type { Identification } from '../../session/protocol.js';
import { statusError } from './errors.js';
import { fit } from './fit.js';
import { Pace } from './pace.js';

const IMAGE = Uint8Array.from({ length: 32 }, (_, i) => i);
const described = (change: Parameters<typeof makeLegacyPackage>[0] = {}): ArtifactDescription =>
  describeLegacyPackage(makeLegacyPackage({ application: IMAGE, ...change }));
const found = (hardware: Identification['hardware']): Identification => ({
  protocol: 'legacy-dfu',
  mode: 'application',
  identity: { kind: 'ble-address', value: 'c1:02:03:04:05:ff' },
  hardware,
  running: [],
});
const code = (hardware: Identification['hardware'], artifact: ArtifactDescription): string => {
  const result = fit(found(hardware), artifact, { allowDowngrade: false });
  return result.fits ? 'fits' : result.code;
};

describe('fit', () => {
  const named = described({ deviceType: 5, deviceRevision: 2, softdevices: [0x64, 0x67] });
  it.each<[string, Identification['hardware'], ArtifactDescription, string]>([
    ['nothing stated', {}, named, 'fits'],
    ['the same type', { deviceType: 5, deviceRevision: 2 }, named, 'fits'],
    ['another type', { deviceType: 6 }, named, 'artifact.wrong-hardware'],
    ['another revision', { deviceRevision: 3 }, named, 'artifact.wrong-hardware'],
    ['a unit without type', { deviceType: 0xffff }, named, 'fits'],
    ['a file for any type', { deviceType: 6 }, described(), 'fits'],
    ['a SoftDevice of the list', { softDevice: '0x0067' }, named, 'fits'],
    ['another SoftDevice', { softDevice: '0x0087' }, named, 'artifact.requires'],
    [
      'another SoftDevice, which comes with the file',
      { softDevice: '0x0087' },
      described({ softdevices: [0x64], softdevice: IMAGE }),
      'fits',
    ],
    ['no init packet, no revision', { dfuRevision: 'none' }, describeLegacyPackage(joinLegacyFiles(IMAGE)), 'fits'],
    [
      'no init packet, SDK 7 or newer',
      { dfuRevision: 1 },
      describeLegacyPackage(joinLegacyFiles(IMAGE)),
      'artifact.unsupported',
    ],
    ['another format', {}, { ...named, format: 'mcuboot' }, 'artifact.wrong-model'],
    ['no images', {}, { ...named, images: [] }, 'artifact.unsupported'],
  ])('%s', (_, hardware, artifact, expected) => {
    expect(code(hardware, artifact)).toBe(expected);
  });
});

describe('pace', () => {
  it('begins with a full link, and never gets faster within an update', () => {
    const pace = new Pace();
    const windows = Array.from({ length: 5 }, () => {
      const { windowPackets, receiptEvery } = pace.now;
      pace.slowDown();
      expect(receiptEvery).toBeLessThanOrEqual(windowPackets);
      return windowPackets;
    });
    expect(windows).toEqual([60, 8, 4, 1, 1]);
  });

  it('keeps within eight packets where more is known to be lost, and within what a person set', () => {
    const pace = new Pace();
    pace.beCareful();
    expect(pace.now).toEqual({ receiptEvery: 8, windowPackets: 8 });
    expect(new Pace(3).now).toEqual({ receiptEvery: 3, windowPackets: 3 });
    expect(new Pace(0).now).toEqual({ receiptEvery: 1, windowPackets: 1 });
    expect(new Pace(100).now.windowPackets).toBe(60);
  });
});

describe('refusals', () => {
  const artifact = described({ deviceType: 5, softdevices: [0x64] });
  it.each<[number, number, string, string]>([
    [1, 2, 'target.refused', 'left half done'],
    [1, 3, 'target.refused-image', 'form of start'],
    [1, 4, 'target.no-memory', 'application of 32 bytes'],
    [2, 6, 'target.refused-image', 'device type 5, SoftDevice 0x0064'],
    [3, 4, 'target.refused', 'longer than announced'],
    [3, 6, 'target.refused', 'faster than it could store'],
    [3, 3, 'target.refused', 'whole number of words'],
    [4, 5, 'target.refused-image', 'does not match the init packet'],
    [4, 2, 'target.refused', 'does not expect this now'],
    [9, 9, 'target.refused', 'no document names'],
  ])('of request %d with status %d is %s', (request, status, expected, says) => {
    const error = statusError(request, status, artifact);
    expect([error.code, error.message]).toEqual([expected, expect.stringContaining(says)]);
  });
});
