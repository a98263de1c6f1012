/** One device: what was tried with it, what is being done now, who hears it. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  errorSentence,
  isErrorCode,
  LIVE_DEPLOYMENT_STATES,
  type DeploymentState,
  type DeviceAttempt,
  type DeviceHistory,
  type DeviceNow,
  type PageQuery,
  type RunningImageFact,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { CursorInt, CursorTime, decodeCursor, toPage } from '../../../http/cursor.js';
import { ProblemError } from '../../../http/problem-error.js';
import { LinkRates } from './link-rates.js';
import { ProgressKeeper } from './progress-keeper.js';

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;
const MOST_LIVES = 50;

@Injectable()
export class DeviceStoryService {
  constructor(
    private readonly source: DataSource,
    private readonly progress: ProgressKeeper,
    private readonly rates: LinkRates,
  ) {}

  /** Newest first. @throws ProblemError `request.not-found` */
  async history(orgId: string, deviceId: string, query: PageQuery): Promise<DeviceHistory> {
    await this.expectDevice(orgId, deviceId);
    const after =
      query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([CursorTime, z.uuid(), CursorInt]));
    const rows = await queryRows<{
      key: string;
      campaign: DeviceAttempt['campaign'];
      deployment_id: string;
      attempt: number;
      mode: string;
      artifact: DeviceAttempt['artifact'];
      gateway: DeviceAttempt['gateway'];
      granted_at: Date;
      touched_at: Date | null;
      ended_at: Date | null;
      outcome: string | null;
      code: string | null;
      blame: string | null;
      params: Record<string, unknown> | null;
      sent_bytes: number | null;
      duration_ms: number | null;
      rssi_dbm: number | null;
      lowest_rssi_dbm: number | null;
      bytes_per_second: number | null;
    }>(
      this.source.manager,
      `select att.granted_at::text as key, jsonb_build_object('id', c.id, 'name', c.name) as campaign, att.deployment_id,
         att.attempt, att.mode, case when art.id is not null then jsonb_build_object('id', art.id, 'version', art.version) end as artifact,
         jsonb_build_object('id', att.gateway_id, 'name', coalesce(gw.name, '')) as gateway, att.granted_at, att.touched_at,
         att.ended_at, att.outcome, att.code, att.blame, att.params, att.sent_bytes::float8, att.duration_ms::float8,
         att.rssi_dbm, att.lowest_rssi_dbm, att.bytes_per_second
       from deployments dep join attempts att on att.deployment_id = dep.id join campaigns c on c.id = dep.campaign_id
         left join artifacts art on art.id = coalesce(att.artifact_id, c.artifact_id) left join gateways gw on gw.id = att.gateway_id
       where dep.device_id = $1 and ($2::timestamptz is null
         or (att.granted_at, att.deployment_id, att.attempt) < ($2::timestamptz, $3::uuid, $4::int))
       order by att.granted_at desc, att.deployment_id desc, att.attempt desc limit $5`,
      [deviceId, after?.[0] ?? null, after?.[1] ?? null, after?.[2] ?? null, query.limit + 1],
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.key, row.deployment_id, row.attempt],
      (row) => ({
        campaign: row.campaign,
        deploymentId: row.deployment_id,
        attempt: row.attempt,
        mode: row.mode,
        artifact: row.artifact,
        gateway: row.gateway,
        grantedAt: row.granted_at.toISOString(),
        touchedAt: iso(row.touched_at),
        endedAt: iso(row.ended_at),
        outcome: row.outcome,
        code: row.code,
        blame: row.blame,
        sentence: row.code === null ? null : isErrorCode(row.code) ? errorSentence(row.code) : row.code,
        params: row.params,
        sentBytes: row.sent_bytes,
        durationMs: row.duration_ms,
        rssiDbm: row.rssi_dbm,
        lowestRssiDbm: row.lowest_rssi_dbm,
        bytesPerSecond: row.bytes_per_second,
      }),
    );
  }

  /** @throws ProblemError `request.not-found` */
  async now(orgId: string, deviceId: string): Promise<DeviceNow> {
    await this.expectDevice(orgId, deviceId);
    const tx = this.source.manager;
    const [live] = await queryRows<{
      id: string;
      campaign: { id: string; name: string };
      state: DeploymentState;
      state_at: Date;
      attempt: number;
      artifact: { id: string; version: string; sizeBytes: number };
      gateway: { id: string; name: string } | null;
      model: string | null;
      start_by: Date | null;
      finish_by: Date | null;
    }>(
      tx,
      `select dep.id, jsonb_build_object('id', c.id, 'name', c.name) as campaign, dep.state, dep.state_at, dep.attempt,
         jsonb_build_object('id', art.id, 'version', art.version, 'sizeBytes', art.size_bytes) as artifact,
         case when gw.id is not null then jsonb_build_object('id', gw.id, 'name', gw.name) end as gateway, art.model,
         case when dep.state = any($2) then dep.start_by end as start_by, case when dep.state = any($2) then dep.finish_by end as finish_by
       from deployments dep join campaigns c on c.id = dep.campaign_id
         join artifacts art on art.id = coalesce(dep.step_artifact_id, c.artifact_id) left join gateways gw on gw.id = dep.gateway_id
       where dep.device_id = $1 and (dep.state = any($2) or (dep.state = 'planned'
         and c.state in ('scheduled', 'running', 'paused', 'halted', 'awaiting-approval')))
       order by dep.state = 'planned', dep.state_at desc limit 1`,
      [deviceId, LIVE_DEPLOYMENT_STATES],
    );
    const heard = await queryRows<{
      gateway: { id: string; name: string };
      online: boolean;
      chosen: boolean;
      rssi_dbm: number | null;
      links: { link: string }[];
      last_seen_at: Date;
    }>(
      tx,
      `select jsonb_build_object('id', g.id, 'name', g.name) as gateway, g.online, d.gateway_id = g.id as chosen, dg.rssi_dbm, dg.links,
         dg.last_seen_at
       from device_gateways dg join gateways g on g.id = dg.gateway_id join devices d on d.id = dg.device_id
       where dg.device_id = $1 order by dg.rssi_dbm desc nulls last, dg.last_seen_at desc limit 100`,
      [deviceId],
    );
    const life = await queryRows<{
      at: Date;
      before: RunningImageFact[] | null;
      after: RunningImageFact[] | null;
      campaign: { id: string; name: string };
    }>(
      tx,
      `select coalesce(dep.ended_at, dep.state_at) as at, dep.before_running as before, dep.after_running as after,
         jsonb_build_object('id', c.id, 'name', c.name) as campaign
       from deployments dep join campaigns c on c.id = dep.campaign_id
       where dep.device_id = $1 and dep.state in ('proven', 'reverted') order by 1 desc limit ${MOST_LIVES}`,
      [deviceId],
    );
    return {
      deployment: live
        ? {
            id: live.id,
            campaign: live.campaign,
            state: live.state,
            stateAt: live.state_at.toISOString(),
            attempt: live.attempt,
            artifact: live.artifact,
            gateway: live.gateway,
            startBy: iso(live.start_by),
            finishBy: iso(live.finish_by),
            progress: this.progress.of(live.id),
            linkRate: live.gateway && live.model ? await this.rates.of(live.gateway.id, live.model) : null,
          }
        : null,
      heardBy: heard.map((row) => ({
        gateway: row.gateway,
        online: row.online,
        chosen: row.chosen ?? false,
        rssiDbm: row.rssi_dbm,
        links: row.links.map(({ link }) => link),
        lastSeenAt: row.last_seen_at.toISOString(),
      })),
      life: life.map((row) => ({
        at: row.at.toISOString(),
        from: row.before ?? [],
        to: row.after ?? [],
        campaign: row.campaign,
      })),
    };
  }

  private async expectDevice(orgId: string, id: string): Promise<void> {
    const found = await queryRows(this.source.manager, 'select 1 from devices where org_id = $1 and id = $2', [
      orgId,
      id,
    ]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'device', id });
  }
}
