/** Session and target on bad links, with a slow source, through power cuts, cancelled, and rescued. */
import { describe, expect, it } from '@jest/globals';
import { tiOad, type UpdateOutcome } from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime, type RunResult } from '../../links/virtual-run.js';
import type { FaultPlan } from '../../target.js';
import {
  fileFor,
  requestFor,
  runs,
  runsFile,
  shaOf,
  unit,
  update,
  VARIANTS,
  what,
  type Story,
} from './conversation.fixture.js';
import { TiOadUuid } from './gatt.js';
import type { TiOadVariant } from './options.js';

const every = VARIANTS.map((variant) => [variant] as const);
const ENHANCED: readonly TiOadVariant[] = ['e1-off-chip', 'e1-on-chip', 'e2-off-chip', 'e2-on-chip'];
const small = { sizeBytes: 4_000 };

/** What is said about the unit is true, whatever happened. */
function expectTruth(story: Story, outcome: UpdateOutcome, file: Uint8Array, old: Uint8Array | undefined): void {
  if (outcome.outcome === 'proven') expect(runsFile(story, file)).toBe(true);
  else if (runs(story) !== undefined)
    expect(runsFile(story, file) || (old !== undefined && runsFile(story, old))).toBe(true);
  else expect(outcome.needsRescue).toBe(true);
}

describe('links that drop', () => {
  it.each(every)('%s: at random bytes, several times: begun anew and proven', (variant) => {
    const file = fileFor(variant, 2, small);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: file.length }), { minLength: 1, maxLength: 3 }),
        (disconnectAtByte) => {
          const story = unit(variant, { image: fileFor(variant, 1, small), faults: { disconnectAtByte } });
          const { outcome } = update(story, file);
          expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
          expect(runs(story)).toBe(shaOf(file));
        },
      ),
      { numRuns: 8 },
    );
  });

  it.each(every)('%s: a target that keeps the state of a lost connection is begun anew', (variant) => {
    const story = unit(variant, { freshHandles: true, faults: { disconnectAtByte: [6_000] } });
    expect(update(story).outcome.outcome).toBe('proven');
  });

  it.each(every)('%s: that always drop end as a lost link, after a counted number of tries', (variant) => {
    const disconnectAtByte = Array.from({ length: 40 }, (_, i) => 3_000 * (i + 1));
    const story = unit(variant, { faults: { disconnectAtByte } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.lost' });
    expect(outcome.needsRescue).toBe(variant.endsWith('on-chip'));
  });
});

describe('power and resets', () => {
  it.each(every)('%s: cut at random bytes: the outcome is true, and a second update goes through', (variant) => {
    const file = fileFor(variant, 2, small);
    const old = fileFor(variant, 1, small);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: file.length }), fc.boolean(), (at, isReset) => {
        const faults: FaultPlan = isReset ? { rebootAtByte: at } : { powerCutAtByte: at };
        const story = unit(variant, { image: old, faults });
        const { outcome } = update(story, file);
        expectTruth(story, outcome, file, old);
        expect(outcome.outcome).toBe('proven');
      }),
      { numRuns: 8 },
    );
  });

  it.each(every)('%s: cut at random moments, the copy of the boot manager included', (variant) => {
    const file = fileFor(variant, 2, small);
    const old = fileFor(variant, 1, small);
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 12_000 }), fc.integer({ min: 1, max: 3_000 }), (atMs, offMs) => {
        const story = unit(variant, { image: old });
        story.scheduler.after(atMs, () => story.device.powerCut(offMs));
        const { outcome } = update(story, file);
        expectTruth(story, outcome, file, old);
        if (outcome.outcome === 'proven') return;
        // Whatever was left behind can be brought on.
        const { outcome: again } = update(story, file);
        expect(['proven', 'skipped', 'unproven']).toContain(again.outcome);
        expect(runs(story)).toBe(shaOf(file));
      }),
      { numRuns: 8 },
    );
  });
});

describe('frames that get lost or damaged', () => {
  it.each(every)('%s: lost ones, whichever they are', (variant) => {
    const file = fileFor(variant, 2, small);
    const old = fileFor(variant, 1, small);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 2 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 2 }),
        (dropToDevice, dropToHost) => {
          const story = unit(variant, { image: old, faults: { dropToDevice, dropToHost } });
          const { outcome } = update(story, file);
          expectTruth(story, outcome, file, old);
          expect(outcome.outcome === 'proven' || describeFailure(outcome)).toBe(true);
        },
      ),
      { numRuns: 9 },
    );
  });

  it.each(every)('%s: damaged ones, whichever they are', (variant) => {
    const file = fileFor(variant, 2, small);
    const old = fileFor(variant, 1, small);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 260 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 1000 }),
        (device, host, seed) => {
          const story = unit(variant, {
            image: old,
            faults: { corruptToDevice: [device], corruptToHost: [host], seed },
          });
          const { outcome } = update(story, file);
          expectTruth(story, outcome, file, old);
        },
      ),
      { numRuns: 9 },
    );
  });

  it('a block request that is lost costs 5 s and no more', () => {
    const calm = update(unit('e1-off-chip')).elapsedMs;
    // Version, block size, device type, image information, block size again, identify, start, then requests.
    const { outcome, elapsedMs } = update(unit('e1-off-chip', { faults: { dropToHost: [20] } }));
    expect(outcome.outcome).toBe('proven');
    expect(elapsedMs - calm).toBeLessThan(6_000);
  });

  it.each<[TiOadVariant, number]>([
    ['e1-off-chip', 7],
    ['e2-off-chip', 5],
  ])('%s: a lost answer to start: asked again, it says that it has started', (variant, frame) => {
    const result = update(unit(variant, { faults: { dropToHost: [frame] } }));
    expect(result.outcome.outcome).toBe('proven');
    const control = result.sends.filter(({ channel }) => channel === TiOadUuid.control);
    expect(control.filter(({ bytes }) => bytes[0] === 3)).toHaveLength(2);
    expect(result.sends.filter(({ channel }) => channel === TiOadUuid.identify)).toHaveLength(1);
  });

  it('a CC254x that misses a block asks for it again', () => {
    const story = unit('c1', { faults: { dropToDevice: [40, 90] } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    const blocks = result.sends.filter(({ channel }) => channel === TiOadUuid.block).length;
    expect(blocks).toBeLessThan(12_000 / 16 + 20);
  });

  it.each(every)('%s: one frame in a hundred lost all along ends in something true', (variant) => {
    const story = unit(variant, { image: fileFor(variant, 1, small), faults: { lossRate: 0.01, seed: 3 } });
    const file = fileFor(variant, 2, small);
    const { outcome } = update(story, file);
    expectTruth(story, outcome, file, fileFor(variant, 1, small));
  });

  it.each(every)('%s: a unit that falls silent for a while', (variant) => {
    const story = unit(variant, { faults: { stallAtFrame: 12, stallMs: 4_000 } });
    expect(update(story).outcome.outcome).toBe('proven');
  });
});

describe('a source that is slower than the device wants', () => {
  const LONG = { sizeBytes: 150_000 };
  /** Longest time between two blocks of the last try. */
  const longestGapMs = (result: RunResult<unknown>): number => {
    const at = result.sends.filter(({ channel }) => channel === TiOadUuid.block).map(({ atMs }) => atMs);
    return Math.max(...at.slice(1).map((time, i) => time - at[i]!));
  };
  const story = (variant: TiOadVariant): Story =>
    unit(variant, variant === 'e2-off-chip' ? { slotBytes: 0x28000 } : {});
  const longFile = fileFor('e1-off-chip', 2, LONG);

  it('is told so before the device is touched', () => {
    const met = story('e1-off-chip');
    const result = update(met, longFile, {}, { sourceMs: () => 5_000 });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'gateway.download', needsRescue: false });
    expect(JSON.stringify(result.outcome)).toContain('10 s without a block');
    expect([result.marks, what(met)]).toEqual([[], ['booted']]);
  });

  it('is waited for with blocks in reserve, block by block more slowly', () => {
    const met = story('e1-off-chip');
    // The first pass, which checks, is quick; in the second one nothing comes for three minutes.
    let stalledAtMs: number | undefined;
    let passes = 0;
    const result = update(
      met,
      longFile,
      {},
      {
        sourceMs: (offset, _, atMs) => {
          if (offset === 98_304) passes += 1;
          if (passes < 2) return 0;
          stalledAtMs ??= atMs;
          return Math.max(0, stalledAtMs + 180_000 - atMs);
        },
      },
    );
    const { outcome } = result;
    expect(outcome.outcome).toBe('proven');
    expect(stalledAtMs).toBeDefined();
    expect(result.elapsedMs).toBeGreaterThan(180_000);
    expect(longestGapMs(result)).toBeLessThan(8_000);
    expect(runs(met)).toBe(shaOf(longFile));
  });

  it('that is slow all along is followed at its own pace', () => {
    const met = story('e1-off-chip');
    const result = update(met, longFile, {}, { sourceMs: () => 3_500 });
    expect(result.outcome.outcome).toBe('proven');
    expect(longestGapMs(result)).toBeLessThan(8_000);
  });

  it('that dries up for good ends the update, and says why', () => {
    const met = story('e1-off-chip');
    let reads = 0;
    const result = update(
      met,
      longFile,
      {},
      {
        // The first pass, which checks, is quick; the second one ends at 100 000 bytes.
        sourceMs: (offset) => {
          reads += offset === 98_304 ? 1 : 0;
          return reads > 1 && offset >= 98_304 ? 3_600_000 : 0;
        },
      },
    );
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'gateway.download', needsRescue: false });
    expect(longestGapMs(result)).toBeLessThan(8_000);
    expect(runs(met)).toBe(shaOf(fileFor('e1-off-chip', 1)));
  });

  it('whose bytes change in between is stopped', () => {
    const met = story('e1-off-chip');
    const changing = longFile.slice();
    let passes = 0;
    const { outcome } = update(
      met,
      longFile,
      {},
      {
        payloads: new Map([['image:0', changing]]),
        sourceMs: (offset) => {
          if (offset === 147_456 && ++passes === 1) changing[120_000]! ^= 1;
          return 0;
        },
      },
    );
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest' });
    expect(runs(met)).toBe(shaOf(fileFor('e1-off-chip', 1)));
  });
});

describe('cancelled', () => {
  it.each(every)(
    '%s: at random moments: the unit is left running something, or needs a rescue and says so',
    (variant) => {
      const file = fileFor(variant, 2, small);
      const old = fileFor(variant, 1, small);
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 12_000 }), (cancelAfterMs) => {
          const story = unit(variant, { image: old });
          const { outcome, marks } = update(story, file, {}, { cancelAfterMs });
          expectTruth(story, outcome, file, old);
          expect(['cancelled', 'proven']).toContain(outcome.outcome);
          expect(outcome.needsRescue).toBe(false);
          if (outcome.outcome === 'cancelled') {
            expect(runs(story)).toBe(shaOf(old));
            expect(marks.map(({ step }) => step)).not.toContain('erased');
          }
        }),
        { numRuns: 8 },
      );
    },
  );
});

describe('cancelled in the middle of a transfer', () => {
  it.each<[TiOadVariant]>([['e1-off-chip'], ['e2-off-chip']])('%s: the target is told to forget it', (variant) => {
    const story = unit(variant);
    const result = update(story, undefined, {}, { cancelAfterMs: 800 });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
    expect(result.outcome.sentBytes).toBeGreaterThan(0);
    const commands = result.sends.filter(({ channel }) => channel === TiOadUuid.control);
    expect(commands.at(-1)?.bytes).toEqual(Uint8Array.of(5));
    expect(runs(story)).toBe(shaOf(fileFor(variant, 1)));
  });
});

describe('rescue', () => {
  it.each<[TiOadVariant]>([['e1-on-chip'], ['e2-on-chip']])('%s: a unit without application gets one', (variant) => {
    const story = unit(variant, { image: undefined });
    const file = fileFor(variant, 2);
    const { outcome } = runInVirtualTime((link) => tiOad.rescue(link, requestFor(variant, file)), story.device, {
      scheduler: story.scheduler,
      payloads: tiOad.payloads(file),
    });
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false, before: { mode: 'bootloader' } });
    expect(runs(story)).toBe(shaOf(file));
  });

  it('a unit that failed after its erase is brought back by the next update', () => {
    const story = unit('e1-on-chip', {
      faults: { disconnectAtByte: Array.from({ length: 12 }, (_, i) => 3_000 * (i + 1)) },
    });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.lost', needsRescue: true });
    let last = outcome;
    for (let tries = 0; tries < 3 && last.outcome !== 'proven'; tries++) last = update(story).outcome;
    expect(last).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(runs(story)).toBe(shaOf(fileFor('e1-on-chip', 2)));
  });
});

describe('the pace', () => {
  it.each(ENHANCED.map((variant) => [variant]))(
    '%s: one block at a time up to the erase, more afterwards',
    (variant) => {
      const story = unit(variant);
      const calm = update(story);
      const careful = update(unit(variant), undefined, { tuning: { window: 1 } });
      expect(calm.outcome.outcome).toBe('proven');
      expect(careful.outcome.outcome).toBe('proven');
      expect(calm.elapsedMs).toBeLessThan(careful.elapsedMs);
    },
  );

  it('a target whose queue holds one block only is given one block at a time, after one refusal', () => {
    const story = unit('e1-off-chip', { queueBlocks: 1, flash: { writeUsPerWord: 600 } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    const identifies = result.sends.filter(({ channel }) => channel === TiOadUuid.identify);
    expect(identifies).toHaveLength(2);
  });

  it('what a lost connection left behind is cancelled before anything is asked', () => {
    const result = update(unit('e2-off-chip', { faults: { disconnectAtByte: [6_000] } }));
    expect(result.outcome.outcome).toBe('proven');
    expect(result.sends.filter(({ channel }) => channel === TiOadUuid.identify)).toHaveLength(2);
  });
});

/** Losing the one frame that nobody can ask for again is a failure, and says which. */
function describeFailure(outcome: UpdateOutcome): boolean {
  return outcome.outcome === 'failed' && /^(link|target)\./.test(outcome.code);
}
