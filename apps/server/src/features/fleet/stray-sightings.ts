/** Bootloaders that answer to no known identity: kept for people and for rescues, never made into devices. */
import { Injectable } from '@nestjs/common';
import type { Stray } from '@drydock/contracts';
import type { EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { matchStray, type StrayCandidate } from '../../domain/fleet/stray-match.js';
import type { LockedGateway } from './gateway-lives.js';

/** Attempts older than this no longer explain a bootloader that is seen now. */
const CANDIDATE_DAYS = 7;
/** A stray not seen for this long is gone. */
const STRAY_HOURS = 24;

@Injectable()
export class StraySightings {
  async apply(tx: EntityManager, gateway: LockedGateway, strays: readonly Stray[]): Promise<void> {
    await tx.query('delete from strays where gateway_id = $1 and last_seen_at < now() - make_interval(hours => $2)', [
      gateway.id,
      STRAY_HOURS,
    ]);
    if (strays.length === 0) return;
    const candidates = await this.candidates(tx, gateway);
    const rows = [...new Map(strays.map((stray) => [stray.link, stray])).values()].map((stray) => ({
      link: stray.link,
      protocol: stray.protocol,
      name: stray.name ?? null,
      rssi: stray.rssiDbm ?? null,
      deployment: matchStray(stray, candidates) ?? null,
    }));
    await tx.query(
      `insert into strays (gateway_id, link, protocol, name, rssi_dbm, last_seen_at, deployment_id)
       select $1, link, protocol, name, rssi, clock_timestamp(), deployment
       from jsonb_to_recordset($2) as seen (link text, protocol text, name text, rssi int, deployment uuid)
       on conflict (gateway_id, link) do update set protocol = excluded.protocol, name = excluded.name,
         rssi_dbm = excluded.rssi_dbm, last_seen_at = excluded.last_seen_at, deployment_id = excluded.deployment_id`,
      [gateway.id, JSON.stringify(rows)],
    );
  }

  /** Attempts of the site that touched their device and did not end well, or have not ended. */
  private async candidates(tx: EntityManager, gateway: LockedGateway): Promise<StrayCandidate[]> {
    const rows = await queryRows<{ id: string; protocol: string | null; links: { link: string }[]; same: boolean }>(
      tx,
      `select p.id, v.protocol, v.links, p.gateway_id is not distinct from $2 as same
       from deployments p join devices v on v.id = p.device_id
       where v.site_id = $1 and p.touched_at is not null and p.state not in ('proven', 'unproven', 'skipped', 'reverted')
         and p.state_at > now() - make_interval(days => $3)`,
      [gateway.siteId, gateway.id, CANDIDATE_DAYS],
    );
    return rows.map((row) => ({
      deploymentId: row.id,
      protocol: row.protocol,
      links: row.links.map(({ link }) => link),
      sameGateway: row.same,
    }));
  }
}
