/** Reads what orders are made of, for many gateways at once. */
import {
  HOLDING_DEPLOYMENT_STATES,
  LinkName,
  Policy,
  type ArtifactRef,
  type CampaignState,
  type Grant,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { LiveAtGateway } from '../../domain/order/compose-order.js';
import { msOf } from '../campaigns/deployment-rows.js';
import { versionProvesSql } from '../campaigns/version-proves.js';

const MAX_LINKS = 4;

interface Row {
  gateway_id: string;
  id: string;
  reign: string;
  attempt: number;
  epoch: string;
  mode: 'update' | 'rescue';
  touched_at: number | null;
  start_by: number;
  finish_by: number;
  cancel_mode: 'before-start' | 'safe-point' | null;
  state: string;
  needs_rescue: boolean;
  preempted: boolean;
  camp_state: CampaignState;
  campaign_id: string;
  device_id: string;
  model: string;
  identity_kind: Grant['identity']['kind'];
  identity_value: string;
  protocol: string | null;
  links: unknown;
  sha256: string;
  size_bytes: string;
  format: string;
  running_version: string | null;
  version_proves: boolean;
  step_kind: 'stone' | 'restore' | null;
  heard_of: boolean;
}

/** Live deployments of the gateways, each list in the order of granting. */
export async function readLive(tx: Queryable, gatewayIds: readonly string[]): Promise<Map<string, LiveAtGateway[]>> {
  const rows = await queryRows<Row>(
    tx,
    `select dep.gateway_id, dep.id, dep.reign, dep.attempt, dep.epoch, coalesce(att.mode, 'update') as mode,
       ${msOf('dep.touched_at')} as touched_at, ${msOf('dep.start_by')} as start_by, ${msOf('dep.finish_by')} as finish_by,
       dep.cancel_mode, dep.state, dep.needs_rescue, dep.preempted, dep.step_kind, camp.state as camp_state, camp.id as campaign_id,
       dev.id as device_id, dev.model, dev.identity_kind, dev.identity_value, dev.protocol,
       coalesce(dg.links, dev.links) as links, art.sha256, art.size_bytes, art.format, art.running_version,
       ${versionProvesSql('art')} as version_proves,
       -- without word of either number it counts as heard of: then only its fence ends the attempt
       dep.heard or coalesce((life.held_reign, life.held_revision) >= (att.reign, att.order_revision), true) as heard_of
     from deployments dep
       join campaigns camp on camp.id = dep.campaign_id
       join artifacts art on art.id = coalesce(dep.step_artifact_id, camp.artifact_id)
       join devices dev on dev.id = dep.device_id
       left join device_gateways dg on dg.device_id = dep.device_id and dg.gateway_id = dep.gateway_id
       left join gateway_epochs life on life.gateway_id = dep.gateway_id and life.epoch = dep.epoch
       left join attempts att on att.deployment_id = dep.id and att.reign = dep.reign and att.attempt = dep.attempt
     where dep.gateway_id = any($1::uuid[]) and dep.state = any($2)
     order by dep.granted_at, dep.ordinal, dep.id`,
    [gatewayIds, HOLDING_DEPLOYMENT_STATES],
  );
  const policies = await readPolicies(tx, new Set(rows.map((row) => row.campaign_id)));
  const live = new Map<string, LiveAtGateway[]>();
  for (const row of rows) {
    const item = toLive(row, policies.get(row.campaign_id)!);
    if (!item) continue;
    const list = live.get(row.gateway_id) ?? [];
    list.push(item);
    live.set(row.gateway_id, list);
  }
  return live;
}

/** Once for each campaign: a policy is larger than all that an order says of a device. */
async function readPolicies(tx: Queryable, campaigns: ReadonlySet<string>): Promise<Map<string, Policy>> {
  if (campaigns.size === 0) return new Map();
  const rows = await queryRows<{ id: string; policy: unknown }>(
    tx,
    'select id, policy from campaigns where id = any($1::uuid[])',
    [[...campaigns]],
  );
  return new Map(rows.map((row) => [row.id, Policy.parse(row.policy)]));
}

function toLive(row: Row, policy: Policy): LiveAtGateway | undefined {
  const links = linkNames(row.links);
  // A device whose links were forgotten since cannot be named; its cancellation can.
  if ((links.length === 0 || row.protocol === null) && row.cancel_mode === null) return undefined;
  const { downloadMs, transferMs, activateMs, proveMs } = policy.timeouts;
  return {
    grant: {
      deployment: row.id as Grant['deployment'],
      reign: Number(row.reign),
      attempt: row.attempt,
      mode: row.mode,
      device: row.device_id as Grant['device'],
      model: row.model,
      identity: { kind: row.identity_kind, value: row.identity_value },
      links,
      protocol: row.protocol ?? '',
      artifact: { sha256: row.sha256 as ArtifactRef['sha256'], sizeBytes: Number(row.size_bytes), format: row.format },
      expect: {
        ...(row.running_version !== null && { version: row.running_version }),
        versionProves: row.version_proves,
      },
      confirm: policy.confirm,
      // What an abort restores is what ran before: older as a rule.
      allowDowngrade: policy.allowDowngrade || row.step_kind === 'restore',
      startBy: row.start_by,
      finishBy: row.finish_by,
      ...(policy.vendorTool && { rawPort: { limitMs: policy.vendorTool.minutes * 60_000 } }),
      timeouts: { downloadMs, transferMs, activateMs, proveMs },
    },
    epoch: row.epoch,
    touched: row.touched_at !== null,
    heardOf: row.heard_of,
    granting: row.state !== 'cancelling' && !row.preempted && (row.camp_state === 'running' || row.needs_rescue),
    cancel: row.cancel_mode,
  };
}

/** Links are stored as seen: a list of names, or of objects with a name in `link`. */
function linkNames(stored: unknown): string[] {
  if (!Array.isArray(stored)) return [];
  return stored
    .map((item: unknown) =>
      LinkName.safeParse(typeof item === 'string' ? item : (item as { link?: unknown } | null)?.link),
    )
    .flatMap((parsed) => (parsed.success ? [parsed.data] : []))
    .slice(0, MAX_LINKS);
}

/**
 * For each gateway: its devices, each looked up by its key, until one waits. Both `offset 0` keep the planner to it; it would
 * read the plan of a campaign once for every gateway.
 */
const waitsFor = (condition: string): string => `exists (
  select 1 from devices dev
    cross join lateral (
      select p.stage_idx, p.step_artifact_id from deployments p
      where p.device_id = dev.id and p.campaign_id = camp.id and p.state = 'planned' offset 0) dep
    join campaign_stages stage on stage.campaign_id = camp.id and stage.idx = dep.stage_idx
  where dev.gateway_id = g.id and stage.state in ('open', 'soaking', 'passed') and ${condition} offset 0)`;

/** Artifacts that devices behind the gateways wait for, the steps on their way included: fetched ahead of need. */
export async function readPrefetch(tx: Queryable, gatewayIds: readonly string[]): Promise<Map<string, ArtifactRef[]>> {
  const rows = await queryRows<{ gateway_id: string; sha256: string; size_bytes: string; format: string }>(
    tx,
    `select g.id as gateway_id, art.sha256, art.size_bytes, art.format
     from unnest($1::uuid[]) as g(id)
       cross join lateral (
         select camp.artifact_id as id from campaigns camp where camp.state = 'running' and ${waitsFor('true')}
         union
         select step.artifact_id from campaigns camp join campaign_steps step on step.campaign_id = camp.id
         where camp.state = 'running' and ${waitsFor('dep.step_artifact_id = step.artifact_id')}) wanted
       join artifacts art on art.id = wanted.id
     order by art.created_at desc`,
    [gatewayIds],
  );
  const found = new Map<string, ArtifactRef[]>();
  for (const row of rows) {
    const list = found.get(row.gateway_id) ?? [];
    list.push({ sha256: row.sha256 as ArtifactRef['sha256'], sizeBytes: Number(row.size_bytes), format: row.format });
    found.set(row.gateway_id, list);
  }
  return found;
}
