import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Mistake } from './model-agent.fixture.js';
import { Violation, WireWorld } from './wire-world.fixture.js';

jest.setTimeout(1_800_000);
/** `DRYDOCK_SOAK=1`: many minutes instead of seconds. */
const RUNS = process.env['DRYDOCK_SOAK'] === '1' ? Number(process.env['DRYDOCK_ROUNDS'] ?? 3_000_000) : 60_000;
const MISTAKE_RUNS = 60_000;
/** `DRYDOCK_SEED=N` plays the histories of an earlier run again; fast-check prints the seed of one that failed. */
const SEED = process.env['DRYDOCK_SEED'];

const history = fc.array(fc.tuple(fc.nat(999), fc.nat(999), fc.nat(99_999)), {
  minLength: 60,
  maxLength: 300,
  size: 'max',
});

function play(steps: readonly (readonly [number, number, number])[], mistake?: Mistake): void {
  const world = new WireWorld(mistake);
  for (const [kind, a, b] of steps) world.step(kind, a, b);
}

describe('the wire rules', () => {
  it('keep P2, P3 and P4 whatever the network, the agents and the clock do', () => {
    fc.assert(
      fc.property(history, (steps) => play(steps)),
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    );
  });

  it('reaches what it is about', () => {
    const reached = { touched: 0, ended: 0, secondAttempt: 0, lost: 0, paused: 0, clones: 0, settled: 0 };
    fc.assert(
      fc.property(history, (steps) => {
        const world = new WireWorld();
        for (const [kind, a, b] of steps) world.step(kind, a, b);
        for (const [what, count] of Object.entries(world.seen)) reached[what as keyof typeof reached] += count;
      }),
      { numRuns: 1_000, seed: 1 },
    );
    for (const count of Object.values(reached)) expect(count).toBeGreaterThan(20);
  });

  it.each<Mistake>([
    'grants-before-the-end-is-known',
    'starts-without-looking-at-the-time',
    'takes-grants-of-another-epoch',
    'counts-duplicates',
    'prunes-without-ack',
    'pause-forgets-unheard-grants',
    'touches-unheard-of',
    'forgets-what-moved-nothing',
  ])('the exploration finds the mistake: %s', (mistake) => {
    const found = fc.check(
      fc.property(history, (steps) => play(steps, mistake)),
      { numRuns: MISTAKE_RUNS, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
    expect(found.errorInstance).toBeInstanceOf(Violation);
  });
});
