import { describe, expect, it } from '@jest/globals';
import { drawNormal } from './draws.js';
import { group, INPUT, many, mean, NO_HISTORY, seeded } from './forecast.fixture.js';
import { drawParameters, fitHistory, type ForecastHistory } from './parameters.js';
import { simulateSession } from './session-model.js';
import { spreadOf } from './summary.js';

describe('the forecast over worlds it does not know', () => {
  const [gateways, devices, campaigns, runs] = [30, 12, 40, 30];

  /** Time for 95 % of all devices, each gateway one after the other. */
  const finish = (session: (gateway: string) => number): number => {
    const ends = Array.from({ length: gateways }, (_, index) => {
      let at = 0;
      return Array.from({ length: devices }, () => (at += session(`g${index}`)));
    }).flat();
    return ends.sort((a, b) => a - b)[Math.ceil(0.95 * ends.length) - 1]!;
  };

  it('holds what it promises with three sessions of history a gateway; one fleet average does not', () => {
    let [inside, insideWithoutShock, insideAverage] = [0, 0, 0];
    for (let campaign = 0; campaign < campaigns; campaign++) {
      const random = seeded(1_000 + campaign);
      const effects = new Map(Array.from({ length: gateways }, (_, index) => [`g${index}`, 0.5 * drawNormal(random)]));
      const logRate = (gateway: string) => Math.log(5_000) + effects.get(gateway)! + 0.4 * drawNormal(random);
      const seen = [...effects.keys()].map((id) => ({ id, values: many(3, () => logRate(id)) }));
      const fleet = mean(seen.flatMap((one) => one.values));
      const truth = finish((gateway) => INPUT.bytes / Math.exp(logRate(gateway)));

      const history: ForecastHistory = {
        ...NO_HISTORY,
        modelRates: [{ id: 'm', count: 10_000, mean: fleet, sumSquares: 1_600 }],
        gatewayRates: seen.map(({ id, values }) =>
          group(
            id,
            values.map((value) => value - fleet),
          ),
        ),
        attempts: [{ model: 'm', attempt: 1, tries: 1e9, transportFailures: 0, firmwareFailures: 0 }],
        fixedMs: { m: 0 },
      };
      const holds = (pastShocks: readonly number[]): number => {
        const fitted = fitHistory({ ...history, pastShocks });
        const times = many(runs, () => {
          const parameters = drawParameters(fitted, random);
          return finish((gatewayId) => simulateSession({ ...INPUT, gatewayId }, parameters, random).durationMs / 1000);
        });
        const { p10, p90 } = spreadOf(times);
        return truth >= p10! && truth <= p90! ? 1 : 0;
      };
      inside += holds([]);
      // Campaigns that were always as forecast: what is left is what the gateways' history leaves open.
      insideWithoutShock += holds(many(10_000, () => 0));
      const average = spreadOf(
        many(runs, () => finish(() => INPUT.bytes / Math.exp(fleet + 0.64 * drawNormal(random)))),
      );
      if (truth >= average.p10! && truth <= average.p90!) insideAverage += 1;
    }
    expect(inside / campaigns).toBeGreaterThanOrEqual(0.8);
    expect(insideWithoutShock / campaigns).toBeGreaterThanOrEqual(0.65);
    expect(insideAverage / campaigns).toBeLessThan(0.2);
  });
});
