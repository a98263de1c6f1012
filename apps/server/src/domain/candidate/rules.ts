/**
 * Rules about single devices: each yields the SQL by which candidates are filtered and the sentence that
 * says why a device is none. Both live in one object, and a property test holds them together against a
 * real database. The SQL speaks of the aliases in {@link CANDIDATE_FROM}; it is true where the rule stands
 * in the way and is never null.
 */
import { LIVE_DEPLOYMENT_STATES, RAW_PORT_CAPABILITY, type Reason } from '@drydock/contracts';

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
  /** The campaign gives the raw port to the vendor's tool: the site file of the gateway must open one. */
  readonly wantsRawPort: boolean;
  readonly gatewayInFlight: number;
  readonly perGateway: number;
  readonly siteInFlight: number;
  readonly perSite: number | null;
  /** Null: the campaign has no windows, or ignores them. */
  readonly siteWindow: { readonly fits: boolean; readonly isOpen: boolean; readonly opensAtMs: number | null } | null;
  readonly batteryPercent: number | null;
  readonly minBattery: number | null;
  readonly redundancy: { readonly group: string; readonly out: number; readonly maxOut: number } | null;
  readonly stratum: {
    readonly version: string;
    readonly stoppedNote: string | null;
    /** None of it was in the first stage, none is proven yet, and one is under way. */
    readonly waitsForFirst: boolean;
  };
  readonly quarantine: { readonly kind: 'gateway' | 'site'; readonly note: string } | null;
  /** Name of an urgent campaign with planned devices behind the gateway; null for urgent campaigns themselves. */
  readonly urgentFirst: string | null;
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
  /** True where it stands in the way; the names of {@link RuleParams} with a `$` are put in by {@link blockedBy}. */
  readonly sql: string;
  /** Holds back updates only: a device without an application gets its rescue all the same. */
  readonly updatesOnly?: true;
  readonly explain: (facts: CandidateFacts) => Reason | undefined;
}

/** Placeholders of what the rules compare with, for instance `$2`. */
export interface RuleParams {
  /** timestamptz */
  readonly now: string;
  /** int */
  readonly perGateway: string;
  /** int or null */
  readonly perSite: string;
  /** int or null */
  readonly minBattery: string;
  /** text[]: zones in which a window is open and long enough; null where the campaign has none */
  readonly openZones: string;
  /** uuid[]: urgent campaigns that run and go first; null where there is none, or the campaign is urgent itself */
  readonly urgent: string;
}

/**
 * A member of a redundancy group that is not in service, or of which it is not known: aliases m devices, mg its gateway.
 */
export const OUT_OF_SERVICE = `(m.out_of_service or m.needs_rescue or m.mode <> 'application' or not coalesce(mg.online, false)
  or exists (select 1 from deployments mo where mo.device_id = m.id
    and mo.state in (${LIVE_DEPLOYMENT_STATES.map((state) => `'${state}'`).join(', ')})))`;

/** How many of the group of the device under that alias are out, itself left aside. */
const outBeside = (
  device: string,
): string => `(select count(*) from devices m left join gateways mg on mg.id = m.gateway_id
  where m.redundancy_group_id = ${device}.redundancy_group_id and m.id <> ${device}.id and ${OUT_OF_SERVICE})`;

export const GROUP_OUT = outBeside('dev');

/** True where the group of the device under that alias lets nobody else out; never null. */
export const groupIsShut = (
  device: string,
): string => `(${device}.redundancy_group_id is not null and ${outBeside(device)} >=
  (select own.max_out from redundancy_groups own where own.id = ${device}.redundancy_group_id))`;

export const SITE_IN_FLIGHT = `(select coalesce(sum(sg.in_flight), 0) from gateways sg where sg.site_id = dev.site_id)`;

/**
 * Urgent campaigns with devices behind dev's gateway that wait for a grant in an open stage (the first opens at once).
 * Devices that a person keeps from it, that nobody may update, or that must wait for their redundancy group hold up nobody else.
 * @param which condition on the alias uc.
 */
export const urgentWaiting = (which: string): string => `select uc.name
  from campaigns uc join campaign_stages us on us.campaign_id = uc.id
    join deployments ud on ud.campaign_id = uc.id and ud.stage_idx = us.idx
    join devices uv on uv.id = ud.device_id
  where ${which} and uc.state = 'running' and ud.state = 'planned' and uv.gateway_id = dev.gateway_id
    and (us.state in ('open', 'soaking', 'passed') or (us.idx = 0 and us.state = 'pending'))
    and uv.state = 'active' and uv.approved and uv.hold_note is null and not ${groupIsShut('uv')}`;

/** Alias str: none of the stratum was in the first stage, none is proven yet, and one is under way. */
export const WAITS_FOR_FIRST = `(str.in_first_stage = 0 and str.opened_at is null and exists (
  select 1 from deployments o where o.campaign_id = dep.campaign_id and o.stratum_idx = dep.stratum_idx
    and o.stratum_ordinal is not null and o.id <> dep.id
    and o.state in (${LIVE_DEPLOYMENT_STATES.map((state) => `'${state}'`).join(', ')})))`;

/** Aliases: dep deployments, dev devices, site sites, gw gateways, dg device_gateways, art artifacts. */
export const CANDIDATE_FROM = `deployments dep
  join campaigns camp on camp.id = dep.campaign_id
  join artifacts art on art.id = camp.artifact_id
  join devices dev on dev.id = dep.device_id
  join sites site on site.id = dev.site_id
  left join gateways gw on gw.id = dev.gateway_id
  left join device_gateways dg on dg.device_id = dev.id and dg.gateway_id = dev.gateway_id
  left join campaign_strata str on str.campaign_id = dep.campaign_id and str.idx = dep.stratum_idx
  left join redundancy_groups grp on grp.id = dev.redundancy_group_id
  left join lateral (
    select q.kind, q.note from campaign_quarantines q
    where q.campaign_id = dep.campaign_id and q.lifted_at is null and q.probe_deployment_id is distinct from dep.id
      and ((q.kind = 'gateway' and q.ref_id = dev.gateway_id) or (q.kind = 'site' and q.ref_id = dev.site_id))
    order by q.kind limit 1) quar on true`;

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
    name: 'stratum-stopped',
    sql: `str.stopped_at is not null`,
    updatesOnly: true,
    explain: (f) =>
      f.stratum.stoppedNote === null
        ? undefined
        : reason('stopped.stratum', { version: f.stratum.version, note: f.stratum.stoppedNote }),
  },
  {
    name: 'quarantine',
    sql: `quar.kind is not null`,
    updatesOnly: true,
    explain: (f) => {
      if (!f.quarantine) return undefined;
      const { kind, note } = f.quarantine;
      return kind === 'site'
        ? reason('site.quarantined', { site: f.siteName, note })
        : reason('gateway.quarantined', { gateway: f.gatewayName, note });
    },
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
    sql: `(not coalesce(dev.protocol = any(gw.protocols), false)
      or (camp.policy->'vendorTool' is not null and not coalesce('${RAW_PORT_CAPABILITY}' = any(gw.protocols), false)))`,
    explain: (f) => {
      const lacks = (protocol: string | null): Reason =>
        reason('gateway.no-protocol', { gateway: f.gatewayName, protocol });
      if (f.deviceProtocol === null || !f.gatewayProtocols.includes(f.deviceProtocol)) return lacks(f.deviceProtocol);
      return f.wantsRawPort && !f.gatewayProtocols.includes(RAW_PORT_CAPABILITY)
        ? lacks(RAW_PORT_CAPABILITY)
        : undefined;
    },
  },
  {
    name: 'battery',
    sql: `coalesce(dev.battery_percent < $minBattery, false)`,
    updatesOnly: true,
    explain: (f) =>
      f.minBattery === null || f.batteryPercent === null || f.batteryPercent >= f.minBattery
        ? undefined
        : reason('battery.low', { percent: f.batteryPercent, wanted: f.minBattery }),
  },
  {
    name: 'window',
    sql: `coalesce(not (site.zone = any($openZones)), false)`,
    updatesOnly: true,
    explain: (f) =>
      f.siteWindow === null || f.siteWindow.fits
        ? undefined
        : reason(
            f.siteWindow.isOpen ? 'window.too-short' : 'window.closed',
            { site: f.siteName },
            f.siteWindow.opensAtMs ?? undefined,
          ),
  },
  {
    name: 'redundancy',
    sql: `(dev.redundancy_group_id is not null and ${GROUP_OUT} >= grp.max_out)`,
    updatesOnly: true,
    explain: (f) =>
      f.redundancy === null || f.redundancy.out < f.redundancy.maxOut
        ? undefined
        : reason('redundancy.group', {
            group: f.redundancy.group,
            out: f.redundancy.out,
            limit: f.redundancy.maxOut,
          }),
  },
  {
    name: 'stratum-first',
    sql: `coalesce(${WAITS_FOR_FIRST}, false)`,
    updatesOnly: true,
    explain: (f) =>
      f.stratum.waitsForFirst
        ? reason('stratum.first', { version: f.stratum.version || 'an unknown version' })
        : undefined,
  },
  {
    name: 'urgent-first',
    // Nothing of it is looked at while no urgent campaign runs.
    sql: `case when $urgent is null then false else exists (${urgentWaiting('uc.id = any($urgent)')}) end`,
    updatesOnly: true,
    explain: (f) =>
      f.urgentFirst === null
        ? undefined
        : reason('campaign.urgent-first', { campaign: f.urgentFirst, gateway: f.gatewayName }),
  },
  {
    name: 'site-full',
    sql: `coalesce($perSite <= ${SITE_IN_FLIGHT}, false)`,
    explain: (f) =>
      f.perSite === null || f.siteInFlight < f.perSite
        ? undefined
        : reason('site.full', { site: f.siteName, running: f.siteInFlight, limit: f.perSite }),
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

/** The predicate "no rule stands in the way", over {@link CANDIDATE_FROM}. */
export function noRuleBlocks(params: RuleParams, mode: 'update' | 'rescue'): string {
  return CANDIDATE_RULES.filter((rule) => applies(rule, mode))
    .map((rule) => `not (${blockedBy(rule, params)})`)
    .join('\n  and ');
}

export function blockedBy(rule: CandidateRule, params: RuleParams): string {
  return rule.sql
    .replaceAll('$now', `${params.now}::timestamptz`)
    .replaceAll('$perGateway', `${params.perGateway}::int`)
    .replaceAll('$perSite', `${params.perSite}::int`)
    .replaceAll('$minBattery', `${params.minBattery}::int`)
    .replaceAll('$openZones', `${params.openZones}::text[]`)
    .replaceAll('$urgent', `${params.urgent}::uuid[]`);
}

/** The first rule that stands in the way, as a person reads it. */
export function whyNoCandidate(facts: CandidateFacts, mode: 'update' | 'rescue'): Reason | undefined {
  for (const rule of CANDIDATE_RULES) {
    const found = applies(rule, mode) ? rule.explain(facts) : undefined;
    if (found) return found;
  }
  return undefined;
}

const applies = (rule: CandidateRule, mode: 'update' | 'rescue'): boolean =>
  mode === 'update' || rule.updatesOnly !== true;
