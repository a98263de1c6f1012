/** Sites: where gateways stand, who may add devices there, and the list of those that are expected. */
import { Inject, Injectable } from '@nestjs/common';
import type { PageQuery, Site, SiteCreate, SiteDevice, SiteDeviceList, SitePatch } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { holdOf, withBefore } from '../audit/with-before.js';

interface SiteRow {
  id: string;
  org_id: string;
  name: string;
  zone: string;
  claim_mode: Site['claimMode'];
  hold_note: string | null;
  state: Site['state'];
  state_note: string | null;
  revision: number;
  created_at: Date;
}

@Injectable()
export class SitesService {
  constructor(
    private readonly source: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<{ items: Site[]; next?: string }> {
    const [name] = query.after ? decodeCursor(query.after, z.tuple([z.string()])) : [null];
    const rows = await queryRows<SiteRow>(
      this.source.manager,
      'select * from sites where org_id = $1 and ($2::text is null or name > $2) order by name limit $3',
      [actor.orgId, name, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.name], siteView);
  }

  async get(actor: Actor, id: string): Promise<Site> {
    return siteView(await this.row(this.source.manager, actor, id));
  }

  async create(actor: Actor, body: SiteCreate): Promise<Site> {
    return inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<SiteRow>(
        tx,
        `insert into sites (org_id, name, zone, claim_mode) values ($1, $2, $3, $4)
         on conflict (org_id, name) do nothing returning *`,
        [actor.orgId, body.name, body.zone, body.claimMode],
      );
      if (!row) throw new ProblemError('request.conflict', { detail: `there is a site ${body.name} already` });
      await this.record(tx, actor, 'site.created', row.id, { ...body });
      return siteView(row);
    });
  }

  async patch(actor: Actor, id: string, expected: number | undefined, body: SitePatch): Promise<Site> {
    return inTransaction(this.source, async (tx) => {
      const before = await this.row(tx, actor, id, true);
      expectRevision(before.revision, expected);
      const hold = body.hold === undefined ? before.hold_note : (body.hold?.note ?? null);
      const [row] = await queryRows<SiteRow>(
        tx,
        `update sites set zone = $2, claim_mode = $3, hold_note = $4, revision = revision + 1 where id = $1 returning *`,
        [id, body.zone ?? before.zone, body.claimMode ?? before.claim_mode, hold],
      );
      const was = { zone: before.zone, claimMode: before.claim_mode, hold: holdOf(before.hold_note) };
      await this.record(tx, actor, 'site.changed', id, withBefore(body, was));
      await tx.query(
        `update campaigns set dirty = true where id in (select id from campaigns where org_id = $1
           and state in ('running', 'paused', 'halted', 'scheduled') order by id for update)`,
        [actor.orgId],
      );
      return siteView(row!);
    });
  }

  async devices(actor: Actor, id: string): Promise<SiteDeviceList> {
    await this.row(this.source.manager, actor, id);
    const rows = await queryRows<{
      identity_kind: string;
      identity_value: string;
      model: string | null;
      name: string | null;
    }>(this.source.manager, 'select * from site_devices where site_id = $1 order by identity_kind, identity_value', [
      id,
    ]);
    return {
      devices: rows.map((row) => ({
        identity: { kind: row.identity_kind as SiteDevice['identity']['kind'], value: row.identity_value },
        ...(row.model !== null && { model: row.model }),
        ...(row.name !== null && { name: row.name }),
      })),
    };
  }

  /** Replaces the list. Devices of the site that waited and are on it now are approved, unless another site claims them. */
  async setDevices(
    actor: Actor,
    id: string,
    expected: number | undefined,
    list: SiteDeviceList,
  ): Promise<SiteDeviceList> {
    await inTransaction(this.source, async (tx) => {
      const site = await this.row(tx, actor, id, true);
      expectRevision(site.revision, expected);
      await tx.query('delete from site_devices where site_id = $1', [id]);
      const rows = list.devices.map(({ identity, model, name }) => ({ ...identity, model, name }));
      await tx.query(
        `insert into site_devices (site_id, identity_kind, identity_value, model, name)
         select distinct on (kind, value) $1::uuid, kind, value, model, name
         from jsonb_to_recordset($2) as l (kind text, value text, model text, name text)`,
        [id, JSON.stringify(rows)],
      );
      const approved = await queryRows<{ id: string }>(
        tx,
        `update devices d set approved = true, model = coalesce(d.model, l.model), name = coalesce(d.name, l.name),
           revision = d.revision + 1
         from site_devices l where l.site_id = $1 and d.site_id = $1 and not d.approved
           and d.identity_kind = l.identity_kind and d.identity_value = l.identity_value
           and not exists (select 1 from device_claims c where c.device_id = d.id and c.state = 'pending')
         returning d.id`,
        [id],
      );
      await tx.query('update sites set revision = revision + 1 where id = $1', [id]);
      await this.record(tx, actor, 'site.devices-listed', id, { listed: rows.length, approved: approved.length });
    });
    return this.devices(actor, id);
  }

  private async row(tx: Pick<EntityManager, 'query'>, actor: Actor, id: string, lock = false): Promise<SiteRow> {
    const [row] = await queryRows<SiteRow>(
      tx,
      `select * from sites where org_id = $1 and id = $2 ${lock ? 'for no key update' : ''}`,
      [actor.orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'site', id });
    return row;
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'site', id }, params });
  }
}

function siteView(row: SiteRow): Site {
  return {
    id: row.id as Site['id'],
    org: row.org_id as Site['org'],
    name: row.name,
    zone: row.zone,
    claimMode: row.claim_mode,
    holdNote: row.hold_note,
    state: row.state,
    stateNote: row.state_note,
    revision: row.revision,
    createdAt: row.created_at.toISOString(),
  };
}
