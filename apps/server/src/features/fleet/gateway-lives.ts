/** Reads and writes what is known of the epochs of a gateway, in the transaction that holds the gateway's row. */
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import type { EpochLife } from '../../domain/fleet/gateway-life.js';

/** Epochs that ended long ago are forgotten: every restart makes one. */
const KEPT_DAYS = 90;

export interface LockedGateway {
  readonly id: string;
  readonly orgId: string;
  readonly siteId: string;
  readonly name: string;
  readonly state: 'active' | 'quarantined' | 'decommissioned';
  readonly epoch: string | null;
  readonly connection: number;
  readonly online: boolean;
  readonly held: { readonly reign: number; readonly revision: number };
  readonly inventory: { readonly epoch: string | null; readonly sequence: number };
  readonly nowMs: number;
}

@Injectable()
export class GatewayLives {
  /** Locks the gateway until the transaction ends. */
  async lock(tx: EntityManager, gatewayId: string): Promise<LockedGateway | undefined> {
    const [row] = await queryRows<Record<string, string | null> & { online: boolean; now_ms: number }>(
      tx,
      `select id, org_id, site_id, name, state, epoch, connection, online, held_reign, held_revision, inventory_epoch,
         inventory_sequence, (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms
       from gateways where id = $1 for no key update`,
      [gatewayId],
    );
    if (!row) return undefined;
    return {
      id: row['id']!,
      orgId: row['org_id']!,
      siteId: row['site_id']!,
      name: row['name']!,
      state: row['state'] as LockedGateway['state'],
      epoch: row['epoch'] ?? null,
      connection: Number(row['connection']),
      online: row.online,
      held: { reign: Number(row['held_reign']), revision: Number(row['held_revision']) },
      inventory: { epoch: row['inventory_epoch'] ?? null, sequence: Number(row['inventory_sequence']) },
      // Read after the lock was given, so no message that was handled before has a later time.
      nowMs: Math.floor(row.now_ms),
    };
  }

  async of(tx: EntityManager, gatewayId: string): Promise<EpochLife[]> {
    const rows = await queryRows<{
      epoch: string;
      first_ms: number;
      heard_ms: number | null;
      was_live: boolean;
      connection: string;
      sequence: string;
    }>(
      tx,
      `select epoch, (extract(epoch from first_seen_at) * 1000)::float8 as first_ms,
         (extract(epoch from heard_at) * 1000)::float8 as heard_ms, was_live, connection, sequence
       from gateway_epochs where gateway_id = $1`,
      [gatewayId],
    );
    return rows.map((row) => ({
      epoch: row.epoch,
      firstSeenMs: row.first_ms,
      heardMs: row.heard_ms,
      wasLive: row.was_live,
      connection: Number(row.connection),
      sequence: Number(row.sequence),
    }));
  }

  async save(tx: EntityManager, gatewayId: string, life: EpochLife): Promise<void> {
    await tx.query(
      `insert into gateway_epochs (gateway_id, epoch, first_seen_at, heard_at, was_live, connection, sequence)
       values ($1, $2, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000), $5, $6, $7)
       on conflict (gateway_id, epoch) do update set heard_at = greatest(gateway_epochs.heard_at, excluded.heard_at),
         was_live = gateway_epochs.was_live or excluded.was_live, connection = excluded.connection,
         sequence = excluded.sequence`,
      [gatewayId, life.epoch, life.firstSeenMs, life.heardMs, life.wasLive, life.connection, life.sequence],
    );
  }

  /**
   * Makes an epoch the live one: grants of any other are dead, so the order is due to be made again.
   * Called only when it was another.
   */
  async begin(tx: EntityManager, gatewayId: string, epoch: string): Promise<void> {
    await tx.query(
      `delete from gateway_epochs where gateway_id = $1 and epoch <> $2
         and greatest(first_seen_at, heard_at) < now() - make_interval(days => $3)`,
      [gatewayId, epoch, KEPT_DAYS],
    );
    await tx.query('update gateways set epoch = $2 where id = $1', [gatewayId, epoch]);
    await tx.query('update orders set dirty = true where gateway_id = $1', [gatewayId]);
  }

  /** After a person has looked at a quarantine: what was seen before no longer counts. */
  async forget(tx: EntityManager, gatewayId: string): Promise<void> {
    await tx.query(
      'delete from gateway_epochs e using gateways g where g.id = e.gateway_id and g.id = $1 and e.epoch is distinct from g.epoch',
      [gatewayId],
    );
    await tx.query(
      'update gateway_epochs set first_seen_at = clock_timestamp(), heard_at = null where gateway_id = $1',
      [gatewayId],
    );
  }
}
