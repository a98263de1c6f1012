/** Packages with a SoftDevice or a bootloader, alone and with the application behind them. */
import { describe, expect, it } from '@jest/globals';
import { makeDemoFirmware } from '../demo-firmware.js';
import {
  MODEL,
  NEW,
  packOf,
  runs,
  serialUnit,
  SHA_NEW,
  SHA_OLD,
  softDevice,
  steps,
  unit,
  update,
  updateSerial,
} from './conversation.fixture.js';

const part = { hwVersion: 52 };
const BOOTLOADER = makeDemoFirmware({ model: MODEL, version: 'bl', sizeBytes: 9_000, seed: 7 });
/** The same family: its applications go on running. */
const SD_NEXT = softDevice({ fwid: 0x0103, version: 7_003_000 });
const SD_MAJOR = softDevice({ fwid: 0x0110, version: 8_000_000 });
const bootloader = { ...part, bytes: BOOTLOADER, fwVersion: 2, sdReq: [0x0101] };
const softdevice = { ...part, bytes: SD_NEXT, fwVersion: 2, sdReq: [0x0101] };
const application = { ...part, bytes: NEW, fwVersion: 2, sdReq: [0x0101, 0x0103, 0x0110] };
const both = { ...part, bytes: SD_MAJOR, bootloader: BOOTLOADER, fwVersion: 2, sdReq: [0x0101] };

describe('over BLE', () => {
  it.each([
    [
      'bootloader and application',
      packOf({ bootloader, application }),
      { bootloaderVersion: 2, softDeviceFwid: 0x0101 },
    ],
    [
      'SoftDevice and application',
      packOf({ softdevice, application }),
      { bootloaderVersion: 1, softDeviceFwid: 0x0103 },
    ],
    [
      'SoftDevice with bootloader, and application',
      packOf({ softdevice_bootloader: both, application }),
      { bootloaderVersion: 2, softDeviceFwid: 0x0110 },
    ],
  ])('%s are sent in order, with the restarts between', (_, file, settings) => {
    const story = unit();
    const progress: number[] = [];
    const result = update(story, file, {}, { onProgress: (sent) => progress.push(sent) });
    // The application states its version; what else was brought states nothing.
    expect(result.outcome).toMatchObject({
      outcome: 'unproven',
      reason: 'image-not-readable',
      needsRescue: false,
      after: { mode: 'application', running: [{ image: 0, version: '1.1.0' }] },
    });
    expect(story.device.unit.settings).toMatchObject({ ...settings, applicationVersion: 2 });
    expect(runs(story)).toBe(SHA_NEW);
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('a bootloader alone, after which the old application runs', () => {
    const story = unit();
    const result = update(story, packOf({ bootloader }), { expectVersion: undefined });
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable', needsRescue: false });
    expect([story.device.unit.settings.bootloaderVersion, runs(story)]).toEqual([2, SHA_OLD]);
  });

  it('a bootloader that is there already is passed over', () => {
    const story = unit({ bootloaderVersion: 2 });
    const result = update(story, packOf({ bootloader, application }));
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable', sentBytes: NEW.length });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a bootloader that is there already is refused where nothing follows it', () => {
    const story = unit({ bootloaderVersion: 2 });
    const result = update(story, packOf({ bootloader }));
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.downgrade', needsRescue: false });
    expect(runs(story)).toBe(SHA_OLD);
  });

  it('an SoftDevice that neither is there nor fits ends in the refusal of what follows', () => {
    const story = unit({ softDeviceFwid: 0x00af });
    const result = update(story, packOf({ softdevice, application }));
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.requires', needsRescue: false });
    expect([story.device.unit.settings.softDeviceFwid, runs(story)]).toEqual([0x00af, SHA_OLD]);
  });

  it.each([
    ['the SoftDevice', 3_000],
    ['the border between the two', SD_MAJOR.length],
    ['the bootloader', SD_MAJOR.length + 3_000],
    ['the last image byte of the first', SD_MAJOR.length + BOOTLOADER.length],
    ['the application', SD_MAJOR.length + BOOTLOADER.length + 8_192],
  ])('a link lost in %s is mended', (_, at) => {
    for (const sdk of ['15.0', '17'] as const) {
      const story = unit({ sdk, faults: { disconnectAtByte: [at] } });
      const result = update(story, packOf({ softdevice_bootloader: both, application }));
      expect([sdk, at, result.outcome.outcome, runs(story)]).toEqual([sdk, at, 'unproven', SHA_NEW]);
    }
  });

  it('a power cut between the images: the next try finds the first one there', () => {
    const story = unit({ faults: { powerCutAtByte: SD_MAJOR.length + BOOTLOADER.length + 4_096 } });
    const file = packOf({ softdevice_bootloader: both, application });
    const result = update(story, file);
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable' });
    expect(runs(story)).toBe(SHA_NEW);
  });
});

describe('over a serial line', () => {
  it('SoftDevice with bootloader, and application', () => {
    const story = serialUnit();
    const result = updateSerial(story, packOf({ softdevice_bootloader: both, application }));
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'version-not-readable', needsRescue: false });
    expect(story.device.unit.settings).toMatchObject({ bootloaderVersion: 2, softDeviceFwid: 0x0110 });
    expect(runs(story)).toBe(SHA_NEW);
  });
});
