/**
 * Units that leave and units that take their place, by a person's hand. A device that is being updated cannot leave: its
 * attempt must end, or be cancelled, first. What is only planned for it ends with it.
 */
import { Inject, Injectable } from '@nestjs/common';
import { HOLDING_DEPLOYMENT_STATES } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs, inTransaction } from '../../adapters/database/transaction.js';
import { BROKER, type Broker } from '../../adapters/mqtt/broker.port.js';
import { holdsGrant, moveTo } from '../../domain/deployment/deployment.js';
import { identityScope } from '../../domain/fleet/claim.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { lockWhere } from '../campaigns/deployment-rows.js';
import { writeDeployments } from '../campaigns/deployment-writer.js';
import { recordGatewayEvent } from '../webhooks/record-event.js';
import { CampaignMarker } from './campaign-marker.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayKeys } from './gateway-keys.js';

interface DeviceRow {
  readonly id: string;
  readonly site_id: string;
  readonly model: string | null;
  readonly name: string | null;
  readonly tags: Record<string, string>;
  readonly state: 'active' | 'decommissioned';
  readonly revision: number;
}

interface GatewayRow {
  readonly id: string;
  readonly site_id: string;
  readonly name: string;
  readonly tags: Record<string, string>;
  readonly hold_note: string | null;
  readonly state: 'active' | 'quarantined' | 'decommissioned';
  readonly revision: number;
}

/** Deployments that one statement ends. */
const AT_ONCE = 5_000;

@Injectable()
export class DecommissionService {
  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    private readonly marker: CampaignMarker,
    private readonly events: FleetEvents,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** @throws ProblemError `request.conflict` while an attempt is under way, or when it has left already. */
  async device(actor: Actor, id: string, expected: number | undefined, note: string): Promise<void> {
    const campaigns = await inTransaction(this.source, async (tx) => {
      const ended = await this.endPlans(tx, 'id = $1', [id]);
      const [row] = await this.lockDevices(tx, actor, [id]);
      expectRevision(row!.revision, expected);
      if (row!.state !== 'active') throw left('device');
      await this.leave(tx, 'id = $1', [id], note);
      await this.record(tx, actor, 'device.decommissioned', { kind: 'device', id }, { note });
      return ended;
    });
    await this.wake(campaigns);
  }

  /** It is a candidate again; what was planned for it has ended, and only a new plan brings it in. */
  async deviceBack(actor: Actor, id: string, expected: number | undefined, note: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const [row] = await this.lockDevices(tx, actor, [id]);
      expectRevision(row!.revision, expected);
      if (row!.state === 'active') throw new ProblemError('request.conflict', { detail: 'the device is active' });
      const [site] = await queryRows<{ state: string }>(tx, 'select state from sites where id = $1', [row!.site_id]);
      if (site!.state !== 'active') {
        throw new ProblemError('request.conflict', { detail: 'its site is decommissioned' });
      }
      await queryRows(
        tx,
        `update devices set state = 'active', state_note = null, state_at = clock_timestamp(), replaced_by = null,
           revision = revision + 1 where id = $1`,
        [id],
      );
      await this.record(tx, actor, 'device.recommissioned', { kind: 'device', id }, { note });
    });
  }

  /** The new device gets name and tags of the old one, which is decommissioned. */
  async replaceDevice(
    actor: Actor,
    id: string,
    expected: number | undefined,
    { by, note }: { by: string; note: string },
  ): Promise<void> {
    if (by === id) throw new ProblemError('request.conflict', { detail: 'a device cannot replace itself' });
    const campaigns = await inTransaction(this.source, async (tx) => {
      const ended = await this.endPlans(tx, 'id = $1', [id]);
      const rows = await this.lockDevices(tx, actor, [id, by]);
      const old = rows.find((row) => row.id === id)!;
      const fresh = rows.find((row) => row.id === by)!;
      expectRevision(old.revision, expected);
      if (old.state !== 'active') throw left('device');
      if (fresh.state !== 'active') {
        throw new ProblemError('request.conflict', { detail: 'the replacement is decommissioned' });
      }
      if (fresh.site_id !== old.site_id) {
        const detail = 'the replacement belongs to another site; approve it for this one first';
        throw new ProblemError('request.conflict', { detail });
      }
      if (fresh.model !== null && old.model !== null && fresh.model !== old.model) {
        const detail = `the replacement is a ${fresh.model}, the device a ${old.model}`;
        throw new ProblemError('request.conflict', { detail });
      }
      await this.leave(tx, 'id = $1', [id], note);
      await queryRows(tx, 'update devices set replaced_by = $2 where id = $1', [id, by]);
      await queryRows(
        tx,
        `update devices set name = coalesce($2, name), tags = tags || $3::jsonb, model = coalesce(model, $4),
           revision = revision + 1 where id = $1`,
        [by, old.name, JSON.stringify(old.tags), old.model],
      );
      await this.record(tx, actor, 'device.replaced', { kind: 'device', id }, { by, note });
      await this.record(tx, actor, 'device.took-place', { kind: 'device', id: by }, { of: id, note });
      return ended;
    });
    await this.wake(campaigns);
  }

  /**
   * The new gateway, enrolled at the same site, gets name, tags, hold and sockets (port paths) of the old one, whose key
   * is revoked for ever.
   */
  async replaceGateway(
    actor: Actor,
    id: string,
    expected: number | undefined,
    { by, note }: { by: string; note: string },
  ): Promise<void> {
    if (by === id) throw new ProblemError('request.conflict', { detail: 'a gateway cannot replace itself' });
    const siteId = await inTransaction(this.source, async (tx) => {
      const rows = await queryRows<GatewayRow>(
        tx,
        'select * from gateways where org_id = $1 and id = any($2::uuid[]) order by id for no key update',
        [actor.orgId, [id, by]],
      );
      const old = rows.find((row) => row.id === id);
      const fresh = rows.find((row) => row.id === by);
      if (!old) throw new ProblemError('request.not-found', { what: 'gateway', id });
      if (!fresh) throw new ProblemError('request.not-found', { what: 'gateway', id: by });
      expectRevision(old.revision, expected);
      if (old.state === 'decommissioned') throw left('gateway');
      if (fresh.state !== 'active') {
        throw new ProblemError('request.conflict', { detail: `the replacement is ${fresh.state}` });
      }
      if (fresh.site_id !== old.site_id) {
        const detail = 'the replacement was enrolled at another site; enrol it at this one';
        throw new ProblemError('request.conflict', { detail });
      }
      await this.gatewaysLeave(tx, [id], note);
      // A name is taken once in a site.
      await queryRows(
        tx,
        `update gateways set name = left(name, 40) || '.replaced-' || left(id::text, 8), replaced_by = $2 where id = $1`,
        [id, by],
      );
      await queryRows(
        tx,
        `update gateways set name = $2, tags = tags || $3::jsonb, hold_note = coalesce(hold_note, $4), revision = revision + 1
         where id = $1`,
        [by, old.name, JSON.stringify(old.tags), old.hold_note],
      );
      await this.moveSockets(tx, old, by, note);
      await this.record(tx, actor, 'gateway.replaced', { kind: 'gateway', id }, { by, note });
      await this.record(tx, actor, 'gateway.took-place', { kind: 'gateway', id: by }, { of: id, note });
      return old.site_id;
    });
    await this.gatewayGone(actor, siteId, id);
    await this.marker.markGateway(by);
  }

  /** Everything of the site leaves with it. @throws ProblemError `request.conflict` while an attempt is under way there. */
  async site(actor: Actor, id: string, expected: number | undefined, note: string): Promise<void> {
    const done = await inTransaction(this.source, async (tx) => {
      const [site] = await queryRows<{ revision: number; state: string }>(
        tx,
        'select revision, state from sites where org_id = $1 and id = $2 for no key update',
        [actor.orgId, id],
      );
      if (!site) throw new ProblemError('request.not-found', { what: 'site', id });
      expectRevision(site.revision, expected);
      if (site.state !== 'active') throw left('site');
      const gateways = await queryRows<{ id: string }>(
        tx,
        `select id from gateways where site_id = $1 and state <> 'decommissioned' order by id for no key update`,
        [id],
      );
      const ids = gateways.map((gateway) => gateway.id);
      const campaigns = await this.endPlans(tx, 'site_id = $1', [id]);
      await this.gatewaysLeave(tx, ids, note);
      const devices = await this.leave(tx, 'site_id = $1', [id], note);
      await queryRows(
        tx,
        'update enrolment_tokens set expires_at = least(expires_at, clock_timestamp()) where site_id = $1 and used_at is null',
        [id],
      );
      await queryRows(
        tx,
        `update sites set state = 'decommissioned', state_note = $2, revision = revision + 1 where id = $1`,
        [id, note],
      );
      const params = { note, gateways: ids.length, devices };
      await this.record(tx, actor, 'site.decommissioned', { kind: 'site', id }, params);
      return { campaigns, ids };
    });
    for (const gatewayId of done.ids) await this.gatewayGone(actor, id, gatewayId);
    await this.wake(done.campaigns);
  }

  /**
   * Ends what is planned for devices, and what waits for a rescue that will not come.
   * @param where condition on `devices`, with its parameters from $1 on.
   * @returns campaigns that have to look again.
   */
  private async endPlans(tx: EntityManager, where: string, params: unknown[]): Promise<string[]> {
    const campaigns = new Set<string>();
    const own = `dep.device_id in (select id from devices where ${where})`;
    for (;;) {
      const [busy] = await queryRows<{ name: string; device_id: string }>(
        tx,
        `select c.name, dep.device_id from deployments dep join campaigns c on c.id = dep.campaign_id
         where ${own} and dep.state = any($${params.length + 1}) limit 1`,
        [...params, HOLDING_DEPLOYMENT_STATES],
      );
      if (busy) throw underWay(busy.device_id, busy.name);
      const locked = await lockWhere(tx, `${own} and dep.state in ('planned', 'rescue')`, params, AT_ONCE);
      if (locked.length === 0) return [...campaigns];
      const nowMs = await databaseNowMs(tx);
      await writeDeployments(
        tx,
        locked.flatMap(({ facts }) => {
          // Granted while we waited for the lock.
          if (holdsGrant(facts.state)) throw underWay(facts.deviceId, facts.campaignId);
          const next = facts.state === 'rescue' ? moveTo(facts, 'failed', nowMs) : moveTo(facts, 'skipped', nowMs);
          if (!next) return [];
          campaigns.add(facts.campaignId);
          const failed = facts.state === 'rescue';
          return [
            {
              before: facts,
              next: {
                ...next,
                notBeforeMs: null,
                outcomeReason: 'decommissioned',
                ...(failed && { outcomeCode: facts.outcomeCode ?? 'target.in-bootloader' }),
              },
            },
          ];
        }),
      );
    }
  }

  private async leave(tx: EntityManager, where: string, params: unknown[], note: string): Promise<number> {
    const rows = await queryRows(
      tx,
      `update devices set state = 'decommissioned', state_note = $${params.length + 1}, state_at = clock_timestamp(),
         revision = revision + 1 where ${where} and state = 'active' returning 1`,
      [...params, note],
    );
    return rows.length;
  }

  private async gatewaysLeave(tx: EntityManager, ids: readonly string[], note: string): Promise<void> {
    await queryRows(
      tx,
      `update gateways set state = 'decommissioned', state_note = $2, online = false, revision = revision + 1
       where id = any($1::uuid[])`,
      [ids, note],
    );
    await queryRows(
      tx,
      'update gateway_keys set revoked_at = clock_timestamp() where gateway_id = any($1::uuid[]) and revoked_at is null',
      [ids],
    );
    for (const id of ids) await recordGatewayEvent(tx, id, 'gateway.decommissioned', note);
  }

  /** What hangs at a socket of the old gateway hangs at the same socket of the new one. */
  private async moveSockets(tx: EntityManager, old: GatewayRow, by: string, note: string): Promise<void> {
    const scope = (gatewayId: string) => identityScope('port-path', { gatewayId, siteId: old.site_id });
    // The new gateway has seen some already: those rows stay, and the old ones leave.
    await queryRows(
      tx,
      `update devices d set state = 'decommissioned', state_note = $4, state_at = clock_timestamp(), replaced_by = n.id,
         revision = d.revision + 1
       from devices n where d.org_id = n.org_id and d.identity_scope = $1 and n.identity_scope = $2
         and d.identity_kind = n.identity_kind and d.identity_value = n.identity_value and d.site_id = $3 and d.state = 'active'`,
      [scope(old.id), scope(by), old.site_id, note],
    );
    await queryRows(
      tx,
      `update devices d set identity_scope = $2, revision = d.revision + 1
       where d.identity_scope = $1 and d.state = 'active' and d.site_id = $3`,
      [scope(old.id), scope(by), old.site_id],
    );
    // One whose attempt is under way keeps its gateway until that is over.
    await queryRows(
      tx,
      `update devices d set gateway_id = $2 where d.gateway_id = $1 and d.state = 'active' and not exists (
         select 1 from deployments p where p.device_id = d.id and p.state = any($3))`,
      [old.id, by, HOLDING_DEPLOYMENT_STATES],
    );
  }

  private async lockDevices(tx: EntityManager, actor: Actor, ids: readonly string[]): Promise<DeviceRow[]> {
    const rows = await queryRows<DeviceRow>(
      tx,
      'select * from devices where org_id = $1 and id = any($2::uuid[]) order by id for no key update',
      [actor.orgId, ids],
    );
    for (const id of ids) {
      if (!rows.some((row) => row.id === id)) throw new ProblemError('request.not-found', { what: 'device', id });
    }
    return rows;
  }

  private async gatewayGone(actor: Actor, siteId: string, gatewayId: string): Promise<void> {
    this.gatewayKeys.invalidate(gatewayId);
    await this.broker.disconnect(gatewayId);
    await this.marker.markGateway(gatewayId);
    this.events.emit('gatewayChanged', { orgId: actor.orgId, siteId, gatewayId, state: 'decommissioned' });
  }

  /** After the commit: a tick may hold the campaign for a while. */
  private async wake(campaigns: readonly string[]): Promise<void> {
    if (campaigns.length === 0) return;
    await this.source.query(
      `update campaigns set dirty = true where id in (select id from campaigns where id = any($1::uuid[]) order by id for update)`,
      [campaigns],
    );
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    target: { kind: string; id: string },
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target, params });
  }
}

const left = (what: string): ProblemError =>
  new ProblemError('request.conflict', { detail: `the ${what} is decommissioned already` });

const underWay = (device: string, campaign: string): ProblemError =>
  new ProblemError('request.conflict', {
    detail: `device ${device} is being updated by ${campaign}; wait until that ends, or cancel it`,
  });
