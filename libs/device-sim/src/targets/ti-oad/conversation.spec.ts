/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import { tiOad, type MarkStep } from '@drydock/dfu-core';
import type { RunOptions } from '../../links/virtual-run.js';
import type { TouchEntry } from '../../target.js';
import {
  ADDRESS,
  fileFor,
  identifyIt,
  runs,
  shaOf,
  steps,
  unit,
  update,
  VARIANTS,
  versionOf,
  what,
} from './conversation.fixture.js';
import { TiOadUuid } from './gatt.js';
import type { TiOadOptions, TiOadVariant } from './options.js';

describe('an update from the application to the proof', () => {
  it.each(VARIANTS)('%s is proven, and the flash holds the image', (variant) => {
    const story = unit(variant);
    const file = fileFor(variant, 2);
    const progress: number[] = [];
    const result = update(story, file, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false, sentBytes: file.length });
    expect(runs(story)).toBe(shaOf(file));
    expect(result.framesDropped).toBe(0);
    expect(progress.at(-1)).toBe(file.length);
    expect(steps(result)).toContain('touched');
    expect(what(story)).toContain('activated');
    expect(identifyIt(story).running).toEqual([{ image: 0, version: versionOf(variant, 2) }]);
  });
});

const every = VARIANTS.map((variant) => [variant] as const);

describe('the points of no return', () => {
  it('erased is marked only where the running application is lost', () => {
    const marks = Object.fromEntries(VARIANTS.map((variant) => [variant, steps(update(unit(variant)))]));
    const plain = ['touched', 'complete', 'activating'];
    const onChip = ['touched', 'erased', 'complete', 'activating'];
    expect(marks).toEqual({
      'e1-off-chip': plain,
      'e1-on-chip': onChip,
      'e2-off-chip': plain,
      'e2-on-chip': onChip,
      c1: plain,
      c2: plain,
    });
  });

  it.each(every)('%s: each step is marked before the device notes it', (variant) => {
    const story = unit(variant);
    const result = update(story);
    const at = (step: MarkStep): number => result.marks.find((mark) => mark.step === step)!.atMs;
    const seen = (touch: TouchEntry['what']): number =>
      story.device.touches.find((entry) => entry.what === touch)?.atMs ?? Number.POSITIVE_INFINITY;
    expect(at('touched')).toBeLessThanOrEqual(seen('touched'));
    expect(at('activating')).toBeLessThanOrEqual(seen('activated'));
    if (variant.endsWith('on-chip')) expect(at('erased')).toBeLessThanOrEqual(seen('erased'));
  });

  it('a fence at the first mark leaves the unit as it was', () => {
    for (const variant of VARIANTS) {
      const story = unit(variant);
      const result = update(story, undefined, {}, { onMark: () => ({ fail: 'fence.start-by' }) });
      expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'fence.start-by', needsRescue: false });
      expect(what(story)).toEqual(['booted']);
    }
  });
});

describe('telling them apart', () => {
  it.each<[TiOadVariant, Partial<TiOadOptions>, object]>([
    ['e1-off-chip', {}, { mode: 'application', hardware: { variant: 'enhanced', blockBytes: 244, chipFamily: 4 } }],
    ['e1-on-chip', {}, { mode: 'application', hardware: { variant: 'reset-service' } }],
    ['e1-on-chip', { image: undefined }, { mode: 'bootloader', running: [], hardware: { runningType: 0 } }],
    [
      'e1-on-chip',
      { image: undefined, persistentName: 'Acme' },
      { mode: 'bootloader', running: [], hardware: { runningType: 0 } },
    ],
    ['e2-off-chip', {}, { mode: 'application', hardware: { variant: 'mcuboot', blockBytes: 240 } }],
    ['e2-on-chip', {}, { mode: 'application', hardware: { variant: 'reset-service' } }],
    ['e2-on-chip', { image: undefined }, { mode: 'bootloader', running: [], hardware: { persistentVersion: '9.0.0' } }],
    ['c1', {}, { hardware: { variant: 'classic-on-chip', area: 'A', userId: 'AAAA' }, running: [{ version: '1' }] }],
    [
      'c1',
      { answersHeaderQuestion: false },
      { hardware: { variant: 'classic-on-chip' }, running: [{ version: '1.0.0' }] },
    ],
    ['c2', {}, { hardware: { variant: 'classic-off-chip' }, running: [{ version: '1.0.0' }] }],
  ])('%s %j', (variant, options, expected) => {
    const story = unit(variant, options);
    expect(identifyIt(story)).toMatchObject(expected);
    expect(what(story)).toEqual(['booted']);
  });

  it('a CC254x that runs area B is asked twice', () => {
    const story = unit('c1', { image: fileFor('c1', 2) });
    expect(identifyIt(story)).toMatchObject({ hardware: { area: 'B' }, running: [{ version: '2' }] });
  });

  it.each<[string, number, number]>([
    ['no exchange', 23, 20],
    ['27', 27, 24],
    ['65', 65, 60],
    ['185', 185, 180],
    ['247', 247, 244],
  ])('block size from MTU: %s', (_, mtu, blockBytes) => {
    const story = unit('e1-off-chip', { maxMtu: mtu });
    expect(identifyIt(story).hardware['blockBytes']).toBe(blockBytes);
    const file = fileFor('e1-off-chip', 2);
    const result = update(story, file);
    expect(result.outcome.outcome).toBe('proven');
    const blocks = result.sends.filter(({ channel }) => channel === TiOadUuid.block);
    expect(blocks).toHaveLength(Math.ceil(file.length / (blockBytes - 4)));
    expect(blocks[0]?.bytes).toHaveLength(blockBytes);
    // A longer identify is dropped without a word by CC2640R2, and does not fit the smallest link.
    const identify = result.sends.find(({ channel }) => channel === TiOadUuid.identify);
    expect(identify?.bytes).toHaveLength(mtu === 23 ? 18 : 22);
  });

  it('scan knows them by what they advertise', () => {
    const seen = (variant: TiOadVariant, options: Partial<TiOadOptions> = {}): string | undefined => {
      const { address, name = '', services } = unit(variant, options).device.ble.advertisement()!;
      return tiOad.recognise({ link: 'ble', address, name, services });
    };
    expect(VARIANTS.map((variant) => seen(variant))).toEqual(VARIANTS.map(() => 'application'));
    expect(seen('e1-on-chip', { image: undefined })).toBe('bootloader');
    expect(tiOad.recognise({ link: 'ble', address: ADDRESS, services: ['180a'] })).toBeUndefined();
  });
});

describe('what differs between builds', () => {
  it.each<[string, TiOadVariant, Partial<TiOadOptions>, RunOptions['model']]>([
    ['a CC2640R2 that drops long identifies', 'e1-off-chip', { dropsLongIdentify: true }, {}],
    ['the documented number at the end', 'e1-off-chip', { finalBlockNumber: 0xffffffff }, {}],
    ['a cancel that is answered', 'e1-on-chip', { answersCancel: true }, {}],
    ['slow flash', 'e1-on-chip', { faults: { slowFlash: 8 } }, {}],
    ['a lossy radio', 'e1-off-chip', {}, { ble: { lossRate: 0.1, seed: 5 } }],
    ['short link packets', 'e2-on-chip', { maxLinkPayloadBytes: 27 }, { ble: { linkPayloadBytes: 27 } }],
    ['a persistent application with the reset service', 'e1-on-chip', { persistentHasReset: true }, {}],
    ['a CC26x0 with two areas that tells nothing', 'c1', { answersHeaderQuestion: false }, {}],
  ])('%s', (_, variant, options, model = {}) => {
    const story = unit(variant, options);
    const change = variant === 'c1' ? { expectVersion: '2.0.0' } : {};
    expect(update(story, undefined, change, { model }).outcome).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
    });
    expect(runs(story)).toBe(shaOf(fileFor(variant, 2)));
  });

  it('an MCUboot-based target on a link that cannot carry its writes is told so, and is not touched', () => {
    const story = unit('e2-off-chip', { maxMtu: 185 });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.open-failed', needsRescue: false });
    expect(JSON.stringify(outcome)).toContain('wants writes of 240 bytes');
    expect(what(story)).toEqual(['booted']);
  });

  it('takes the other area next time', () => {
    const story = unit('c1');
    expect(update(story).outcome.outcome).toBe('proven');
    // It runs the area that this file is linked for, because it runs this file.
    expect(update(story).outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running' });
    const third = fileFor('c1', 3);
    expect(update(story, third, { expectVersion: '3' }).outcome.outcome).toBe('proven');
    expect(runs(story)).toBe(shaOf(third));
  });
});
