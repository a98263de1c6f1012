/** Gateways as people see and steer them. */
import { Inject, Injectable } from '@nestjs/common';
import type { Gateway, GatewayDetail, GatewayPatch, GatewayQuery, GatewayState } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs, inTransaction } from '../../adapters/database/transaction.js';
import { filterToSql } from '../../domain/filter/filter-sql.js';
import { likeOf, parsePattern } from '../../domain/filter/text-pattern.js';
import { BROKER, type Broker } from '../../adapters/mqtt/broker.port.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { bumpOrders } from '../dispatch/order-book.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { holdOf, withBefore } from '../audit/with-before.js';
import { recordGatewayEvent } from '../webhooks/record-event.js';
import { CampaignMarker } from './campaign-marker.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayKeys } from './gateway-keys.js';
import { GatewayLives } from './gateway-lives.js';
import { readFilter, readFilteredList } from './device-filter.js';
import { SqlFilter } from './sql-filter.js';

interface GatewayRow {
  id: string;
  org_id: string;
  site_id: string;
  site_name: string;
  name: string;
  tags: Gateway['tags'];
  state: GatewayState;
  state_note: string | null;
  replaced_by: string | null;
  hold_note: string | null;
  key_fingerprint: string;
  online: boolean;
  agent_version: string | null;
  protocols: string[];
  links: Gateway['links'];
  wire: number[];
  epoch: string | null;
  held_reign: string;
  held_revision: string;
  devices: string;
  log_level: NonNullable<Gateway['logLevel']>['level'] | null;
  log_level_until: Date | null;
  log_level_lasts: boolean;
  clock_offset_ms: string | null;
  journal_bytes: string | null;
  journal_entries: string | null;
  last_seen_at: Date | null;
  enrolled_at: Date;
  revision: number;
}

/** The moves a person may make: target state, and from where. */
const DECISIONS = {
  quarantine: { to: 'quarantined', from: ['active'], action: 'gateway.quarantined' },
  release: { to: 'active', from: ['quarantined'], action: 'gateway.released' },
  decommission: { to: 'decommissioned', from: ['active', 'quarantined'], action: 'gateway.decommissioned' },
} as const satisfies Record<string, { to: GatewayState; from: readonly GatewayState[]; action: string }>;

const COLUMNS = `g.*, (select s.name from sites s where s.id = g.site_id) as site_name,
  coalesce(g.log_level_until > clock_timestamp(), false) as log_level_lasts,
  (select count(*) from devices d where d.gateway_id = g.id) as devices`;

@Injectable()
export class GatewaysService {
  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    private readonly lives: GatewayLives,
    private readonly marker: CampaignMarker,
    private readonly events: FleetEvents,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: GatewayQuery): Promise<{ items: Gateway[]; next?: string }> {
    const after = query.after ? decodeCursor(query.after, z.tuple([z.uuid()]))[0] : undefined;
    const filter = new SqlFilter()
      .and('g.org_id = ?', actor.orgId)
      .and('g.id > ?', after)
      .and('g.site_id = ?', query.site)
      .and('g.state = ?', query.state)
      .and('g.online = ?', query.online)
      .and('g.name like ?', query.name === undefined ? undefined : likeOf(parsePattern(query.name)))
      .andTag('g.tags', query.tag);
    if (query.filter !== undefined) {
      const read = readFilter(query.filter, 'query.filter');
      const matches = filterToSql(read, filter, await databaseNowMs(this.source.manager));
      filter.andSql(`exists (select 1 from devices dev where dev.gateway_id = g.id and ${matches})`);
    }
    const limit = filter.param(query.limit + 1);
    const rows = await readFilteredList(this.source, query.filter !== undefined, (tx) =>
      queryRows<GatewayRow>(
        tx,
        `select ${COLUMNS} from gateways g where ${filter.where} order by g.id limit ${limit}`,
        filter.params,
      ),
    );
    return toPage(rows, query.limit, (row) => [row.id], gatewayView);
  }

  async get(actor: Actor, id: string): Promise<GatewayDetail> {
    const row = await this.row(this.source.manager, actor, id);
    const keys = await queryRows<{ fingerprint: string; created_at: Date; revoked_at: Date | null }>(
      this.source.manager,
      'select fingerprint, created_at, revoked_at from gateway_keys where gateway_id = $1 order by created_at desc',
      [id],
    );
    return {
      ...gatewayView(row),
      keys: keys.map((key) => ({
        fingerprint: key.fingerprint,
        createdAt: key.created_at.toISOString(),
        revokedAt: key.revoked_at?.toISOString() ?? null,
      })),
    };
  }

  async patch(actor: Actor, id: string, expected: number | undefined, body: GatewayPatch): Promise<Gateway> {
    const gateway = await inTransaction(this.source, async (tx) => {
      const before = await this.lock(tx, actor, id);
      expectRevision(before.revision, expected);
      const hold = body.hold === undefined ? before.hold_note : (body.hold?.note ?? null);
      await tx.query('update gateways set tags = $2, hold_note = $3, revision = revision + 1 where id = $1', [
        id,
        JSON.stringify(body.tags ?? before.tags),
        hold,
      ]);
      if (body.logLevel !== undefined) await this.setLogLevel(tx, id, body.logLevel);
      const was = { tags: before.tags, hold: holdOf(before.hold_note) };
      await this.record(tx, actor, 'gateway.changed', id, withBefore(body, was));
      return gatewayView(await this.row(tx, actor, id));
    });
    await this.changed(actor, gateway);
    return gateway;
  }

  /** The wish is part of the gateway's order. */
  private async setLogLevel(tx: EntityManager, id: string, wish: GatewayPatch['logLevel']): Promise<void> {
    await tx.query(
      `update gateways set log_level = $2, log_level_until = date_trunc('milliseconds', clock_timestamp()) + $3::int * interval '1 minute'
       where id = $1`,
      [id, wish?.level ?? null, wish?.minutes ?? null],
    );
    await bumpOrders(tx, [id], false);
  }

  /** @throws ProblemError `request.conflict` when the gateway is in no state for it. */
  async decide(
    actor: Actor,
    id: string,
    expected: number | undefined,
    decision: keyof typeof DECISIONS,
    note: string,
  ): Promise<Gateway> {
    const { to, from, action } = DECISIONS[decision];
    const gateway = await inTransaction(this.source, async (tx) => {
      const before = await this.lock(tx, actor, id);
      expectRevision(before.revision, expected);
      if (!from.some((state) => state === before.state)) {
        throw new ProblemError('request.conflict', { detail: `the gateway is ${before.state}` });
      }
      await tx.query(
        `update gateways set state = $2, state_note = $3, revision = revision + 1,
           online = online and $2 <> 'decommissioned' where id = $1`,
        [id, to, to === 'active' ? null : note],
      );
      if (to === 'active') await this.lives.forget(tx, id);
      if (to === 'decommissioned') {
        await tx.query(
          'update gateway_keys set revoked_at = clock_timestamp() where gateway_id = $1 and revoked_at is null',
          [id],
        );
      }
      await this.record(tx, actor, action, id, { note });
      if (action !== 'gateway.released') await recordGatewayEvent(tx, id, action, note);
      return gatewayView(await this.row(tx, actor, id));
    });
    if (to === 'decommissioned') {
      this.gatewayKeys.invalidate(id);
      await this.broker.disconnect(id);
    }
    await this.changed(actor, gateway);
    return gateway;
  }

  private async changed(actor: Actor, gateway: Gateway): Promise<void> {
    await this.marker.markGateway(gateway.id);
    const { id: gatewayId, site: siteId, state } = gateway;
    this.events.emit('gatewayChanged', { orgId: actor.orgId, siteId, gatewayId, state });
  }

  private async lock(tx: EntityManager, actor: Actor, id: string): Promise<GatewayRow> {
    await tx.query('select 1 from gateways where org_id = $1 and id = $2 for no key update', [actor.orgId, id]);
    return this.row(tx, actor, id);
  }

  private async row(tx: Pick<EntityManager, 'query'>, actor: Actor, id: string): Promise<GatewayRow> {
    const [row] = await queryRows<GatewayRow>(
      tx,
      `select ${COLUMNS} from gateways g where g.org_id = $1 and g.id = $2`,
      [actor.orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'gateway', id });
    return row;
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'gateway', id }, params });
  }
}

function gatewayView(row: GatewayRow): Gateway {
  return {
    id: row.id as Gateway['id'],
    site: row.site_id as Gateway['site'],
    siteName: row.site_name,
    name: row.name,
    tags: row.tags,
    state: row.state,
    stateNote: row.state_note,
    replacedBy: row.replaced_by as Gateway['replacedBy'],
    holdNote: row.hold_note,
    keyFingerprint: row.key_fingerprint,
    online: row.online,
    agentVersion: row.agent_version,
    protocols: row.protocols,
    links: row.links,
    wire: row.wire,
    epoch: row.epoch,
    held: { reign: Number(row.held_reign), revision: Number(row.held_revision) },
    devices: Number(row.devices),
    logLevel:
      row.log_level_lasts && row.log_level && row.log_level_until
        ? { level: row.log_level, until: row.log_level_until.toISOString() }
        : null,
    clockOffsetMs: numberOf(row.clock_offset_ms),
    journalBytes: numberOf(row.journal_bytes),
    journalEntries: numberOf(row.journal_entries),
    lastSeenAt: row.last_seen_at?.toISOString() ?? null,
    enrolledAt: row.enrolled_at.toISOString(),
    revision: row.revision,
  };
}

const numberOf = (text: string | null): number | null => (text === null ? null : Number(text));
