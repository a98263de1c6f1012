import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { drawBeta, drawExponential, drawNormal, drawOne } from './draws.js';
import { group, INPUT, many, mean, NO_HISTORY, seeded, variance } from './forecast.fixture.js';
import {
  COLD_START,
  drawParameters,
  fitHistory,
  logOdds,
  shareOf,
  shockLogSd,
  type ForecastHistory,
} from './parameters.js';
import { advanceOnOff, afterSharing, drawOnOff, nextToEnd, simulateSession } from './session-model.js';
import { drawGroupMean, fitHierarchy, shrunk, type GroupHistory } from './shrinkage.js';
import { binomialQuantile, calibratedP90, sampleGateways, spreadOf, summariseRuns, trackRecord } from './summary.js';

describe('draws', () => {
  it('have the means and variances of their distributions', () => {
    const random = seeded(1);
    const normals = many(20_000, () => drawNormal(random));
    expect(mean(normals)).toBeCloseTo(0, 1);
    expect(variance(normals)).toBeCloseTo(1, 1);
    expect(mean(many(20_000, () => drawExponential(3, random))) / 3).toBeCloseTo(1, 1);
    for (const [a, b] of [
      [0.5, 0.5],
      [2.5, 47.5],
      [120, 3],
    ] as const) {
      const betas = many(20_000, () => drawBeta(a, b, random));
      expect(mean(betas)).toBeCloseTo(a / (a + b), 2);
      expect(variance(betas)).toBeCloseTo((a * b) / ((a + b) ** 2 * (a + b + 1)), 2);
      expect(betas.every((beta) => beta >= 0 && beta <= 1)).toBe(true);
    }
  });

  it('end, whatever the source of chance', () => {
    for (const stuck of [() => 0, () => 1 - 2 ** -53, () => 0.5]) {
      expect(Number.isFinite(drawNormal(stuck))).toBe(true);
      expect(drawBeta(0.5, 0.5, stuck)).toBeGreaterThanOrEqual(0);
      expect(drawOne([1, 2], stuck)).toBeLessThanOrEqual(2);
    }
    expect(() => drawOne([], () => 0)).toThrow(/nothing/);
    expect(() => drawBeta(0, 1, () => 0)).toThrow(/Beta/);
  });
});

describe('partial pooling', () => {
  const prior = { mean: 5, insideSd: 1, betweenSd: 0.5 };

  it('is the prior without history, and says so', () => {
    const fitted = fitHierarchy([], prior);
    expect(fitted).toMatchObject({ mean: 5, insideVariance: 1, betweenVariance: 0.25, usesDefaults: true });
    expect(shrunk(fitted, 'any').mean).toBeCloseTo(5, 12);
    expect(shrunk(fitted, 'any').variance).toBeCloseTo(0.25, 12);
    const draws = many(
      5_000,
      (
        (random) => () =>
          drawGroupMean(fitted, 'any', random)
      )(seeded(9)),
    );
    expect(variance(draws)).toBeCloseTo(0.25, 1);
  });

  it('pulls little history much and much history little', () => {
    const random = seeded(3);
    const groups = many(40, () => 2 + 0.6 * drawNormal(random)).map((at, index) =>
      group(
        `g${index}`,
        many(index < 20 ? 2 : 200, () => at + drawNormal(random)),
      ),
    );
    const fitted = fitHierarchy(groups, prior);
    expect(fitted.usesDefaults).toBe(false);
    expect(fitted.insideVariance).toBeCloseTo(1, 1);
    expect(fitted.betweenVariance).toBeGreaterThan(0.15);
    expect(fitted.betweenVariance).toBeLessThan(0.7);
    const pull = (one: GroupHistory) => (shrunk(fitted, one.id).mean - fitted.mean) / (one.mean - fitted.mean);
    const k = fitted.insideVariance / fitted.betweenVariance;
    expect(pull(groups[0]!)).toBeCloseTo(2 / (2 + k), 9);
    expect(pull(groups[30]!)).toBeCloseTo(200 / (200 + k), 9);
    expect(shrunk(fitted, 'g0').variance).toBeCloseTo(fitted.insideVariance / (2 + k), 12);
  });

  it('survives groups that do not differ, and refuses numbers that are none', () => {
    const fitted = fitHierarchy(
      [1, 2, 3, 4].map((id) => group(String(id), [1, 1, 1, 1])),
      prior,
    );
    expect(Number.isFinite(shrunk(fitted, '1').mean)).toBe(true);
    expect(() => fitHierarchy([{ id: 'x', count: 2, mean: NaN, sumSquares: 0 }], prior)).toThrow(/x/);
  });
});

describe('the parameters of a run', () => {
  it('are the labelled defaults at a cold start', () => {
    const fitted = fitHistory(NO_HISTORY);
    expect(fitted.usesDefaults).toBe(true);
    expect(fitted.shockLogSd).toBeCloseTo(COLD_START.shockLogSd, 12);
    const runs = many(
      3_000,
      (
        (seed) => () =>
          drawParameters(fitted, seeded(seed++)).logRate('m', 'g')
      )(1),
    );
    expect(mean(runs)).toBeCloseTo(Math.log(5_000), 1);
    const parameters = drawParameters(fitted, seeded(1));
    expect(parameters.failure('m', 1)).toEqual({ transport: 0.06, firmware: 0.01 });
    expect(parameters.fixedMs('toString')).toBe(COLD_START.fixedMs);
    expect(
      Math.exp(drawParameters(fitHistory({ ...NO_HISTORY, link: 'uart' }), seeded(2)).logRate('m', 'g')),
    ).toBeGreaterThan(7_000);
    const shares = many(
      3_000,
      (
        (seed) => () =>
          drawParameters(fitted, seeded(seed++)).gatewayOnShare('g')
      )(1),
    );
    expect([...shares].sort((a, b) => a - b)[1_500]).toBeCloseTo(0.9, 1);
    expect(shareOf(logOdds(0.3))).toBeCloseTo(0.3, 12);
  });

  it('are drawn once a run, and repeat with the seed', () => {
    const fitted = fitHistory({
      ...NO_HISTORY,
      attempts: [{ model: 'm', attempt: 1, tries: 50, transportFailures: 5, firmwareFailures: 0 }],
    });
    const ask = (seed: number) => {
      const parameters = drawParameters(fitted, seeded(seed));
      const answers = () => [
        parameters.logRate('m', 'g1'),
        parameters.deviceOnShare('d'),
        // The second attempt is not known: as the first.
        parameters.failure('m', 1).transport,
        parameters.failure('m', 2).transport,
      ];
      const first = answers();
      expect(answers()).toEqual(first);
      expect(first[2]).toBe(first[3]);
      return first;
    };
    expect(ask(5)).toEqual(ask(5));
    expect(ask(5)).not.toEqual(ask(6));
    const rates = many(
      3_000,
      (
        (seed) => () =>
          drawParameters(fitted, seeded(seed++)).failure('m', 1).transport
      )(1),
    );
    expect(mean(rates)).toBeCloseTo(5.5 / 51, 2);
  });

  it('let past misses widen the shock', () => {
    expect(shockLogSd([])).toBeCloseTo(0.15, 12);
    expect(shockLogSd([0.5, -0.5, 0.5, -0.5])).toBeCloseTo(Math.sqrt((0.25 + 0.0225) / 2), 12);
    expect(shockLogSd([NaN])).toBeCloseTo(0.15, 12);
  });
});

describe('a session', () => {
  const sure = (fields: Partial<ForecastHistory> = {}) =>
    drawParameters(fitHistory({ ...NO_HISTORY, ...fields }), seeded(4));

  it('takes bytes by rate and the fixed part; bad firmware waits for its timeout; a lost link sends less', () => {
    const random = seeded(11);
    const parameters = sure();
    const results = Array.from({ length: 4_000 }, () => simulateSession(INPUT, parameters, random));
    const fixed = COLD_START.fixedMs * Math.exp(parameters.shock);
    for (const result of results) {
      expect(result.durationMs).toBeCloseTo(
        (result.transferBytes / result.linkBytesPerSecond) * 1000 + result.fixedMs,
        6,
      );
      expect(result.fixedMs).toBeCloseTo(result.outcome === 'firmware' ? fixed + 600_000 : fixed, 6);
      if (result.outcome === 'transport') expect(result.transferBytes).toBeLessThan(INPUT.bytes);
      else expect(result.transferBytes).toBe(INPUT.bytes);
    }
    const share = (outcome: string) => results.filter((one) => one.outcome === outcome).length / results.length;
    expect(share('transport')).toBeCloseTo(0.06, 1);
    expect(share('firmware')).toBeCloseTo(0.01, 1);
    expect(share('proven')).toBeGreaterThan(0.9);
  });

  it('shares the air of its gateway', () => {
    const parameters = sure({ rateResiduals: many(20, () => 0) });
    const alone = simulateSession(INPUT, parameters, seeded(1));
    const capacity = alone.linkBytesPerSecond;
    const crowded = simulateSession({ ...INPUT, gatewayBytesPerSecond: capacity, active: 4 }, parameters, seeded(1));
    expect(crowded.durationMs - crowded.fixedMs).toBeCloseTo(4 * (alone.durationMs - alone.fixedMs), 3);
    const free = simulateSession({ ...INPUT, gatewayBytesPerSecond: capacity * 9, active: 4 }, parameters, seeded(1));
    expect(free.durationMs).toBeCloseTo(alone.durationMs, 6);
  });

  it('no byte is lost or made where transfers share the air', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 100, max: 9_000 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer({ min: 200, max: 12_000 }),
        (list, capacity) => {
          let left = list.map(([bytesLeft, linkBytesPerSecond]) => ({ bytesLeft, linkBytesPerSecond }));
          let [elapsed, ended] = [0, 0];
          for (let next = nextToEnd(left, capacity); next; next = nextToEnd(left, capacity)) {
            left = afterSharing(left, capacity, next.afterMs);
            expect(left[next.index]!.bytesLeft).toBeCloseTo(0, 3);
            left.splice(next.index, 1);
            elapsed += next.afterMs;
            ended += 1;
          }
          expect(ended).toBe(list.length);
          const bytes = list.reduce((sum, [one]) => sum + one, 0);
          expect(elapsed / 1000).toBeGreaterThanOrEqual(bytes / capacity - 1e-6);
          expect(elapsed / 1000).toBeGreaterThanOrEqual(Math.max(...list.map(([size, link]) => size / link)) - 1e-6);
        },
      ),
    );
    expect(nextToEnd([], null)).toBeUndefined();
  });
});

describe('being on and off', () => {
  const rule = { onShare: 0.8, meanOnMs: 8_000, seenOnMs: [], seenOffMs: [] };
  it('is on for its share of the time', () => {
    const random = seeded(8);
    let state = drawOnOff(rule, 0, random);
    let on = 0;
    for (let now = 0; now < 20_000_000; now += 1_000) {
      state = advanceOnOff(rule, state, now, random);
      if (state.untilMs <= now) throw new Error(`stuck at ${now}`);
      if (state.on) on += 1;
    }
    expect(on / 20_000).toBeCloseTo(0.8, 1);
  });

  it('resamples what was seen, and leaps over years without counting every switch', () => {
    const seen = { ...rule, seenOnMs: many(20, () => 500), seenOffMs: many(20, () => 100) };
    expect(advanceOnOff(seen, { on: false, untilMs: 10 }, 10, seeded(1))).toEqual({ on: true, untilMs: 510 });
    expect(advanceOnOff(seen, { on: true, untilMs: 0 }, 1e12, seeded(1)).untilMs).toBeGreaterThan(1e12);
    for (const onShare of [0, 1]) expect(drawOnOff({ ...rule, onShare }, 0, seeded(1)).on).toBe(onShare === 1);
  });
});

describe('what runs say together', () => {
  it('times of shares of the reachable, null where they were not reached', () => {
    const run = (fields = {}) => ({
      doneAtMs: [40, 10, 20, 30],
      reachable: 4,
      outOfReach: 2,
      failed: 0,
      haltedAtMs: null,
      ...fields,
    });
    const summary = summariseRuns([run(), run({ doneAtMs: [10, 20], haltedAtMs: 25, failed: 3 })], true);
    expect(summary).toMatchObject({ runs: 2, haltShare: 0.5, usesDefaults: true, haltAtMs: { p50: 25 } });
    expect(summary.finish.map((one) => one.share)).toEqual([0.5, 0.9, 0.95, 0.99]);
    expect(summary.finish[0]!.atMs).toMatchObject({ p10: 20, p90: 20 });
    expect(summary.finish[2]!.atMs).toMatchObject({ p50: 40, p90: null });
    expect(summary.outOfReach.p50).toBe(2);
    expect(() => summariseRuns([], false)).toThrow(/run/);
    const spread = spreadOf(Array.from({ length: 200 }, (_, index) => index + 1));
    expect(spread).toEqual({ p10: 20, p50: 100, p90: 180, p90Low: 172, p90High: 188 });
  });

  it('are calibrated by what past forecasts missed', () => {
    const ratios = [1.3, 0.9, 1, 1.1, 1.2, 0.8, 1, 1, 2];
    expect(calibratedP90(100, 150, ratios.slice(1))).toEqual({ p90Ms: 150, source: 'runs' });
    expect(calibratedP90(100, 150, ratios)).toEqual({ p90Ms: 200, source: 'past-forecasts' });
    const nineteen = Array.from({ length: 19 }, (_, index) => 1 + index / 100);
    expect(calibratedP90(100, 150, nineteen).p90Ms).toBeCloseTo(117, 9);
    expect(calibratedP90(100, 150, [...ratios.slice(1), NaN]).source).toBe('runs');
  });

  it('covers a further exchangeable campaign nine times in ten', () => {
    const random = seeded(77);
    let covered = 0;
    for (let campaign = 0; campaign < 2_000; campaign++) {
      const ratios = many(12, () => Math.exp(0.4 * drawNormal(random)));
      if (Math.exp(0.4 * drawNormal(random)) <= calibratedP90(1, 0, ratios).p90Ms) covered += 1;
    }
    expect(covered / 2_000).toBeGreaterThanOrEqual(0.88);
  });

  it('keep a record of themselves', () => {
    expect(binomialQuantile(0.05, 10, 0.8)).toBe(6);
    expect(trackRecord(6, 10)).toMatchObject({ tooSure: false, sentence: 'Forecasts so far: 6 of 10 inside.' });
    expect(trackRecord(5, 10).tooSure).toBe(true);
    expect(trackRecord(0, 0).tooSure).toBe(false);
    expect(() => trackRecord(3, 2)).toThrow(/forecasts/);
  });

  it('are of whole gateways in a large fleet', () => {
    const gateways = Array.from({ length: 1_000 }, (_, index) => ({ id: `g${index}`, devices: 40 }));
    const sample = sampleGateways(gateways, seeded(2));
    expect(sample.gatewayIds).toHaveLength(500);
    expect(new Set(sample.gatewayIds).size).toBe(500);
    expect(sample.scale).toBe(0.5);
    expect(sampleGateways(gateways.slice(0, 3), seeded(2)).scale).toBe(1);
    expect(sampleGateways([{ id: 'huge', devices: 50_000 }], seeded(2))).toEqual({ gatewayIds: ['huge'], scale: 1 });
  });
});
