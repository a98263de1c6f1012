/** `audit`, `approvals`: who did what, and what waits for somebody. */
import { type components } from '@drydock/api-client';
import type { Command } from 'commander';
import { findCampaign, findDevice, findGateway } from '../api/find.js';
import type { Api } from '../api/connect.js';
import type { Cli } from '../cli.js';
import { answerList, listed, look, timeFlag, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { answerPages } from '../output/pages.js';
import { keptBy, plainWhere } from '../where.js';
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
    'action==campaign.*;kind==device;actor==ID;target==ID;from==2026-11-01;to==…',
  );
  listed(
    look<ListFlags>(program, running, 'approvals', 'campaigns and gates that wait for a person', approvals),
    'campaign==NAME;what==plan;urgent==true;may==true;by==NAME',
  );
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
  const where = plainWhere(flags.where, ['action', 'actor', 'kind', 'target', 'from', 'to']);
  const action = flags.action ?? where.action;
  const actorId = flags.by ?? where.actor;
  const targetId = (await targetOf(api, flags)) ?? where.target;
  const begin = flags.from ?? (flags.last === undefined ? where.from : undefined);
  const end = flags.to ?? where.to;
  const from =
    begin === undefined
      ? flags.last === undefined
        ? undefined
        : new Date(cli.around.now() - flags.last).toISOString()
      : momentOf(begin);
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
              ...(action !== undefined && { action }),
              ...(targetId !== undefined && { targetId }),
              ...(where.kind !== undefined && { targetKind: where.kind }),
              ...(actorId !== undefined && { actorId }),
              ...(from !== undefined && { from }),
              ...(end !== undefined && { to: momentOf(end) }),
            },
          },
        }),
      ),
    500,
  );
}

type Waiting = components['schemas']['ApprovalList']['items'][number];

const whatOf = ({ kind, stage }: Waiting): string =>
  kind === 'campaign' || stage === null ? 'plan' : `gate of stage ${stage.index + 1} ${stage.name}`;
const commandOf = ({ campaign, stage }: Waiting): string =>
  `drydock campaign approve ${campaign.name}${stage === null ? '' : ` --stage ${stage.name}`}`;

/** As the server lists them: what nobody here can give is there too, with the reason. */
async function approvals(cli: Cli, _args: string[], flags: ListFlags): Promise<void> {
  const where = plainWhere(flags.where, ['campaign', 'what', 'urgent', 'may', 'by']);
  const api = await cli.api();
  const { items } = await api.ask(api.client.GET('/api/v1/approvals'));
  const rows = items
    .filter((item) =>
      keptBy(where, {
        campaign: item.campaign.name,
        what: item.kind === 'campaign' ? 'plan' : 'gate',
        urgent: String(item.urgent),
        may: String(item.you.may),
        by: item.askedBy ?? '',
      }),
    )
    .slice(0, flags.limit)
    .map((item) => ({ ...item, what: whatOf(item), command: commandOf(item), since: item.askedAt }));
  await answerPages(
    cli,
    [rows],
    [
      { key: 'campaign', value: (row) => row.campaign.name },
      { key: 'what', value: (row) => row.what },
      { key: 'since', value: (row) => cli.out.times.since(row.since) },
      {
        key: 'given',
        value: (row) =>
          `${row.given.length} of ${row.needed}${row.given.length > 0 ? `: ${row.given.map((one) => one.by).join(', ')}` : ''}`,
      },
      { key: 'you', value: (row) => (row.you.may ? 'you may' : row.you.because) },
      { key: 'command', value: (row) => row.command },
      { key: 'by', title: 'ASKED BY', value: (row) => row.askedBy, hidden: true },
      { key: 'urgent', value: (row) => (row.urgent ? 'yes' : 'no'), hidden: true },
      { key: 'digest', value: (row) => row.planDigest.slice(0, 12), hidden: true },
    ],
    flags.columns,
  );
}
