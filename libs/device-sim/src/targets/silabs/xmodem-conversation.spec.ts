/** The Gecko Bootloader's menu with XMODEM: the session against the simulated unit, in virtual time. */
import { describe, expect, it } from '@jest/globals';
import { geckoXmodem, makeEbl, makeGbl, type MarkStep } from '@drydock/dfu-core';
import fc from 'fast-check';
import type { RunOptions } from '../../links/virtual-run.js';
import {
  FILE,
  gbl,
  identifyIt,
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

const BGAPI = { application: 'bgapi' };
const stick = (options: Partial<SilabsOptions> = {}): Story =>
  unit({ access: 'xmodem', applicationSpeaksBgapi: true, ...options });
const inMenu = (options: Partial<SilabsOptions> = {}): Story =>
  unit({ access: 'xmodem', application: undefined, ...options });

function update(
  story: Story,
  file = FILE,
  linkOptions: Readonly<Record<string, string>> = BGAPI,
  run: Partial<RunOptions> = {},
): ReturnType<typeof updateWith> {
  return updateWith(geckoXmodem, story, file, { expectVersion: '1.1.0.0', linkOptions }, run);
}

describe('an update', () => {
  it('from an application that speaks BGAPI: proven', () => {
    const story = stick();
    const result = update(story);
    expect(result.outcome).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
      before: { mode: 'application', running: [{ version: '1.0.0.0' }] },
      after: { mode: 'application', running: [{ version: '1.1.0.0' }] },
    });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
    expect(result.outcome.sentBytes).toBe(FILE.length);
  });

  it('from the menu, with an application that says nothing: delivered, and unproven', () => {
    const story = inMenu();
    const result = update(story, FILE, {});
    expect(result.outcome).toMatchObject({
      outcome: 'unproven',
      reason: 'version-not-readable',
      needsRescue: false,
      before: { mode: 'bootloader', hardware: { bootloader: 'gecko', bootloaderVersion: '2.04.01' } },
    });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each<[string, Partial<SilabsOptions>, Readonly<Record<string, string>>]>([
    ['a bootloader at another speed', { applicationBaud: 230_400 }, { baud: '230400', bootbaud: '115200' }],
    ['robust frames in the application', { framing: 'robust' }, { framing: 'robust' }],
    ['junk at every start', { junkAtBoot: Uint8Array.of(0, 0xff, 0x18, 0x43) }, {}],
    ['slow flash', { faults: { slowFlash: 20 } }, {}],
  ])('is proven with %s', (_, options, linkOptions) => {
    const story = stick(options);
    const { baud } = linkOptions;
    const model = baud === undefined ? {} : { model: { serial: { baud: Number(baud) } } };
    const result = update(story, FILE, { ...BGAPI, ...linkOptions }, model);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('sends nothing to a device that runs the version already', () => {
    const story = stick();
    const change = { expectVersion: '1.0.0.0', linkOptions: BGAPI };
    expect(updateWith(geckoXmodem, story, FILE, change).outcome).toMatchObject({ outcome: 'skipped' });
    expect(what(story)).toEqual(['booted']);
  });

  it('cancels a transfer that somebody began and left', () => {
    const story = inMenu();
    const first = update(
      story,
      FILE,
      {},
      { onMark: (step) => (step === 'complete' ? { fail: 'fence.finish-by' } : 'go') },
    );
    expect(first.outcome).toMatchObject({ outcome: 'failed', needsRescue: true });
    expect(update(story, FILE, {}).outcome.outcome).toBe('unproven');
    expect(runs(story)).toBe(SHA_NEW);
  });
});

describe('refusals', () => {
  it.each<[string, Uint8Array, string]>([
    ['another key', gbl({ privateKey: new Uint8Array(32).fill(3) }), 'signature'],
    ['no signature', makeGbl({ programs: [{ address: 0x4000, data: NEW }] }), 'not signed'],
    ['compressed', gbl({ programs: [{ address: 0x4000, data: NEW, kind: 'lzma' }] }), 'tag'],
    ['a version that it requires', gbl({ dependencies: Uint8Array.of(1, 6, 0, 0, 9, 0, 0, 0) }), 'requires'],
  ])('%s', (_, file, sentence) => {
    const story = stick();
    const { outcome } = update(story, file);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused-image' });
    expect(outcome.outcome === 'failed' && outcome.params['detail']).toContain(sentence);
    settle(story);
    expect(update(story).outcome.outcome).toBe('proven');
  });

  it('an EBL file for a Gecko Bootloader, before anything is touched', () => {
    const story = inMenu();
    const result = update(story, makeEbl({ programs: [{ address: 0, data: NEW }] }), {});
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.wrong-model' });
    expect(what(story)).toEqual(['booted']);
  });

  it('says how a unit gets into its bootloader when nobody answers', () => {
    expect(() => identifyIt(geckoXmodem, unit({ access: 'xmodem' }))).toThrow(/own\s+means/);
  });
});

describe('identify', () => {
  it('tells menu and application, and changes nothing', () => {
    const story = stick();
    expect(identifyIt(geckoXmodem, story, BGAPI)).toMatchObject({ protocol: 'gecko-xmodem', mode: 'application' });
    expect(what(story)).toEqual(['booted']);
    expect(identifyIt(geckoXmodem, inMenu())).toMatchObject({ mode: 'bootloader' });
    expect(identifyIt(geckoXmodem, inMenu(), BGAPI)).toMatchObject({ mode: 'bootloader' });
  });
});

describe('troubles', () => {
  it.each<[string, SilabsOptions['faults']]>([
    ['lost blocks', { dropToDevice: [10, 40, 41] }],
    ['damaged blocks', { corruptToDevice: [10, 40, 41] }],
    ['lost answers', { dropToHost: [20, 60] }],
    ['damaged answers', { corruptToHost: [20, 60] }],
    ['a lossy line', { lossRate: 0.05, corruptRate: 0.05, seed: 4 }],
    ['a reboot', { rebootAtByte: 12_000 }],
    ['a power cut', { powerCutAtByte: 15_000 }],
    ['a long silence', { stallAtFrame: 30, stallMs: 9000 }],
  ])('%s: is proven', (_, faults) => {
    const story = stick({ ...(faults && { faults }) });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it.each([
    ['lost its power', { powerCutAtByte: 15_000 }],
    ['was started anew', { rebootAtByte: 15_000 }],
  ])('a bootloader that %s in the middle is noticed by its menu, not by its patience', (_, faults) => {
    const plain = stick();
    update(plain);
    const story = stick({ faults });
    expect(update(story).outcome.outcome).toBe('proven');
    expect(story.scheduler.now()).toBeLessThan(2 * plain.scheduler.now() + 15_000);
  });

  it.each<[string, SilabsOptions['faults'], string]>([
    ['stays away', { muteAfterActivation: true }, 'target.did-not-return'],
    ['keeps the old image', { keepOldImage: true }, 'target.wrong-image-runs'],
    ['refuses blocks', { refuse: { request: 'block', code: 0x1004 } }, 'target.refused-image'],
  ])('a unit that %s', (_, faults, code) => {
    expect(update(stick({ ...(faults && { faults }) })).outcome).toMatchObject({ outcome: 'failed', code });
  });

  it('each answer lost once: proven every time', () => {
    const blocks = Math.ceil(FILE.length / 128);
    for (const lost of [6, 7, 8, 9, 10, blocks + 7, blocks + 8, blocks + 9, blocks + 10, blocks + 11]) {
      const story = stick({ faults: { dropToHost: [lost] } });
      expect([lost, update(story).outcome.outcome]).toEqual([lost, 'proven']);
    }
  });

  it.each<MarkStep>(['touched', 'erased', 'complete', 'activating'])('a fence at %s stops every write', (step) => {
    let fencedAt = 0;
    const result = update(stick(), FILE, BGAPI, {
      onMark: (mark, atMs) => {
        if (mark !== step) return 'go';
        fencedAt = atMs;
        return { fail: 'fence.finish-by' };
      },
    });
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
        const story = stick();
        story.scheduler.after(atMs, () => story.device.powerCut(offMs));
        if (update(story).outcome.outcome !== 'proven') {
          settle(story);
          expect(['proven', 'skipped']).toContain(update(story).outcome.outcome);
        }
        expect(runs(story)).toBe(SHA_NEW);
      }),
      { numRuns: 15 },
    );
  });

  it('cancelled at random: left with an application, or finished', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7000 }), (cancelAfterMs) => {
        const story = stick();
        const { outcome } = update(story, FILE, BGAPI, { cancelAfterMs });
        expect(['proven', 'cancelled']).toContain(outcome.outcome);
        expect(outcome.needsRescue).toBe(false);
        settle(story);
        expect(runs(story)).toBe(outcome.outcome === 'proven' ? SHA_NEW : SHA_OLD);
      }),
      { numRuns: 15 },
    );
  });
});
