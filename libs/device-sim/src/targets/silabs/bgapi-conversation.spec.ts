/** BGAPI UART DFU: the session against the simulated units of all generations, in virtual time. */
import { describe, expect, it } from '@jest/globals';
import { bgapiDfu, makeBluegigaPackage, makeEbl, makeGbl, type MarkStep } from '@drydock/dfu-core';
import fc from 'fast-check';
import type { RunOptions } from '../../links/virtual-run.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import {
  APPLICATION_ADDRESS,
  FILE,
  gbl,
  identifyIt,
  MODEL,
  NEW,
  runs,
  settle,
  SHA_NEW,
  SHA_OLD,
  steps,
  type Story,
  unit,
  update as updateWith,
  what,
} from './conversation.fixture.js';
import type { SilabsOptions } from './options.js';

const EXPECTED = '1.1.0.0';
const EBL = makeEbl({ programs: [{ address: APPLICATION_ADDRESS, data: NEW }] });
const BLE_OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 9_000 });
const BLE_NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 10_100, seed: 4 });
const BLE11X = makeBluegigaPackage({ generation: 'ble11x', image: BLE_NEW });
const BT12X = makeBluegigaPackage({ generation: 'bt12x', image: NEW });

const node = (options: Partial<SilabsOptions> = {}): Story => unit({ access: 'bgapi', ...options });

function update(
  story: Story,
  file = FILE,
  linkOptions: Readonly<Record<string, string>> = {},
  run: Partial<RunOptions> = {},
): ReturnType<typeof updateWith> {
  return updateWith(bgapiDfu, story, file, { expectVersion: EXPECTED, linkOptions }, run);
}

describe('an update from the application to the proof', () => {
  it('is proven, and the flash holds the image', () => {
    const story = node();
    const progress: number[] = [];
    const result = update(story, FILE, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
      sentBytes: FILE.length,
      before: { mode: 'application', running: [{ version: '1.0.0.0' }], hardware: { bootloaderVersion: '2.4.1' } },
      after: { mode: 'application', running: [{ version: EXPECTED }] },
    });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
    expect(progress.at(-1)).toBe(FILE.length);
    // 252 bytes an upload, as bootloaders from 2.0 on take.
    expect(result.sends.some(({ bytes }) => bytes[4] === 252)).toBe(true);
  });

  it.each<[string, Partial<SilabsOptions>, Readonly<Record<string, string>>]>([
    ['Gecko Bootloader 1.x: 128 bytes, other codes', { generation: 'gecko-1' }, {}],
    ['the Simplicity SDK', { generation: 'sisdk', series: 2 }, {}],
    ['Series 2 with the bootloader interface', { series: 2 }, {}],
    ['Series 1 without it', { userResetToDfu: false }, {}],
    ['robust frames in the application', { framing: 'robust' }, { framing: 'robust' }],
    ['a bootloader at another speed', { applicationBaud: 38_400 }, { baud: '38400', bootbaud: '115200' }],
    ['junk at every start', { junkAtBoot: Uint8Array.of(0, 0x20, 0xa0, 0xff, 0) }, {}],
    ['a stack that is started on demand', { systemBootEvent: false }, {}],
    ['slow flash', { faults: { slowFlash: 20 } }, {}],
  ])('is proven with %s', (_, options, linkOptions) => {
    const story = node(options);
    const model = linkOptions['baud'] === undefined ? {} : { model: { serial: { baud: Number(linkOptions['baud']) } } };
    const result = update(story, FILE, linkOptions, model);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('Blue Gecko legacy: EBL; its application states no version, so it stays unproven', () => {
    const story = node({ generation: 'blue-gecko-2' });
    const result = update(story, EBL);
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'version-unchanged', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each<[string, Partial<SilabsOptions>]>([
    ['plain', {}],
    ['packet mode', { framing: 'packet' }],
    ['packet mode in the bootloader too', { framing: 'packet', packetModeInBootloader: true }],
  ])('BLE11x, %s', (_, options) => {
    const story = node({ generation: 'ble11x', application: BLE_OLD, ...options });
    const linkOptions = {
      generation: 'ble11x',
      ...(options.framing && { framing: options.framing }),
      ...(options.packetModeInBootloader && { bootframing: 'packet' }),
    };
    const result = update(story, BLE11X, linkOptions);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false, sentBytes: 10_100 });
    expect(story.device.flash.region('application').slice(0, BLE_NEW.length)).toEqual(BLE_NEW);
  });

  it('BT12x', () => {
    const story = node({ generation: 'bt12x' });
    const result = update(story, BT12X, { generation: 'bt12x' });
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'version-unchanged', needsRescue: false });
    expect(story.device.flash.region('application').slice(0, NEW.length)).toEqual(NEW);
  });

  it('picks up a unit that is left in its bootloader', () => {
    const story = node({ application: undefined });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', before: { mode: 'bootloader' } });
  });

  it('sends nothing to a device that runs the version already', () => {
    const story = node();
    const result = updateWith(bgapiDfu, story, FILE, { expectVersion: '1.0.0.0' });
    expect(result.outcome).toMatchObject({ outcome: 'skipped', needsRescue: false });
    expect(what(story)).toEqual(['booted']);
  });

  it('installs a file with a newer bootloader in it', () => {
    const story = node();
    const full = gbl({ bootloader: { version: 0x02050000, baseAddress: 0, data: new Uint8Array(64) } });
    const result = update(story, full);
    expect(result.outcome).toMatchObject({ outcome: 'proven', after: { hardware: { bootloaderVersion: '2.5.0' } } });
  });
});

describe('refusals', () => {
  it.each<[string, Partial<SilabsOptions>, Uint8Array, string]>([
    ['another key', {}, gbl({ privateKey: new Uint8Array(32).fill(3) }), 'target.refused-image'],
    ['no signature', {}, makeGbl({ programs: [{ address: 0x4000, data: NEW }] }), 'target.refused-image'],
    ['flash that it does not have', {}, gbl({ programs: [{ address: 0, data: NEW }] }), 'target.refused-image'],
    ['another generation', {}, BLE11X, 'artifact.wrong-model'],
    ['an EBL file for a Gecko Bootloader', {}, EBL, 'artifact.wrong-model'],
    ['a Series 2 application without the interface', { series: 2, userResetToDfu: false }, FILE, 'target.refused'],
  ])('%s', (_, options, file, code) => {
    const story = node(options);
    const result = update(story, file);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code });
    if (code === 'target.refused-image') settle(story);
    else expect([runs(story), result.outcome.needsRescue]).toEqual([SHA_OLD, false]);
    if (options.series !== 2) expect(update(story).outcome.outcome).toBe('proven');
  });

  it('stops at the first refusal: the parser says yes to everything after it', () => {
    const story = node();
    const result = update(story, gbl({ programs: [{ address: 0, data: NEW }] }));
    // Twice, as nothing on the line is checked; each time only up to the refusal.
    expect(result.outcome.sentBytes).toBeLessThan(2 * 252);
  });

  it.each([
    ['upload', 0x0046, 'target.refused-image'],
    ['finish', 0x0046, 'target.refused-image'],
    ['upload', 0x002f, 'target.refused'],
  ])('%s refused with %d', (request, code, expected) => {
    const story = node({ faults: { refuse: { request, code } } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: expected });
  });

  it('a link option that is none', () => {
    expect(update(node(), FILE, { generation: 'ble12x' }).outcome).toMatchObject({
      outcome: 'failed',
      code: 'request.invalid',
    });
  });
});

describe('identify', () => {
  it('reads what an application says, and changes nothing', () => {
    const story = node();
    expect(identifyIt(bgapiDfu, story)).toMatchObject({
      protocol: 'bgapi-dfu',
      mode: 'application',
      identity: { kind: 'port-path', value: 'sim:SN-7' },
      hardware: { generation: 'efr32', bootloaderVersion: '2.4.1', address: expect.stringMatching(/^..:/) },
      running: [{ image: 0, version: '1.0.0.0' }],
    });
    expect(what(story)).toEqual(['booted']);
  });

  it('tells a bootloader', () => {
    expect(identifyIt(bgapiDfu, node({ application: undefined }))).toMatchObject({ mode: 'bootloader', running: [] });
    const legacy = { generation: 'ble11x' };
    expect(identifyIt(bgapiDfu, node({ generation: 'ble11x', application: undefined }), legacy)).toMatchObject({
      mode: 'bootloader',
      hardware: legacy,
    });
  });

  it('says what to look at when nobody answers', () => {
    const run = { model: { serial: { baud: 9600 } } };
    expect(() => identifyIt(bgapiDfu, node(), {}, run)).toThrow(/RTS\/CTS/);
  });

  it('leaves the speed as it was', () => {
    const story = node({ applicationBaud: 38_400, application: undefined });
    const baud = { model: { serial: { baud: 38_400 } } };
    expect(identifyIt(bgapiDfu, story, { baud: '38400', bootbaud: '115200' }, baud).mode).toBe('bootloader');
  });
});

describe('troubles', () => {
  it.each<[string, SilabsOptions['faults']]>([
    ['a lost answer', { dropToHost: [20] }],
    ['a lost command', { dropToDevice: [20] }],
    ['a damaged command', { corruptToDevice: [20] }],
    ['a damaged answer', { corruptToHost: [20] }],
    ['a reboot', { rebootAtByte: 12_000 }],
    ['a power cut', { powerCutAtByte: 15_000 }],
    ['a long silence', { stallAtFrame: 30, stallMs: 9000 }],
  ])('%s: begins again and is proven', (_, faults) => {
    const story = node({ ...(faults && { faults }) });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('the answer to the end is lost: what starts is the verdict', () => {
    for (let lost = 118; lost < 134; lost++) {
      const story = node({ faults: { dropToHost: [lost] } });
      expect(update(story).outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    }
  });

  it.each<[string, SilabsOptions['faults'], string]>([
    ['stays away', { muteAfterActivation: true }, 'target.did-not-return'],
    ['keeps the old image', { keepOldImage: true }, 'target.wrong-image-runs'],
  ])('a unit that %s', (_, faults, code) => {
    expect(update(node({ ...(faults && { faults }) })).outcome).toMatchObject({ outcome: 'failed', code });
  });

  it('a line that loses too much ends, bounded', () => {
    const result = update(node({ faults: { lossRate: 0.2, seed: 3 } }));
    expect(result.outcome.outcome).toBe('failed');
    expect(result.elapsedMs).toBeLessThan(15 * 60_000);
  });

  it.each<MarkStep>(['touched', 'erased', 'complete', 'activating'])('a fence at %s stops every write', (step) => {
    let fencedAt = 0;
    const result = update(
      node(),
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
      needsRescue: step !== 'touched',
    });
    expect(result.sends.filter(({ atMs }) => atMs > fencedAt)).toEqual([]);
  });

  it('cut at random places: proven, or the next update brings it back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 3000 }), (atMs, offMs) => {
        const story = node();
        story.scheduler.after(atMs, () => story.device.powerCut(offMs));
        if (update(story).outcome.outcome !== 'proven') {
          settle(story);
          expect(['proven', 'skipped']).toContain(update(story).outcome.outcome);
        }
        expect(runs(story)).toBe(SHA_NEW);
      }),
      { numRuns: 20 },
    );
  });

  it('cancelled at random: left with an application, or finished; the speed is the one before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7000 }), (cancelAfterMs) => {
        const story = node({ applicationBaud: 38_400 });
        const speeds = { baud: '38400', bootbaud: '115200' };
        const run = { model: { serial: { baud: 38_400 } }, cancelAfterMs };
        const { outcome } = update(story, FILE, speeds, run);
        expect(['proven', 'cancelled']).toContain(outcome.outcome);
        expect(outcome.needsRescue).toBe(false);
        settle(story);
        expect(runs(story)).toBe(outcome.outcome === 'proven' ? SHA_NEW : SHA_OLD);
      }),
      { numRuns: 15 },
    );
  });
});
