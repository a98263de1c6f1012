/** Writes what a gateway says about devices of its site: links, what runs, in which order evidence counts. */
import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { LIVE_DEPLOYMENT_STATES, type InventoryDevice } from '@drydock/contracts';
import type { EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { chooseGateway } from '../../domain/fleet/gateway-choice.js';
import {
  compareRunning,
  isReadAfter,
  mainHash,
  mainVersion,
  type RunningImage,
} from '../../domain/fleet/running-evidence.js';
import { DEPLOYMENT_EVIDENCE, type DeploymentEvidence } from './deployment-evidence.port.js';
import type { LockedGateway } from './gateway-lives.js';

/** A device of the gateway's own site, its row locked. */
export interface SeenDevice {
  readonly id: string;
  readonly isNew: boolean;
  readonly seen: InventoryDevice;
}

interface DeviceRow {
  readonly id: string;
  readonly gateway_id: string | null;
  readonly model: string | null;
  readonly name: string | null;
  readonly protocol: string | null;
  readonly links: unknown;
  readonly hardware: unknown;
  readonly running: unknown;
  readonly mode: string;
  readonly read_epoch: string | null;
  readonly read_after_seq: string;
}

interface NewestDeployment {
  readonly device_id: string;
  readonly state: string;
  readonly gateway_id: string | null;
  readonly result_epoch: string | null;
  readonly result_seq: string | null;
  readonly ended_ms: number;
  readonly images: { image: number; runningHash?: string }[];
  readonly running_version: string | null;
}

interface GatewaySightingRow {
  readonly device_id: string;
  readonly gateway_id: string;
  readonly usable: boolean;
  readonly rssi_dbm: number | null;
  readonly seen_ms: number;
}

@Injectable()
export class DeviceSightings {
  constructor(private readonly modules: ModuleRef) {}

  /** @returns ids of devices of which anything but the time of the sighting changed, new ones included. */
  async apply(
    tx: EntityManager,
    gateway: LockedGateway,
    { epoch, earlierEpochs }: { epoch: string; earlierEpochs: ReadonlySet<string> },
    devices: readonly SeenDevice[],
  ): Promise<string[]> {
    if (devices.length === 0) return [];
    const ids = devices.map(({ id }) => id);
    await this.seenBy(tx, gateway.id, devices);
    const rows = byId(
      await queryRows<DeviceRow>(
        tx,
        `select id, gateway_id, model, name, protocol, links, hardware, running, mode, read_epoch, read_after_seq
         from devices where id = any($1::uuid[])`,
        [ids],
      ),
      ({ id }) => id,
    );
    const newest = byId(await this.newestDeployments(tx, ids), (row) => row.device_id);
    const choices = await this.choices(tx, ids);

    const changed: string[] = [];
    const updates: Record<string, unknown>[] = [];
    const overturned: { deviceId: string; running: RunningImage[]; readAfterSeq: number }[] = [];
    for (const { id, isNew, seen } of devices) {
      const before = rows.get(id)!;
      const deployment = newest.get(id);
      const live = deployment !== undefined && LIVE_DEPLOYMENT_STATES.some((state) => state === deployment.state);
      const credible =
        isReadAfter(
          {
            gatewayId: gateway.id,
            epoch,
            readAfterSeq: seen.readAfterSeq,
            readHeardMs: believable(seen.readHeardMs, gateway.nowMs),
            earlierEpochs,
          },
          resultOf(deployment),
        ) && !(before.read_epoch === epoch && seen.readAfterSeq < Number(before.read_after_seq));
      const reads = credible && seen.mode === 'application';
      const after = {
        // The gateway that runs an attempt keeps the device until it is over.
        gateway_id: live ? before.gateway_id : chooseGateway(before.gateway_id, choices.get(id) ?? [], gateway.nowMs),
        model: before.model ?? seen.model ?? null,
        name: before.name ?? seen.name ?? null,
        protocol: seen.protocol,
        hardware: Object.keys(seen.hardware).length > 0 ? seen.hardware : before.hardware,
        running: reads && seen.running.length > 0 ? seen.running : before.running,
        mode: credible ? seen.mode : before.mode,
        links: seen.links,
      };
      if (after.gateway_id !== gateway.id) after.links = before.links as typeof after.links;
      if (isNew || differs(before, after)) changed.push(id);
      const running = after.running as RunningImage[];
      updates.push({
        id,
        ...after,
        running_version: mainVersion(running),
        running_hash: mainHash(running),
        battery_percent: seen.batteryPercent ?? null,
        // Its application runs, seen after the result that took it out of service.
        in_service: reads && !live,
        read_epoch: reads ? epoch : before.read_epoch,
        read_after_seq: reads ? seen.readAfterSeq : Number(before.read_after_seq),
      });
      if (reads && seen.running.length > 0 && deployment && isOverturned(deployment, seen.running)) {
        overturned.push({ deviceId: id, running: seen.running, readAfterSeq: seen.readAfterSeq });
      }
    }
    await this.write(tx, updates);
    for (const sighting of overturned) await this.evidence().runningImageSeen(tx, { ...sighting, epoch });
    return changed;
  }

  private async seenBy(tx: EntityManager, gatewayId: string, devices: readonly SeenDevice[]): Promise<void> {
    const rows = devices.map(({ id, seen }) => ({
      id,
      links: seen.links,
      rssi: seen.links.reduce<number | null>(
        (best, { rssiDbm }) => (rssiDbm === undefined ? best : Math.max(best ?? -128, rssiDbm)),
        null,
      ),
    }));
    await tx.query(
      `insert into device_gateways (device_id, gateway_id, links, rssi_dbm, last_seen_at)
       select id, $1, links, rssi, clock_timestamp() from jsonb_to_recordset($2) as seen (id uuid, links jsonb, rssi int)
       on conflict (device_id, gateway_id) do update
         set links = excluded.links, rssi_dbm = excluded.rssi_dbm, last_seen_at = excluded.last_seen_at`,
      [gatewayId, JSON.stringify(rows)],
    );
  }

  /** The newest deployment of each device that was ever granted, and what its artifact looks like when it runs. */
  private newestDeployments(tx: EntityManager, ids: readonly string[]): Promise<NewestDeployment[]> {
    return queryRows<NewestDeployment>(
      tx,
      `select distinct on (p.device_id) p.device_id, p.state, p.gateway_id, p.result_epoch, p.result_seq,
         (extract(epoch from coalesce(p.ended_at, p.state_at)) * 1000)::float8 as ended_ms,
         a.description -> 'images' as images, a.running_version
       from deployments p join campaigns c on c.id = p.campaign_id
         join artifacts a on a.id = coalesce(p.step_artifact_id, c.artifact_id)
       where p.device_id = any($1::uuid[]) and p.granted_at is not null
       order by p.device_id, p.granted_at desc`,
      [ids],
    );
  }

  private async choices(
    tx: EntityManager,
    ids: readonly string[],
  ): Promise<Map<string, { gatewayId: string; usable: boolean; rssiDbm: number | null; lastSeenMs: number }[]>> {
    const rows = await queryRows<GatewaySightingRow>(
      tx,
      `select s.device_id, s.gateway_id, g.online and g.state = 'active' as usable, s.rssi_dbm,
         (extract(epoch from s.last_seen_at) * 1000)::float8 as seen_ms
       from device_gateways s join gateways g on g.id = s.gateway_id join devices d on d.id = s.device_id
       where s.device_id = any($1::uuid[]) and g.site_id = d.site_id`,
      [ids],
    );
    const choices = new Map<
      string,
      { gatewayId: string; usable: boolean; rssiDbm: number | null; lastSeenMs: number }[]
    >();
    for (const row of rows) {
      const sighting = {
        gatewayId: row.gateway_id,
        usable: row.usable,
        rssiDbm: row.rssi_dbm,
        lastSeenMs: row.seen_ms,
      };
      choices.set(row.device_id, [...(choices.get(row.device_id) ?? []), sighting]);
    }
    return choices;
  }

  private async write(tx: EntityManager, updates: readonly Record<string, unknown>[]): Promise<void> {
    await tx.query(
      `update devices d set gateway_id = u.gateway_id, model = u.model, name = u.name, protocol = u.protocol,
         hardware = u.hardware, running = u.running, running_version = u.running_version, running_hash = u.running_hash,
         mode = u.mode, links = u.links, read_epoch = u.read_epoch, read_after_seq = u.read_after_seq,
         out_of_service = d.out_of_service and not u.in_service,
         battery_percent = coalesce(u.battery_percent, d.battery_percent),
         battery_at = case when u.battery_percent is null then d.battery_at else clock_timestamp() end,
         last_seen_at = clock_timestamp()
       from jsonb_to_recordset($1) as u (id uuid, gateway_id uuid, model text, name text, protocol text, hardware jsonb,
         running jsonb, running_version text, running_hash text, mode text, links jsonb, read_epoch text,
         read_after_seq bigint, battery_percent smallint, in_service boolean)
       where d.id = u.id`,
      [JSON.stringify(updates)],
    );
  }

  /** Provided by the reports room, which itself uses this one: looked up when it is needed. */
  private evidence(): DeploymentEvidence {
    return this.modules.get<DeploymentEvidence>(DEPLOYMENT_EVIDENCE, { strict: false });
  }
}

function resultOf(deployment: NewestDeployment | undefined): Parameters<typeof isReadAfter>[1] {
  if (!deployment) return null;
  const { gateway_id, result_epoch, result_seq, ended_ms } = deployment;
  const ended = LIVE_DEPLOYMENT_STATES.every((state) => state !== deployment.state);
  // A live attempt has no result of its own yet; an older try may have left one.
  if (!ended && result_epoch === null) return null;
  return {
    gatewayId: gateway_id,
    epoch: result_epoch,
    seq: result_seq === null ? null : Number(result_seq),
    atMs: ended_ms,
  };
}

function isOverturned(deployment: NewestDeployment, running: readonly RunningImage[]): boolean {
  if (deployment.state !== 'proven' && deployment.state !== 'unproven') return false;
  return compareRunning(running, { images: deployment.images, version: deployment.running_version }) === 'other';
}

function differs(before: DeviceRow, after: Record<string, unknown>): boolean {
  return Object.entries(after).some(
    ([name, value]) =>
      canonical(withoutSignal(name, before[name as keyof DeviceRow])) !== canonical(withoutSignal(name, value)),
  );
}

/** Signal strength moves with every sighting: that alone is no change. */
function withoutSignal(name: string, value: unknown): unknown {
  return name === 'links' && Array.isArray(value) ? (value as { link: string }[]).map(({ link }) => link) : value;
}

/** Postgres orders the keys of jsonb in its own way. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function byId<T>(rows: readonly T[], id: (row: T) => string): Map<string, T> {
  return new Map(rows.map((row) => [id(row), row]));
}

/** A unit was not read later than now: a gateway that says so knows nothing of the servers' clock. */
function believable(readHeardMs: number | undefined, nowMs: number): number | null {
  return readHeardMs !== undefined && readHeardMs <= nowMs + CLOCK_MARGIN_MS ? readHeardMs : null;
}
