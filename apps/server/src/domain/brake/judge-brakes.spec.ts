import { describe, expect, it } from '@jest/globals';
import { ERROR_CODE_LIST, ERROR_CODES } from '@drydock/contracts';
import fc from 'fast-check';
import { ALPHA_SHARES, alphaOf, gatewayCap, quarantineAlpha, stratumWeight } from './alpha.js';
import { newBrakeTest, recordFailure, type TestFacts } from './brake-test.js';
import { countEvent, familyOf, type TrialEvent } from './counting.js';
import { judgeBrakes, type BrakeFacts, type StratumFacts } from './judge-brakes.js';
import { isOverdue, overdueAfterMs, overdueLimit } from './overdue.js';
import { FIRST_PROBE_MS, LONGEST_PROBE_MS, mostQuarantined, nextProbeAtMs, type HolderFacts } from './sick-holder.js';

const test = (granted: number, failedAt: readonly number[], limit = 0.02): TestFacts => ({
  test: failedAt.reduce(
    (taken, ordinal) => recordFailure(taken, { ordinal, gatewayId: `g${ordinal}`, weight: 1 }),
    newBrakeTest({ limit }),
  ),
  granted,
  gatewaysTried: 12,
});
const holders = { total: 100, tried: 40, quarantined: 0, finished: 800, failed: 12, listed: [] };
const facts = (fields: Partial<BrakeFacts> = {}): BrakeFacts => ({
  alpha: 0.01,
  limit: 0.02,
  campaign: test(200, []),
  strata: [],
  left: 1000,
  overdue: test(200, [], 0.03),
  transport: test(200, [], 0.1),
  gateways: holders,
  sites: holders,
  thresholds: [],
  bad: 0,
  tried: 100,
  overdueInFlight: 0,
  mostOverdueInFlight: 20,
  ...fields,
});
const stratum = (fields: Partial<StratumFacts>): StratumFacts => ({
  ...test(50, [1, 2, 3, 4]),
  kind: 'model',
  key: 'm1',
  weight: 0.5,
  left: 100,
  stopped: false,
  ...fields,
});
const sick = (fields: Partial<HolderFacts> = {}): HolderFacts => ({
  id: 'gw',
  failedOrdinals: [2, 1, 5, 3],
  neverStarted: [],
  finished: 5,
  failed: 4,
  quarantined: false,
  ...fields,
});

describe('the brakes together', () => {
  it('are quiet over a healthy campaign', () => {
    expect(judgeBrakes(facts())).toEqual({
      halts: [],
      strataStopped: [],
      gatewaysQuarantined: [],
      sitesQuarantined: [],
      amber: [],
      evidence: [],
      cannotTell: [],
    });
  });

  it('halt with numbers and a sentence', () => {
    const verdict = judgeBrakes(facts({ campaign: test(60, [4, 11, 12, 15]) }));
    expect(verdict.halts).toHaveLength(1);
    expect(verdict.evidence[0]).toMatchObject({
      test: 'campaign',
      key: null,
      failures: 4,
      trials: 15,
      limit: 0.02,
      epoch: 0,
    });
    expect(verdict.evidence[0]!.alpha).toBeCloseTo(0.006, 12);
    expect(verdict.evidence[0]!.logE).toBeCloseTo(Math.log(274.288), 4);
    // With all of alpha the limit would allow 3 among the first 20.
    expect(verdict.evidence[0]!.sentence).toBe(
      '4 of the first 15 started failed; the limit of 2 % allows 3 among the first 17.',
    );
    expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
    // The share of alpha matters: 145 rings at 100, not at 167.
    expect(judgeBrakes(facts({ campaign: test(60, [3, 7, 8]) })).halts).toEqual([]);
  });

  it('are amber while the present evidence is high, and no longer when trials go well', () => {
    expect(judgeBrakes(facts({ campaign: test(6, [1, 4]) })).amber).toMatchObject([{ test: 'campaign' }]);
    expect(judgeBrakes(facts({ campaign: test(60, [1, 4]) })).amber).toEqual([]);
  });

  it('blame links for links, and lateness for lateness', () => {
    const many = Array.from({ length: 12 }, (_, index) => index + 1);
    const links = judgeBrakes(facts({ transport: test(20, many, 0.1) }));
    expect(links.halts.map((halt) => halt.sentence).join()).toMatch(/bad links.*not of the firmware/);
    const late = judgeBrakes(facts({ overdue: test(10, [1, 2, 3], 0.03) }));
    expect(late.halts.map((halt) => halt.sentence).join()).toMatch(/3 of the first 3 started were not proven in time/);
  });

  it('stop a stratum, and the campaign where that is most of what is left', () => {
    const small = judgeBrakes(facts({ strata: [stratum({})] }));
    expect(small.strataStopped).toMatchObject([{ kind: 'model', key: 'm1' }]);
    expect(small.halts).toEqual([]);
    expect(small.evidence[0]!.alpha).toBeCloseTo(0.00075, 12);
    const large = judgeBrakes(facts({ strata: [stratum({ left: 501, kind: 'version' })] }));
    expect(large.halts).toMatchObject([{ kind: 'stratum-too-large' }]);
    expect(large.evidence).toHaveLength(1);
    expect(judgeBrakes(facts({ strata: [stratum({ stopped: true })] })).strataStopped).toEqual([]);
    expect(judgeBrakes(facts({ strata: [stratum({ weight: 0 })] })).strataStopped).toEqual([]);
  });

  it('quarantine a sick gateway by the bar of 2000 for a hundred', () => {
    const totals = { ...holders, finished: 805, failed: 16 };
    const one = (fields: Partial<HolderFacts>) =>
      judgeBrakes(facts({ gateways: { ...totals, listed: [sick(fields)] } })).gatewaysQuarantined;
    expect(one({})).toMatchObject([{ id: 'gw', evidence: { test: 'gateway', key: 'gw', failures: 4, trials: 5 } }]);
    expect(one({})[0]!.evidence.limit).toBeCloseTo(0.039052, 6);
    expect(one({})[0]!.evidence.logE).toBeCloseTo(Math.log(6437.79), 4);
    expect(one({ failedOrdinals: [1, 2, 4, 7] })).toEqual([]);
    expect(one({ failedOrdinals: [1, 2, 4, 7], neverStarted: [3, 5] })).toHaveLength(1);
    expect(one({ failedOrdinals: [1, 1, 2] })).toEqual([]);
    expect(one({ quarantined: true })).toEqual([]);
    const site = judgeBrakes(facts({ sites: { ...totals, listed: [sick()] } }));
    expect(site.sitesQuarantined).toMatchObject([{ id: 'gw', evidence: { test: 'site' } }]);
  });

  it('bad firmware everywhere does not look like a sick gateway', () => {
    const everywhere = { ...holders, finished: 805, failed: 644, listed: [sick()] };
    expect(judgeBrakes(facts({ gateways: everywhere })).gatewaysQuarantined).toEqual([]);
  });

  it('halt when too many are quarantined', () => {
    const gateways = { ...holders, finished: 805, failed: 16, listed: [sick()] };
    expect(judgeBrakes(facts({ gateways: { ...gateways, quarantined: 2 } })).halts).toEqual([]);
    expect(judgeBrakes(facts({ gateways: { ...gateways, quarantined: 3 } })).halts).toMatchObject([
      { kind: 'too-many-quarantined', of: 'gateway', quarantined: 4, tried: 40 },
    ]);
    expect(mostQuarantined(1000)).toBe(50);
  });

  it('a quarantine lets one probe out a back-off', () => {
    const at = (probesFailed: number, probeRunning = false) =>
      nextProbeAtMs({ sinceMs: 1_000, probesFailed, probeRunning });
    expect([at(0), at(1), at(2)]).toEqual([1, 2, 4].map((times) => 1_000 + times * FIRST_PROBE_MS));
    expect(at(1_000)).toBe(1_000 + LONGEST_PROBE_MS);
    expect(at(0, true)).toBeNull();
  });

  it('keep plain thresholds beside', () => {
    const thresholds = [{ share: 0.05, minTried: 100 }];
    expect(judgeBrakes(facts({ thresholds, bad: 5 })).halts).toEqual([]);
    expect(judgeBrakes(facts({ thresholds, bad: 6, tried: 99 })).halts).toEqual([]);
    expect(judgeBrakes(facts({ thresholds, bad: 6 })).halts).toMatchObject([{ kind: 'threshold', bad: 6, tried: 100 }]);
    expect(judgeBrakes(facts({ overdueInFlight: 21 })).halts).toMatchObject([{ kind: 'overdue-in-flight' }]);
  });

  it('say where they cannot tell, and judge the rest (P11)', () => {
    const broken = JSON.parse('{"test":{"epochs":[{"after":0,"ledger":{"limit":0}}]},"granted":3,"gatewaysTried":1}');
    const verdict = judgeBrakes(
      facts({
        campaign: broken as TestFacts,
        overdue: test(10, [1, 2, 3], 0.03),
        gateways: { ...holders, listed: [sick({ finished: 10_000 })] },
      }),
    );
    expect(verdict.cannotTell.map((one) => one.test)).toEqual(['campaign', 'gateway gw']);
    expect(verdict.halts).toHaveLength(1);
  });
});

describe('the shares of alpha', () => {
  it('add up to no more than all of it', () => {
    expect(Object.values(ALPHA_SHARES).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 300 }), (count, known) => {
        for (const split of [{ membership: 'growing' }, { membership: 'frozen', strata: known }] as const) {
          let sum = 0;
          for (let index = 1; index <= count; index++) sum += stratumWeight(split, index);
          expect(sum).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
    );
    expect(stratumWeight({ membership: 'growing' }, 3)).toBeCloseTo(1 / 12, 12);
    expect(stratumWeight({ membership: 'frozen', strata: 5 }, 5)).toBe(0.2);
    expect(1 / alphaOf('campaign', 0.01)).toBeCloseTo(166.67, 1);
    expect(1 / alphaOf('model', 0.01, 0.2)).toBeCloseTo(3333.3, 1);
    expect(1 / quarantineAlpha(100)).toBeCloseTo(2000, 6);
    expect([4, 5, 19, 20].map(gatewayCap)).toEqual([null, 3, 3, 2]);
  });
});

describe('what counts', () => {
  const failed = (blame: 'firmware' | 'device' | 'link' | 'gateway' | 'server' | 'operator', attemptsLeft: boolean) =>
    ({ kind: 'failed', blame, attemptsLeft }) as const;
  const lost = (gatewayHeard: boolean, activationBegan: boolean) =>
    ({ kind: 'lost', gatewayHeard, activationBegan }) as const;
  it.each<[TrialEvent, number, number, number, string, boolean]>([
    [{ kind: 'proven' }, 0, 0, 0, 'good', true],
    [failed('firmware', true), 1, 0, 1, 'bad', false],
    [failed('device', false), 1, 0, 1, 'bad', true],
    [failed('link', true), 0, 0, 1, 'not-finished', false],
    [failed('link', false), 0.25, 1, 1, 'bad', true],
    [failed('gateway', true), 0, 0, 1, 'not-finished', false],
    // Seen in a crash run: servers that were away made two gateways look sick.
    [failed('server', false), 0, 0, 0, 'own-counter', true],
    [failed('operator', false), 0, 0, 1, 'own-counter', true],
    [lost(true, true), 1, 0, 1, 'bad', true],
    [lost(true, false), 0, 0, 0, 'not-finished', false],
    [lost(false, true), 0, 0, 0, 'not-finished', false],
    [{ kind: 'unproven' }, 0, 0, 0, 'own-counter', true],
    [{ kind: 'cancelled-after-start' }, 0, 0, 0, 'not-finished', true],
    [{ kind: 'reverted' }, 1, 0, 1, 'bad', true],
  ])('%j', (event, firmware, transport, place, gate, final) => {
    expect(countEvent(event, 0.25)).toEqual({ trial: true, firmware, transport, place, gate, final });
  });

  it('a grant that never started is no trial, and link blame has no weight unless asked', () => {
    expect(countEvent({ kind: 'never-started' })).toMatchObject({ trial: false, firmware: 0, gate: 'not-tried' });
    expect(countEvent(failed('link', false)).firmware).toBe(0);
  });

  it('every code has its family', () => {
    for (const code of ERROR_CODE_LIST)
      expect(familyOf(code)).toBe(
        {
          firmware: 'firmware',
          device: 'firmware',
          link: 'transport',
          gateway: 'site',
          server: 'site',
          operator: 'site',
        }[ERROR_CODES[code].blame],
      );
    expect(familyOf('target.did-not-return')).toBe('firmware');
    expect(familyOf('link.lost')).toBe('transport');
  });

  it('overdue is late for good, and not before the activation', () => {
    expect(isOverdue(null, null, 100, 1e9)).toBe(false);
    expect(isOverdue(1000, null, 100, 1100)).toBe(false);
    expect(isOverdue(1000, null, 100, 1101)).toBe(true);
    expect(isOverdue(1000, 1050, 100, 5000)).toBe(false);
    expect(isOverdue(1000, 1200, 100, 5000)).toBe(true);
    expect(overdueLimit(0.02)).toBeCloseTo(0.03, 12);
    expect(overdueLimit(0.995)).toBeLessThan(1);
    const proofs = Array.from({ length: 200 }, (_, index) => index + 1);
    expect(overdueAfterMs(proofs, 7)).toBe(198);
    expect(overdueAfterMs(proofs.slice(0, 99), 7)).toBe(7);
  });
});
