/** The tables that can be taken home: results of a campaign, its failures, exposed devices, the audit. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  errorSentence,
  isErrorCode,
  type AuditQuery,
  type DecisionQuery,
  type DeploymentState,
  type DeviceQuery,
  type ExposureDeviceQuery,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';
import type { Actor } from '../../access/actor.js';
import { DevicesService } from '../../fleet/devices.service.js';
import { ExposureService } from '../../advisories/exposure.service.js';
import { AuditReader } from '../../audit/audit-reader.js';
import { InsightService } from '../insight.service.js';
import { MembersService, toMember } from '../campaign/members.service.js';
import type { Table } from './table-stream.js';

const PAGE = 1_000;

const RESULT_COLUMNS = [
  'campaign',
  'device',
  'identity',
  'name',
  'model',
  'site',
  'gateway',
  'stage',
  'state',
  'code',
  'codeSentence',
  'reason',
  'attempt',
  'tries',
  'ordinal',
  'touchedAt',
  'endedAt',
  'stateAt',
  'versionBefore',
  'versionAfter',
  'versionNow',
  'corrected',
] as const;
const DEVICE_COLUMNS = [
  'device',
  'identityKind',
  'identity',
  'name',
  'model',
  'version',
  'hash',
  'site',
  'gateway',
  'protocol',
  'mode',
  'state',
  'approved',
  'hold',
  'needsRescue',
  'tags',
  'batteryPercent',
  'firstSeenAt',
  'lastSeenAt',
] as const;
const EXPOSED_COLUMNS = ['device', 'name', 'model', 'version', 'site', 'gateway', 'silent', 'lastSeenAt'] as const;
const DECISION_COLUMNS = ['at', 'id', 'campaign', 'by', 'kind', 'params'] as const;
const AUDIT_COLUMNS = [
  'at',
  'id',
  'actorKind',
  'actor',
  'action',
  'targetKind',
  'targetId',
  'params',
  'ip',
  'requestId',
] as const;

@Injectable()
export class ExportService {
  constructor(
    private readonly source: DataSource,
    private readonly members: MembersService,
    private readonly fleet: DevicesService,
    private readonly exposures: ExposureService,
    private readonly audits: AuditReader,
    private readonly insight: InsightService,
  ) {}

  /** A row for each member in the campaign's order, or only of those in one of the states. @throws ProblemError `request.not-found` */
  async results(
    orgId: string,
    campaignId: string,
    states?: readonly DeploymentState[],
  ): Promise<Table<(typeof RESULT_COLUMNS)[number]>> {
    await expectCampaign(this.source.manager, orgId, campaignId);
    const [campaign] = await queryRows<{ name: string }>(
      this.source.manager,
      'select name from campaigns where id = $1',
      [campaignId],
    );
    const stages = await queryRows<{ idx: number; name: string }>(
      this.source.manager,
      'select idx, name from campaign_stages where campaign_id = $1',
      [campaignId],
    );
    const stageName = new Map(stages.map(({ idx, name }) => [idx, name]));
    const { members } = this;
    async function* pages() {
      for (const state of states ?? [undefined]) {
        let after: string | undefined;
        do {
          const page = await members.rows(campaignId, {
            limit: PAGE,
            ...(state !== undefined && { state }),
            ...(after !== undefined && { after }),
          });
          yield page.rows.map((row) => {
            const member = toMember(row);
            return {
              campaign: campaign!.name,
              device: member.device.id,
              identity: member.device.identity,
              name: member.device.name,
              model: member.device.model,
              site: member.site.name,
              gateway: member.gateway?.name ?? null,
              stage: stageName.get(member.stage) ?? String(member.stage),
              state: member.state,
              code: member.outcomeCode,
              codeSentence: sentenceOf(member.outcomeCode),
              reason: member.outcomeReason,
              attempt: member.attempt,
              tries: member.tries,
              ordinal: member.ordinal,
              touchedAt: member.touchedAt,
              endedAt: member.endedAt,
              stateAt: member.stateAt,
              versionBefore: versionOf(member.before),
              versionAfter: versionOf(member.after),
              versionNow: member.version,
              corrected: member.corrected,
            };
          });
          after = page.next;
        } while (after !== undefined);
      }
    }
    return { name: `${campaign!.name}-${states ? 'failures' : 'results'}`, columns: RESULT_COLUMNS, pages: pages() };
  }

  /** @param by of people or of rules alone. @throws ProblemError `request.not-found` */
  async decisions(
    orgId: string,
    campaignId: string,
    by: DecisionQuery['by'],
  ): Promise<Table<(typeof DECISION_COLUMNS)[number]>> {
    await expectCampaign(this.source.manager, orgId, campaignId);
    const [campaign] = await queryRows<{ name: string }>(
      this.source.manager,
      'select name from campaigns where id = $1',
      [campaignId],
    );
    const { insight } = this;
    async function* pages() {
      let after: string | undefined;
      do {
        const page = await insight.decisions(orgId, campaignId, {
          order: 'oldest',
          limit: 500,
          ...(by !== undefined && { by }),
          ...(after !== undefined && { after }),
        });
        yield page.items.map(({ params, ...item }) => ({
          ...item,
          campaign: campaign!.name,
          params: JSON.stringify(params),
        }));
        after = page.next;
      } while (after !== undefined);
    }
    return { name: `${campaign!.name}-decisions`, columns: DECISION_COLUMNS, pages: pages() };
  }

  devices(actor: Actor, query: Omit<DeviceQuery, 'limit' | 'after'>): Table<(typeof DEVICE_COLUMNS)[number]> {
    const { fleet } = this;
    async function* pages() {
      let after: string | undefined;
      do {
        const page = await fleet.list(actor, { ...query, limit: 500, ...(after !== undefined && { after }) });
        yield page.items.map((device) => ({
          device: device.id,
          identityKind: device.identity.kind,
          identity: device.identity.value,
          name: device.name,
          model: device.model,
          version: device.runningVersion,
          hash: device.runningHash,
          site: device.siteName,
          gateway: device.gatewayName,
          protocol: device.protocol,
          mode: device.mode,
          state: device.state,
          approved: device.approved,
          hold: device.holdNote,
          needsRescue: device.needsRescue,
          tags: JSON.stringify(device.tags),
          batteryPercent: device.battery?.percent ?? null,
          firstSeenAt: device.firstSeenAt,
          lastSeenAt: device.lastSeenAt,
        }));
        after = page.next;
      } while (after !== undefined);
    }
    return { name: 'devices', columns: DEVICE_COLUMNS, pages: pages() };
  }

  exposed(actor: Actor, query: Omit<ExposureDeviceQuery, 'limit' | 'after'>): Table<(typeof EXPOSED_COLUMNS)[number]> {
    const { exposures } = this;
    async function* pages() {
      let after: string | undefined;
      do {
        const page = await exposures.devices(actor, { ...query, limit: 500, ...(after !== undefined && { after }) });
        yield page.items;
        after = page.next;
      } while (after !== undefined);
    }
    return { name: `exposure-${query.status}`, columns: EXPOSED_COLUMNS, pages: pages() };
  }

  audit(actor: Actor, query: Omit<AuditQuery, 'limit' | 'after'>): Table<(typeof AUDIT_COLUMNS)[number]> {
    const { audits } = this;
    async function* pages() {
      let after: string | undefined;
      do {
        const page = await audits.page(actor.orgId, { ...query, limit: 500, ...(after !== undefined && { after }) });
        yield page.items.map((item) => ({
          at: item.at,
          id: item.id,
          actorKind: item.actor.kind,
          actor: item.actor.name,
          action: item.action,
          targetKind: item.target?.kind ?? null,
          targetId: item.target?.id ?? null,
          params: JSON.stringify(item.params),
          ip: item.ip,
          requestId: item.requestId,
        }));
        after = page.next;
      } while (after !== undefined);
    }
    return { name: 'audit', columns: AUDIT_COLUMNS, pages: pages() };
  }
}

const sentenceOf = (code: string | null): string | null =>
  code === null ? null : isErrorCode(code) ? errorSentence(code) : code;

/** Versions of all images, in their order. */
const versionOf = (images: readonly { readonly version?: string | undefined }[] | null): string | null =>
  images === null
    ? null
    : images
        .map((image) => image.version ?? '')
        .join(' ')
        .trim() || null;
