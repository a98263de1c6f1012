/** Devices and strays as people see and steer them. */
import { Inject, Injectable } from '@nestjs/common';
import type {
  Device,
  DeviceClaim,
  DeviceDetail,
  DevicePatch,
  DeviceQuery,
  StrayQuery,
  StraySighting,
} from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs, inTransaction } from '../../adapters/database/transaction.js';
import { filterToSql } from '../../domain/filter/filter-sql.js';
import { identityScope } from '../../domain/fleet/claim.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { holdOf, withBefore } from '../audit/with-before.js';
import { CampaignMarker } from './campaign-marker.js';
import { readFilter, readFilteredList } from './device-filter.js';
import { SqlFilter } from './sql-filter.js';

interface DeviceRow {
  id: string;
  site_id: string;
  site_name: string;
  gateway_id: string | null;
  gateway_name: string | null;
  model: string | null;
  name: string | null;
  identity_kind: string;
  identity_value: string;
  protocol: string | null;
  tags: Device['tags'];
  links: Device['links'];
  hardware: Device['hardware'];
  running: Device['running'];
  running_version: string | null;
  running_hash: string | null;
  mode: Device['mode'];
  approved: boolean;
  hold_note: string | null;
  state: Device['state'];
  state_note: string | null;
  replaced_by: string | null;
  needs_rescue: boolean;
  redundancy_group_id: string | null;
  out_of_service: boolean;
  battery_percent: number | null;
  battery_at: Date | null;
  first_seen_at: Date;
  last_seen_at: Date;
  revision: number;
}

const COLUMNS = `dev.*, (select s.name from sites s where s.id = dev.site_id) as site_name,
  (select g.name from gateways g where g.id = dev.gateway_id) as gateway_name`;

interface ClaimRow {
  gateway_id: string;
  site_id: string;
  state: DeviceClaim['state'];
  first_at: Date;
  last_at: Date;
}

@Injectable()
export class DevicesService {
  constructor(
    private readonly source: DataSource,
    private readonly marker: CampaignMarker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: DeviceQuery): Promise<{ items: Device[]; next?: string }> {
    const after = query.after ? decodeCursor(query.after, z.tuple([z.uuid()]))[0] : undefined;
    const filter = new SqlFilter()
      .and('org_id = ?', actor.orgId)
      .and('id > ?', after)
      .and('model = ?', query.model)
      .and('site_id = ?', query.site)
      .and('gateway_id = ?', query.gateway)
      .and('running_version = ?', query.version)
      .and('approved = ?', query.approved)
      .and('needs_rescue = ?', query.needsRescue)
      .and('state = ?', query.state)
      .and('identity_value = ?', query.identity)
      .and('redundancy_group_id = ?', query.redundancyGroup)
      .andTag('tags', query.tag);
    if (query.filter !== undefined) {
      const read = readFilter(query.filter, 'query.filter');
      filter.andSql(filterToSql(read, filter, await databaseNowMs(this.source.manager)));
    }
    const rows = await readFilteredList(this.source, query.filter !== undefined, async (tx) => {
      const few = query.filter === undefined ? undefined : await fewMatches(tx, filter);
      const page = few === undefined ? filter : new SqlFilter().and('id = any(?::uuid[])', few);
      const limit = page.param(query.limit + 1);
      return queryRows<DeviceRow>(
        tx,
        `select ${COLUMNS} from devices dev where ${page.where} order by dev.id limit ${limit}`,
        page.params,
      );
    });
    return toPage(rows, query.limit, (row) => [row.id], deviceView);
  }

  async get(actor: Actor, id: string): Promise<DeviceDetail> {
    return this.detail(this.source.manager, actor, id);
  }

  async patch(actor: Actor, id: string, expected: number | undefined, body: DevicePatch): Promise<Device> {
    const device = await inTransaction(this.source, async (tx) => {
      // Before the device: grants take their locks in this order too.
      if (body.redundancyGroup) await this.expectGroup(tx, actor, body.redundancyGroup);
      const before = await this.row(tx, actor, id, true);
      expectRevision(before.revision, expected);
      const group = body.redundancyGroup === undefined ? before.redundancy_group_id : body.redundancyGroup;
      await tx.query(
        `update devices set name = $2, model = $3, tags = $4, hold_note = $5, redundancy_group_id = $6,
           out_of_service = out_of_service and not $7, revision = revision + 1 where id = $1`,
        [
          id,
          body.name === undefined ? before.name : body.name,
          body.model === undefined ? before.model : body.model,
          JSON.stringify(body.tags ?? before.tags),
          body.hold === undefined ? before.hold_note : (body.hold?.note ?? null),
          group,
          body.inService ?? false,
        ],
      );
      const was = {
        name: before.name,
        model: before.model,
        tags: before.tags,
        hold: holdOf(before.hold_note),
        redundancyGroup: before.redundancy_group_id,
      };
      await this.record(tx, actor, 'device.changed', id, withBefore(body, was));
      return deviceView(await this.row(tx, actor, id));
    });
    if (device.gateway) await this.marker.markGateway(device.gateway);
    return device;
  }

  /**
   * Lets a device be updated, and says which site it belongs to. Claims of that site are granted, all others refused.
   * A device that moves is seen through the gateway that claimed it; an attempt that runs keeps its own gateway.
   */
  async approve(
    actor: Actor,
    id: string,
    expected: number | undefined,
    site: string | undefined,
  ): Promise<DeviceDetail> {
    const device = await inTransaction(this.source, async (tx) => {
      const before = await this.row(tx, actor, id, true);
      expectRevision(before.revision, expected);
      const claims = await this.claims(tx, id);
      const pending = claims.filter((claim) => claim.state === 'pending');
      if (site === undefined && pending.some((claim) => claim.site_id !== before.site_id)) {
        throw new ProblemError('request.invalid', {
          detail: 'another site claims the device: say which site it belongs to',
        });
      }
      const siteId = site ?? before.site_id;
      const winner = claims
        .filter((claim) => claim.site_id === siteId)
        .sort((a, b) => b.last_at.getTime() - a.last_at.getTime())[0];
      if (siteId !== before.site_id && !winner) {
        throw new ProblemError('request.conflict', { detail: 'no gateway of that site has claimed the device' });
      }
      const gatewayId = siteId === before.site_id ? before.gateway_id : (winner?.gateway_id ?? null);
      const scope = gatewayId === null ? undefined : identityScope(before.identity_kind, { gatewayId, siteId });
      await tx.query(
        `update devices set approved = true, site_id = $2, gateway_id = $3,
           identity_scope = coalesce($4, identity_scope), revision = revision + 1 where id = $1`,
        [id, siteId, gatewayId, scope ?? null],
      );
      await tx.query('delete from device_claims where device_id = $1 and site_id = $2', [id, siteId]);
      await tx.query(`update device_claims set state = 'refused' where device_id = $1`, [id]);
      if (siteId !== before.site_id) {
        await tx.query(
          `delete from device_gateways s using gateways g where g.id = s.gateway_id and s.device_id = $1 and g.site_id <> $2`,
          [id, siteId],
        );
      }
      await this.record(tx, actor, 'device.approved', id, {
        site: siteId,
        ...(siteId !== before.site_id && { from: before.site_id }),
        refused: claims.filter((claim) => claim.site_id !== siteId).map((claim) => claim.gateway_id),
      });
      return this.detail(tx, actor, id);
    });
    if (device.gateway) await this.marker.markGateway(device.gateway);
    return device;
  }

  async strays(actor: Actor, query: StrayQuery): Promise<{ items: StraySighting[]; next?: string }> {
    const after = query.after ? decodeCursor(query.after, z.tuple([z.uuid(), z.string()])) : [undefined, undefined];
    const filter = new SqlFilter()
      .and('g.org_id = ?', actor.orgId)
      .and('(s.gateway_id, s.link) > (?, ?)', ...after)
      .and('g.site_id = ?', query.site)
      .and('s.gateway_id = ?', query.gateway);
    const limit = filter.param(query.limit + 1);
    const rows = await queryRows<{
      gateway_id: string;
      site_id: string;
      link: string;
      protocol: string;
      name: string | null;
      rssi_dbm: number | null;
      last_seen_at: Date;
      deployment_id: string | null;
    }>(
      this.source.manager,
      `select s.*, g.site_id from strays s join gateways g on g.id = s.gateway_id
       where ${filter.where} order by s.gateway_id, s.link limit ${limit}`,
      filter.params,
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.gateway_id, row.link],
      (row) => ({
        gateway: row.gateway_id as StraySighting['gateway'],
        site: row.site_id as StraySighting['site'],
        link: row.link,
        protocol: row.protocol,
        name: row.name,
        rssiDbm: row.rssi_dbm,
        lastSeenAt: row.last_seen_at.toISOString(),
        deployment: row.deployment_id,
      }),
    );
  }

  /** Locked, so that a grant that counts the group's members sees this one or comes before it. */
  private async expectGroup(tx: EntityManager, actor: Actor, id: string): Promise<void> {
    const found = await queryRows(
      tx,
      'select 1 from redundancy_groups where org_id = $1 and id = $2 for no key update',
      [actor.orgId, id],
    );
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'redundancy group', id });
  }

  private async detail(tx: Pick<EntityManager, 'query'>, actor: Actor, id: string): Promise<DeviceDetail> {
    const row = await this.row(tx, actor, id);
    const seenBy = await queryRows<{ gateway_id: string; rssi_dbm: number | null; last_seen_at: Date }>(
      tx,
      `select gateway_id, rssi_dbm, last_seen_at from device_gateways where device_id = $1
       order by rssi_dbm desc nulls first, gateway_id limit 100`,
      [id],
    );
    return {
      ...deviceView(row),
      seenBy: seenBy.map((sighting) => ({
        gateway: sighting.gateway_id as DeviceDetail['seenBy'][number]['gateway'],
        rssiDbm: sighting.rssi_dbm,
        lastSeenAt: sighting.last_seen_at.toISOString(),
      })),
      claims: (await this.claims(tx, id)).map((claim) => ({
        gateway: claim.gateway_id as DeviceClaim['gateway'],
        site: claim.site_id as DeviceClaim['site'],
        state: claim.state,
        firstAt: claim.first_at.toISOString(),
        lastAt: claim.last_at.toISOString(),
      })),
    };
  }

  private claims(tx: Pick<EntityManager, 'query'>, id: string): Promise<ClaimRow[]> {
    return queryRows<ClaimRow>(tx, 'select * from device_claims where device_id = $1 order by first_at limit 100', [
      id,
    ]);
  }

  private async row(tx: Pick<EntityManager, 'query'>, actor: Actor, id: string, lock = false): Promise<DeviceRow> {
    const [row] = await queryRows<DeviceRow>(
      tx,
      `select ${COLUMNS} from devices dev where dev.org_id = $1 and dev.id = $2 ${lock ? 'for no key update' : ''}`,
      [actor.orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'device', id });
    return row;
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'device', id }, params });
  }
}

/** Matches that are few are looked up by their ids; many are soon met on the way through the ids. */
const FEW = 2000;

/**
 * A page in the order of ids tempts the database to walk through all ids, which takes seconds at a million devices when
 * matches are rare. Without the order it uses the indexes of the filter.
 * @returns ids of all that match, or undefined when there are more than a few.
 */
async function fewMatches(tx: Pick<EntityManager, 'query'>, filter: SqlFilter): Promise<string[] | undefined> {
  const rows = await queryRows<{ id: string }>(
    tx,
    `select dev.id from devices dev where ${filter.where} limit ${FEW + 1}`,
    [...filter.params],
  );
  return rows.length > FEW ? undefined : rows.map(({ id }) => id);
}

function deviceView(row: DeviceRow): Device {
  return {
    id: row.id as Device['id'],
    site: row.site_id as Device['site'],
    siteName: row.site_name,
    gateway: row.gateway_id as Device['gateway'],
    gatewayName: row.gateway_name,
    model: row.model,
    name: row.name,
    identity: { kind: row.identity_kind as Device['identity']['kind'], value: row.identity_value },
    protocol: row.protocol,
    tags: row.tags,
    links: row.links,
    hardware: row.hardware,
    running: row.running,
    runningVersion: row.running_version,
    runningHash: row.running_hash,
    mode: row.mode,
    approved: row.approved,
    holdNote: row.hold_note,
    state: row.state,
    stateNote: row.state_note,
    replacedBy: row.replaced_by as Device['replacedBy'],
    needsRescue: row.needs_rescue,
    redundancyGroup: row.redundancy_group_id,
    outOfService: row.out_of_service,
    battery:
      row.battery_percent === null || row.battery_at === null
        ? null
        : { percent: row.battery_percent, at: row.battery_at.toISOString() },
    firstSeenAt: row.first_seen_at.toISOString(),
    lastSeenAt: row.last_seen_at.toISOString(),
    revision: row.revision,
  };
}
