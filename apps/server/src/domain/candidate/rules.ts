/**
 * Rules about single devices: each yields the SQL by which candidates are filtered and the sentence that
 * says why a device is none. Both live in one object, and a property test holds them together against a
 * real database. The SQL speaks of the aliases in {@link CANDIDATE_FROM}; it is true where the rule stands
 * in the way and is never null.
 */
import { LIVE_DEPLOYMENT_STATES, type Reason } from '@drydock/contracts';

/** What a rule looks at. Times are milliseconds of the server's clock. */
export interface CandidateFacts {
  readonly deviceModel: string | null;
  readonly artifactModel: string;
  readonly deviceHold: string | null;
  /** Why it is decommissioned; null while it is not. */
  readonly deviceGone: string | null;
  readonly deviceApproved: boolean;
  readonly deviceProtocol: string | null;
  readonly fencedUntilMs: number | null;
  readonly siteName: string;
  readonly siteHold: string | null;
  readonly gatewayName: string | null;
  readonly gatewayState: string | null;
  readonly gatewayNote: string | null;
  readonly gatewayHold: string | null;
  readonly gatewayOnline: boolean;
  readonly gatewayEpoch: string | null;
  readonly gatewaySeenMs: number | null;
  readonly gatewayProtocols: readonly string[];
  readonly gatewayInFlight: number;
  readonly perGateway: number;
  /** The gateway knows a link to the device. */
  readonly reachable: boolean;
  /** Name of another campaign with a live deployment of the device. */
  readonly claimedBy: string | null;
  readonly notBeforeMs: number | null;
  readonly lastCode: string | null;
  readonly nowMs: number;
}

export interface CandidateRule {
  readonly name: string;
  /** True where it stands in the way; `$now` (timestamptz) and `$perGateway` (int) are put in by {@link blockedBy}. */
  readonly sql: string;
  readonly explain: (facts: CandidateFacts) => Reason | undefined;
}

/** Aliases: dep deployments, dev devices, site sites, gw gateways, dg device_gateways, art artifacts. */
export const CANDIDATE_FROM = `deployments dep
  join campaigns camp on camp.id = dep.campaign_id
  join artifacts art on art.id = camp.artifact_id
  join devices dev on dev.id = dep.device_id
  join sites site on site.id = dev.site_id
  left join gateways gw on gw.id = dev.gateway_id
  left join device_gateways dg on dg.device_id = dev.id and dg.gateway_id = dev.gateway_id`;

const LIVE = LIVE_DEPLOYMENT_STATES.map((state) => `'${state}'`).join(', ');
const reason = (code: Reason['code'], params: Reason['params'] = {}, until?: number): Reason => ({
  code,
  params,
  ...(until !== undefined && { until }),
});

/** In the order in which they are said: what a person must change first, what passes by itself last. */
export const CANDIDATE_RULES: readonly CandidateRule[] = [
  {
    name: 'other-model',
    sql: `dev.model is distinct from art.model`,
    explain: (f) =>
      f.deviceModel === f.artifactModel
        ? undefined
        : reason('device.other-model', {
            actual: f.deviceModel ?? 'device of unknown model',
            expected: f.artifactModel,
          }),
  },
  {
    name: 'decommissioned',
    sql: `dev.state <> 'active'`,
    explain: (f) => (f.deviceGone === null ? undefined : reason('device.decommissioned', { note: f.deviceGone })),
  },
  {
    name: 'unapproved',
    sql: `not dev.approved`,
    explain: (f) => (f.deviceApproved ? undefined : reason('device.unapproved')),
  },
  {
    name: 'device-hold',
    sql: `dev.hold_note is not null`,
    explain: (f) => (f.deviceHold === null ? undefined : reason('device.hold', { note: f.deviceHold })),
  },
  {
    name: 'site-hold',
    sql: `site.hold_note is not null`,
    explain: (f) => (f.siteHold === null ? undefined : reason('site.hold', { site: f.siteName, note: f.siteHold })),
  },
  {
    name: 'claimed',
    sql: `exists (select 1 from deployments o where o.device_id = dev.id and o.id <> dep.id and o.state in (${LIVE}))`,
    explain: (f) => (f.claimedBy === null ? undefined : reason('device.claimed', { campaign: f.claimedBy })),
  },
  {
    name: 'fence',
    sql: `coalesce(dev.fenced_until > $now, false)`,
    explain: (f) =>
      f.fencedUntilMs === null || f.fencedUntilMs <= f.nowMs ? undefined : reason('fence.open', {}, f.fencedUntilMs),
  },
  {
    name: 'retry-later',
    sql: `coalesce(dep.not_before > $now, false)`,
    explain: (f) =>
      f.notBeforeMs === null || f.notBeforeMs <= f.nowMs
        ? undefined
        : reason('retry.later', { code: f.lastCode }, f.notBeforeMs),
  },
  {
    name: 'no-gateway',
    sql: `(gw.id is null or coalesce(jsonb_array_length(dg.links), 0) = 0)`,
    explain: (f) => (f.gatewayName === null || !f.reachable ? reason('gateway.none') : undefined),
  },
  {
    name: 'gateway-state',
    sql: `coalesce(gw.state <> 'active', true)`,
    explain: (f) =>
      f.gatewayState === 'active'
        ? undefined
        : reason('gateway.quarantined', { gateway: f.gatewayName, note: f.gatewayNote ?? f.gatewayState }),
  },
  {
    name: 'gateway-hold',
    sql: `gw.hold_note is not null`,
    explain: (f) =>
      f.gatewayHold === null ? undefined : reason('gateway.hold', { gateway: f.gatewayName, note: f.gatewayHold }),
  },
  {
    name: 'gateway-offline',
    sql: `(not coalesce(gw.online, false) or gw.epoch is null)`,
    explain: (f) =>
      f.gatewayOnline && f.gatewayEpoch !== null
        ? undefined
        : reason('gateway.offline', { gateway: f.gatewayName, since: f.gatewaySeenMs }),
  },
  {
    name: 'no-protocol',
    sql: `not coalesce(dev.protocol = any(gw.protocols), false)`,
    explain: (f) =>
      f.deviceProtocol !== null && f.gatewayProtocols.includes(f.deviceProtocol)
        ? undefined
        : reason('gateway.no-protocol', { gateway: f.gatewayName, protocol: f.deviceProtocol }),
  },
  {
    name: 'gateway-full',
    sql: `coalesce(gw.in_flight >= $perGateway, true)`,
    explain: (f) =>
      f.gatewayInFlight < f.perGateway
        ? undefined
        : reason('gateway.full', { gateway: f.gatewayName, running: f.gatewayInFlight, limit: f.perGateway }),
  },
];

/**
 * The predicate "no rule stands in the way", over {@link CANDIDATE_FROM}.
 * @param now placeholder of the present moment, for instance `$2`. @param perGateway placeholder of the gateway's limit.
 */
export function noRuleBlocks(now: string, perGateway: string): string {
  return CANDIDATE_RULES.map((rule) => `not (${blockedBy(rule, now, perGateway)})`).join('\n  and ');
}

export function blockedBy(rule: CandidateRule, now: string, perGateway: string): string {
  return rule.sql.replaceAll('$now', `${now}::timestamptz`).replaceAll('$perGateway', `${perGateway}::int`);
}

/** The first rule that stands in the way, as a person reads it. */
export function whyNoCandidate(facts: CandidateFacts): Reason | undefined {
  for (const rule of CANDIDATE_RULES) {
    const found = rule.explain(facts);
    if (found) return found;
  }
  return undefined;
}
