import { describe, expect, it } from '@jest/globals';
import { DEPLOYMENT_STATES, REASON_CODES, reasonSentence, type Reason } from '@drydock/contracts';
import { WAITS_FOR_APPROVAL } from '../campaign/decide.js';
import { CANDIDATE_RULES, type CandidateFacts } from './rules.js';
import { whyOf, type WhyCampaign } from './why.js';

const NOW = 1_795_000_000_000;
type Deployment = Parameters<typeof whyOf>[0];

const device: CandidateFacts = {
  deviceModel: 'm',
  artifactModel: 'm',
  deviceHold: null,
  deviceGone: null,
  deviceApproved: true,
  deviceProtocol: 'smp',
  fencedUntilMs: null,
  siteName: 'berlin',
  siteHold: null,
  gatewayName: 'gw-1',
  gatewayState: 'active',
  gatewayNote: null,
  gatewayHold: null,
  gatewayOnline: true,
  gatewayEpoch: 'ab',
  gatewaySeenMs: NOW - 1,
  gatewayProtocols: ['smp'],
  wantsRawPort: false,
  gatewayInFlight: 0,
  perGateway: 4,
  siteInFlight: 0,
  perSite: 10,
  siteWindow: null,
  batteryPercent: 80,
  minBattery: 20,
  redundancy: null,
  stratum: { version: '1.0', stoppedNote: null, waitsForFirst: false },
  quarantine: null,
  urgentFirst: null,
  reachable: true,
  claimedBy: null,
  notBeforeMs: null,
  lastCode: null,
  nowMs: NOW,
};
/** What each rule must see to stand in the way; a rule without an entry fails the test below. */
const AGAINST: Readonly<Record<string, readonly Partial<CandidateFacts>[]>> = {
  'other-model': [{ deviceModel: 'x' }],
  decommissioned: [{ deviceGone: 'scrapped' }],
  unapproved: [{ deviceApproved: false }],
  'device-hold': [{ deviceHold: 'n' }],
  'site-hold': [{ siteHold: 'n' }],
  claimed: [{ claimedBy: 'other' }],
  fence: [{ fencedUntilMs: NOW + 1 }],
  'stratum-stopped': [{ stratum: { version: '1.0', stoppedNote: 'rang', waitsForFirst: false } }],
  quarantine: [{ quarantine: { kind: 'gateway', note: 'n' } }, { quarantine: { kind: 'site', note: 'n' } }],
  'retry-later': [{ notBeforeMs: NOW + 1, lastCode: 'link.lost' }],
  'no-gateway': [{ gatewayName: null }],
  'gateway-state': [{ gatewayState: 'quarantined' }],
  'gateway-hold': [{ gatewayHold: 'n' }],
  'gateway-offline': [{ gatewayOnline: false }],
  'no-protocol': [{ gatewayProtocols: [] }, { wantsRawPort: true }],
  battery: [{ batteryPercent: 3 }],
  window: [
    { siteWindow: { fits: false, isOpen: false, opensAtMs: NOW + 1 } },
    { siteWindow: { fits: false, isOpen: true, opensAtMs: NOW + 1 } },
  ],
  redundancy: [{ redundancy: { group: 'pair', out: 1, maxOut: 1 } }],
  'stratum-first': [{ stratum: { version: '1.0', stoppedNote: null, waitsForFirst: true } }],
  'urgent-first': [{ urgentFirst: 'cve-2026-1' }],
  'site-full': [{ siteInFlight: 10 }],
  'gateway-full': [{ gatewayInFlight: 4 }],
};
const deployment: Deployment = {
  state: 'planned',
  stageIdx: 0,
  attempt: 1,
  tries: 1,
  startByMs: NOW,
  finishByMs: NOW,
  outcomeCode: 'link.lost',
  outcomeReason: 'n',
  outcomeParams: null,
  afterRunning: [{ image: 0, version: '1.0' }],
  stateAtMs: NOW,
  stepVersion: null,
};
const campaign: WhyCampaign = {
  state: 'running',
  stateBy: 'Ada',
  stateReason: 'rang',
  settlingUntilMs: null,
  blobPresent: true,
  startAtMs: NOW,
  missingApprovals: 1,
  holding: 0,
  inFlightMax: 10,
  startTokens: 10,
  nextTokenMs: NOW,
  ratePerMinute: 60,
  unproven: null,
  brakes: 'quiet',
  stages: [
    { name: 'canary', state: 'open', note: null },
    { name: 'rest', state: 'pending', note: null },
  ],
};
const why = (changes: {
  dep?: Partial<Deployment>;
  dev?: Partial<CandidateFacts>;
  camp?: Partial<WhyCampaign>;
}): Reason =>
  whyOf({ ...deployment, ...changes.dep }, { ...device, ...changes.dev }, { ...campaign, ...changes.camp }, 'gw-1');
const stages = (state: WhyCampaign['stages'][number]['state'], note: string | null = null) => [
  { name: 'canary', state, note },
  { name: 'rest', state: 'pending' as const, note: null },
];

describe('P9: the one reason', () => {
  it('every code of the table is given by somebody, with every parameter of its sentence', () => {
    const given = [
      ...(['draft', 'awaiting-approval', 'scheduled', 'paused', 'halted', 'aborting', 'running'] as const).map(
        (state) => why({ camp: { state } }),
      ),
      ...DEPLOYMENT_STATES.map((state) => why({ dep: { state } })),
      ...Object.values(AGAINST).flatMap((list) => list.map((dev) => why({ dev }))),
      why({ camp: { settlingUntilMs: NOW + 1 } }),
      why({ camp: { blobPresent: false } }),
      why({ camp: { stages: stages('held', 'past its deadline') } }),
      why({ dep: { stageIdx: 1 }, camp: { stages: stages('held', WAITS_FOR_APPROVAL) } }),
      why({ dep: { stageIdx: 1 }, camp: { stages: stages('held', 'past its deadline') } }),
      why({ dep: { stageIdx: 1 } }),
      why({ dep: { stageIdx: 1 }, camp: { brakes: 'amber', stages: stages('passed') } }),
      why({ camp: { brakes: 'unknown' } }),
      why({ camp: { holding: 10 } }),
      why({ camp: { unproven: { count: 3, limit: 3 } } }),
      why({ camp: { startTokens: 0.5 } }),
      why({ dep: { stepVersion: '2.0' } }),
      why({ dep: { state: 'skipped', outcomeReason: 'requires', outcomeParams: { running: '1.0', wanted: '2.0' } } }),
    ];
    expect([...new Set(given.map((one) => one.code))].sort()).toEqual(Object.keys(REASON_CODES).sort());
    for (const one of given) expect(reasonSentence(one)).not.toContain('?');
  });

  it('every rule about single devices is among them', () => {
    expect(CANDIDATE_RULES.map((rule) => rule.name).filter((name) => !AGAINST[name])).toEqual([]);
  });

  it('says the step on the way while it is taken, and only last while it waits', () => {
    expect(why({ dep: { state: 'transferring', stepVersion: '2.0' } }).code).toBe('requires.step');
    expect(why({ dep: { stepVersion: '2.0' }, dev: { gatewayOnline: false } }).code).toBe('gateway.offline');
    expect(why({ dep: { stepVersion: '2.0' }, camp: { holding: 10 } }).code).toBe('limit.in-flight');
  });
});
