/** `campaign ls|show|export|devices|brake|failures|decisions`: what is. */
import { itemsOf, type components } from '@drydock/api-client';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES, FAILURE_DIMENSIONS } from '@drydock/contracts';
import { writeCampaignFile } from '@drydock/contracts/campaign-file';
import { Option, type Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import type { Api } from '../../api/connect.js';
import { findCampaign, getCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { answerList, countFlag, listed, look, type ListFlags, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT } from '../../exit-codes.js';
import { percent } from '../../output/format.js';
import { answerPages } from '../../output/pages.js';
import {
  approvalSentence,
  deadlineWords,
  endsCell,
  failedCell,
  headline,
  notKnown,
  resultLines,
  type Campaign,
  type CampaignSummary,
} from './sentences.js';

type Decision = components['schemas']['Decision'];
type Deployment = components['schemas']['Deployment'];

export function addCampaignShow(campaign: Command, running: Running): void {
  listed(
    look<ListFlags & { state?: Campaign['state'] }>(
      campaign,
      running,
      'ls',
      'list campaigns, newest first',
      async (cli, _args, flags) => {
        const api = await cli.api();
        const { state, where } = flags;
        await answerList(cli, flags, summaryColumns(cli), (page) =>
          api.ask(
            api.client.GET('/api/v1/campaigns', {
              params: {
                query: {
                  ...page,
                  ...(state !== undefined && { state }),
                  ...(where !== undefined && { filter: where }),
                },
              },
            }),
          ),
        );
      },
    ).addOption(new Option('--state <state>', 'in this state').choices(CAMPAIGN_STATES)),
    'campaigns that match, e.g. "state=in=(running,halted);model==sensor-*"',
  );

  look<{ yaml?: boolean }>(
    campaign,
    running,
    'show <name>',
    'show where a campaign stands',
    async (cli, [name = ''], flags) => {
      const api = await cli.api();
      const found = await getCampaign(api, name);
      if (flags.yaml === true) {
        const text = await yamlOf(api, found);
        if (cli.out.json) cli.out.object({ campaign: found.name, yaml: text });
        else cli.out.lines(text.trimEnd().split('\n'));
        return;
      }
      cli.out.answer(found, () => campaignLines(cli, found));
    },
    'campaign',
  ).option('--yaml', 'as a campaign file');

  look<{ output?: string }>(
    campaign,
    running,
    'export <name>',
    'write a campaign as a file that means the same',
    async (cli, [name = ''], flags) => {
      const api = await cli.api();
      const found = await getCampaign(api, name);
      const text = await yamlOf(api, found);
      if (flags.output === undefined) {
        if (cli.out.json) cli.out.object({ campaign: found.name, yaml: text });
        else cli.out.lines(text.trimEnd().split('\n'));
        return;
      }
      try {
        await writeFile(flags.output, text, { flag: 'wx' });
      } catch (error) {
        throw new CliError(
          'file.unwritable',
          EXIT.refused,
          `${flags.output} cannot be written: ${(error as Error).message}.`,
          { cause: error },
        );
      }
      cli.out.answer({ campaign: found.name, file: flags.output }, () => [`Wrote ${flags.output!}.`]);
    },
    'campaign',
  ).option('-o, --output <file>', 'into this file, which must not be there yet');

  listed(
    look<ListFlags & { state?: Deployment['state']; stage?: number }>(
      campaign,
      running,
      'devices <name>',
      'list the devices of a campaign',
      async (cli, [name = ''], flags) => {
        const api = await cli.api();
        const id = await findCampaign(api, name);
        const { state, stage } = flags;
        await answerList(
          cli,
          flags,
          deploymentColumns(cli),
          (page) =>
            api.ask(
              api.client.GET('/api/v1/campaigns/{id}/deployments', {
                params: {
                  path: { id },
                  query: {
                    ...page,
                    ...(state !== undefined && { state }),
                    ...(stage !== undefined && { stage: stage - 1 }),
                  },
                },
              }),
            ),
          500,
        );
      },
      'campaign',
    )
      .addOption(new Option('--state <state>', 'in this state').choices(DEPLOYMENT_STATES))
      .option('--stage <n>', 'of this stage, from 1', countFlag),
  );

  look(
    campaign,
    running,
    'brake <name>',
    'the tests that can halt it, and how near they are',
    async (cli, [name = '']) => {
      const api = await cli.api();
      const id = await findCampaign(api, name);
      const brake = await api.ask(api.client.GET('/api/v1/campaigns/{id}/brake', { params: { path: { id } } }));
      cli.out.answer({ campaign: name, ...brake }, () =>
        brake.tests.flatMap((test) => [
          `${test.rings ? '■' : '✓'} ${test.test}: ${test.sentence}`,
          `  halts at ${
            test.staircase
              .slice(0, 5)
              .map((step) => `${step.failures} of the first ${step.within}`)
              .join(', ') || 'nothing that can happen here'
          }`,
        ]),
      );
    },
    'campaign',
  );

  listed(
    look<ListFlags & { by?: (typeof FAILURE_DIMENSIONS)[number] }>(
      campaign,
      running,
      'failures <name>',
      'what failed, by code; with --by also where it gathers',
      failures,
      'campaign',
    ).addOption(new Option('--by <what>', 'against the rest, worst first').choices(FAILURE_DIMENSIONS)),
  );

  listed(
    look<ListFlags>(
      campaign,
      running,
      'decisions <name>',
      'what rules and people decided, oldest first',
      async (cli, [name = ''], flags) => {
        const api = await cli.api();
        const id = await findCampaign(api, name);
        await answerList(
          cli,
          flags,
          [
            { key: 'at', value: (row: Decision) => cli.out.times.at(row.at) },
            { key: 'decision', value: (row: Decision) => row.kind },
            { key: 'facts', value: (row: Decision) => factsOf(row.params) },
          ],
          (page) =>
            api.ask(api.client.GET('/api/v1/campaigns/{id}/decisions', { params: { path: { id }, query: page } })),
          500,
        );
      },
      'campaign',
    ),
  );
}

async function failures(
  cli: Cli,
  [name = '']: string[],
  flags: ListFlags & { by?: (typeof FAILURE_DIMENSIONS)[number] },
): Promise<void> {
  const api = await cli.api();
  const id = await findCampaign(api, name);
  const { by } = flags;
  if (by === undefined) {
    const { items } = await api.ask(api.client.GET('/api/v1/campaigns/{id}/failures', { params: { path: { id } } }));
    await answerPages(
      cli,
      [items.slice(0, flags.limit)],
      [
        { key: 'code', value: (row) => row.code },
        { key: 'tries', value: (row) => row.n, right: true },
        { key: 'blame', value: (row) => row.blame },
        { key: 'sentence', value: (row) => row.sentence },
      ],
      flags.columns,
    );
    return;
  }
  const found = await api.ask(
    api.client.GET('/api/v1/campaigns/{id}/failures/groups', { params: { path: { id }, query: { by } } }),
  );
  await answerPages(
    cli,
    [found.items.slice(0, flags.limit)],
    [
      { key: 'code', value: (row) => row.code },
      { key: 'devices', value: (row) => row.n, right: true },
      {
        key: 'group',
        value: (row) => (row.group === null ? 'spread evenly' : `${row.group.dimension} ${row.group.name}`),
      },
      { key: 'there', value: (row) => row.group && `${row.group.there.n} of ${row.group.there.of}` },
      { key: 'elsewhere', value: (row) => row.group && `${row.group.elsewhere.n} of ${row.group.elsewhere.of}` },
      { key: 'credible', value: (row) => (row.group?.credible === true ? '⚑ yes' : 'no') },
      { key: 'sentence', value: (row) => row.sentence },
      { key: 'blame', value: (row) => row.blame, hidden: true },
    ],
    flags.columns,
  );
  if (!found.complete) cli.out.say('So many failed that only the newest were looked at.');
}

/** Flat facts of a decision: `by=m.okafor stage=2`. */
/** `zone=UTC→Europe/Oslo note=moved`: parameters of a decision or of the audit on one line; what was changed with what it was. */
export function factsOf({ before, ...params }: Readonly<Record<string, unknown>>): string {
  const was = typeof before === 'object' && before !== null ? (before as Readonly<Record<string, unknown>>) : {};
  return Object.entries(params)
    .filter(([key, value]) => (value !== null && value !== undefined && value !== '') || key in was)
    .map(([key, value]) => `${key}=${key in was ? `${factText(was[key])}→` : ''}${factText(value)}`)
    .join(' ');
}

function factText(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? 'none');
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

export async function yamlOf(api: Api, campaign: Campaign): Promise<string> {
  const { onAbort } = campaign.policy;
  return writeCampaignFile(campaign, typeof onAbort === 'string' ? undefined : await shaOf(api, onAbort.restore));
}

/** The file names artifacts by their SHA-256, the API by their id: there are few enough to look through. */
async function shaOf(api: Api, id: string): Promise<string | undefined> {
  const artifacts = itemsOf((after) =>
    api.ask(
      api.client.GET('/api/v1/artifacts', { params: { query: { limit: 500, ...(after !== undefined && { after }) } } }),
    ),
  );
  for await (const artifact of artifacts) if (artifact.id === id) return artifact.sha256;
  return undefined;
}

const summaryColumns = (cli: Cli) => [
  { key: 'name', value: (row: CampaignSummary) => row.name },
  { key: 'state', value: (row: CampaignSummary) => row.state },
  { key: 'artifact', value: (row: CampaignSummary) => `${row.artifact.model} ${row.artifact.version}` },
  { key: 'proven', value: (row: CampaignSummary) => `${row.sums.proven} of ${row.sums.total}` },
  { key: 'failed', title: 'FAILED+REV.', value: (row: CampaignSummary) => failedCell(row.sums) },
  { key: 'notKnown', title: 'NOT KNOWN', value: (row: CampaignSummary) => notKnown(row.sums), right: true },
  { key: 'ends', value: (row: CampaignSummary) => endsCell(cli.out, row) },
  { key: 'since', value: (row: CampaignSummary) => cli.out.times.at(row.stateAt) },
  { key: 'owner', value: (row: CampaignSummary) => row.createdBy, hidden: true },
  { key: 'by', value: (row: CampaignSummary) => row.stateBy, hidden: true },
  { key: 'reason', value: (row: CampaignSummary) => row.stateReason, hidden: true },
  { key: 'deadline', value: (row: CampaignSummary) => cli.out.times.at(row.deadlineAt), hidden: true },
  { key: 'id', value: (row: CampaignSummary) => row.id, hidden: true },
];

const deploymentColumns = (cli: Cli) => [
  { key: 'device', value: (row: Deployment) => row.device.name ?? row.device.identity },
  { key: 'state', value: (row: Deployment) => row.state },
  { key: 'stage', value: (row: Deployment) => row.stage + 1, right: true },
  { key: 'gateway', value: (row: Deployment) => row.gateway?.name },
  { key: 'tries', value: (row: Deployment) => row.tries, right: true },
  { key: 'code', value: (row: Deployment) => row.outcomeCode },
  { key: 'since', value: (row: Deployment) => cli.out.times.at(row.stateAt) },
  { key: 'identity', value: (row: Deployment) => row.device.identity, hidden: true },
  { key: 'model', value: (row: Deployment) => row.device.model, hidden: true },
  { key: 'id', value: (row: Deployment) => row.device.id, hidden: true },
  { key: 'deployment', value: (row: Deployment) => row.id, hidden: true },
];

function campaignLines(cli: Cli, campaign: Campaign): string[] {
  const { out } = cli;
  return [
    `${campaign.name}   ${headline(campaign, out)}`,
    `artifact    ${campaign.artifact.model} ${campaign.artifact.version} (${campaign.artifact.sha256.slice(0, 12)}, ${campaign.artifact.fileName})`,
    ...(campaign.note === '' ? [] : [`note        ${campaign.note}`]),
    ...(campaign.startedAt === null
      ? []
      : [`started     ${out.times.at(campaign.startedAt)}   ${deadlineWords(campaign, cli.around.now())}`.trimEnd()]),
    ...(campaign.state === 'awaiting-approval' ? [`approval    ${approvalSentence(campaign, out)}`] : []),
    ...resultLines(campaign),
    '',
    ...campaign.stages.map((stage) => {
      const size =
        stage.size === null
          ? (stage.count ?? (stage.percent === null ? (stage.filter ?? 'rest') : `${stage.percent} %`))
          : stage.size;
      const share =
        stage.sums.failureShare === null
          ? ''
          : `, share ${percent(stage.sums.failureShare)} of at most ${percent(stage.gate.maxFailureShare)}`;
      return `stage ${stage.index + 1}  ${stage.name} (${size}): ${stage.state}, known ${stage.sums.known} of ${stage.gate.minKnown} wanted${share}${stage.note === null ? '' : ` — ${stage.note}`}`;
    }),
    ...campaign.quarantines.map(
      (one) => `quarantined  ${one.kind} ${one.ref.name} since ${out.times.at(one.at)}: ${one.note}`,
    ),
    ...campaign.strata
      .filter((one) => one.stopped !== null)
      .map((one) => `stopped  devices that ran ${one.version || 'an unknown version'}: ${one.stopped!.note}`),
  ];
}
