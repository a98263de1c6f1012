/** `audit`, `approvals`: who did what, and what waits for somebody. */
import { itemsOf, type components } from '@drydock/api-client';
import type { Command } from 'commander';
import { findCampaign, findDevice, findGateway } from '../api/find.js';
import type { Api } from '../api/connect.js';
import type { Cli } from '../cli.js';
import { answerList, listed, look, timeFlag, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { answerPages } from '../output/pages.js';
import { factsOf } from './campaign/show.js';

type AuditRecord = components['schemas']['AuditRecord'];

interface AuditFlags extends ListFlags {
  readonly action?: string;
  readonly campaign?: string;
  readonly device?: string;
  readonly gateway?: string;
  readonly target?: string;
  readonly by?: string;
  readonly last?: number;
  readonly from?: string;
  readonly to?: string;
}

export function addAudit(program: Command, running: Running): void {
  listed(
    look<AuditFlags>(program, running, 'audit', 'who did what to what, newest first', audit)
      .option('--action <verb>', 'as campaign.paused')
      .option('--campaign <name>', 'to this campaign')
      .option('--device <device>', 'to this device')
      .option('--gateway <name>', 'to this gateway')
      .option('--target <id>', 'to the thing with this id')
      .option('--by <id>', 'by the person, gateway or rule with this id')
      .option('--last <time>', 'of the last 24h, 7d, …', timeFlag)
      .option('--from <moment>', 'from then on: 2026-11-01T00:00:00Z')
      .option('--to <moment>', 'before then'),
  );
  listed(look<ListFlags>(program, running, 'approvals', 'campaigns and gates that wait for a person', approvals));
}

async function targetOf(api: Api, flags: AuditFlags): Promise<string | undefined> {
  if (flags.campaign !== undefined) return findCampaign(api, flags.campaign);
  if (flags.device !== undefined) return (await findDevice(api, flags.device)).id;
  if (flags.gateway !== undefined) return (await findGateway(api, flags.gateway)).id;
  return flags.target;
}

function momentOf(text: string): string {
  const ms = Date.parse(text);
  if (Number.isFinite(ms)) return new Date(ms).toISOString();
  throw new CliError('usage.moment', EXIT.usage, `${text} is no moment.`, { fix: 'write it as 2026-11-01T00:00:00Z' });
}

async function audit(cli: Cli, _args: string[], flags: AuditFlags): Promise<void> {
  const api = await cli.api();
  const targetId = await targetOf(api, flags);
  const from =
    flags.from === undefined
      ? flags.last === undefined
        ? undefined
        : new Date(cli.around.now() - flags.last).toISOString()
      : momentOf(flags.from);
  await answerList(
    cli,
    flags,
    [
      { key: 'at', value: (row: AuditRecord) => cli.out.times.at(row.at) },
      { key: 'who', value: (row: AuditRecord) => row.actor.name ?? row.actor.kind },
      { key: 'did', value: (row: AuditRecord) => row.action },
      { key: 'to', value: (row: AuditRecord) => (row.target === null ? null : `${row.target.kind} ${row.target.id}`) },
      { key: 'facts', value: (row: AuditRecord) => factsOf(row.params) },
      { key: 'from', value: (row: AuditRecord) => row.ip, hidden: true },
      { key: 'request', value: (row: AuditRecord) => row.requestId, hidden: true },
      { key: 'kind', value: (row: AuditRecord) => row.actor.kind, hidden: true },
      { key: 'id', value: (row: AuditRecord) => row.id, hidden: true },
    ],
    (page) =>
      api.ask(
        api.client.GET('/api/v1/audit', {
          params: {
            query: {
              ...page,
              ...(flags.action !== undefined && { action: flags.action }),
              ...(targetId !== undefined && { targetId }),
              ...(flags.by !== undefined && { actorId: flags.by }),
              ...(from !== undefined && { from }),
              ...(flags.to !== undefined && { to: momentOf(flags.to) }),
            },
          },
        }),
      ),
    500,
  );
}

interface Waiting {
  readonly campaign: string;
  readonly what: string;
  readonly since: string;
  readonly note: string;
  readonly command: string;
}

/** Plans that wait, then gates of what runs. */
async function approvals(cli: Cli, _args: string[], flags: ListFlags): Promise<void> {
  const api = await cli.api();
  const rows: Waiting[] = [];
  for (const state of ['awaiting-approval', 'running'] as const) {
    const campaigns = itemsOf((after) =>
      api.ask(
        api.client.GET('/api/v1/campaigns', {
          params: { query: { state, limit: 200, ...(after !== undefined && { after }) } },
        }),
      ),
    );
    for await (const { id } of campaigns) {
      const campaign = await api.ask(api.client.GET('/api/v1/campaigns/{id}', { params: { path: { id } } }));
      if (state === 'awaiting-approval') {
        const { given, needed } = campaign.approvals;
        rows.push({
          campaign: campaign.name,
          what: 'plan',
          since: campaign.stateAt,
          note: `${given.length} of ${needed}${given.length > 0 ? `: ${given.map((one) => one.by).join(', ')}` : ''}`,
          command: `drydock campaign approve ${campaign.name}`,
        });
        continue;
      }
      for (const stage of campaign.stages) {
        if (stage.state !== 'held' || !stage.gate.approval || stage.approvedBy !== null) continue;
        rows.push({
          campaign: campaign.name,
          what: `gate of stage ${stage.index + 1} ${stage.name}`,
          since: stage.openedAt ?? campaign.stateAt,
          note: stage.note ?? '',
          command: `drydock campaign approve ${campaign.name} --stage ${stage.name}`,
        });
      }
      if (rows.length >= flags.limit) break;
    }
  }
  await answerPages(
    cli,
    [rows.slice(0, flags.limit)],
    [
      { key: 'campaign', value: (row) => row.campaign },
      { key: 'what', value: (row) => row.what },
      { key: 'since', value: (row) => cli.out.times.since(row.since) },
      { key: 'note', value: (row) => row.note },
      { key: 'command', value: (row) => row.command },
    ],
    flags.columns,
  );
}
