/** `campaign plan|diff|apply|schema` and `rehearse`: what a campaign would do, before anything does. */
import type { components } from '@drydock/api-client';
import { CampaignDraft } from '@drydock/contracts';
import { campaignFileJsonSchema, type CampaignDraftInput, type StoredCampaign } from '@drydock/contracts/campaign-file';
import type { Command } from 'commander';
import { isDeepStrictEqual } from 'node:util';
import type { Api } from '../../api/connect.js';
import { campaignNamed, findCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { change, countFlag, look, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT } from '../../exit-codes.js';
import { bytes, lengthOfTime, percent, plural } from '../../output/format.js';
import { differenceLines, differencesOf, type Difference } from '../../plan/differences.js';
import {
  atPlaceInFile,
  loadCampaignFile,
  resolveFile,
  type LoadedFile,
  type ResolvedFile,
} from '../../plan/load-file.js';
import type { ChangeFlags } from '../../prompt.js';
import type { Campaign } from './sentences.js';

type Rehearsal = components['schemas']['Rehearsal'];
type Preview = components['schemas']['CampaignPreview'];
type Spread = Rehearsal['failed'];

/** Large campaigns take a while to be planned and played. */
const LONG_MS = 600_000;
const RUNS = 100;

interface PlanFlags {
  readonly file: string;
  readonly rehearse: boolean;
}

export function addCampaignPlan(campaign: Command, running: Running): void {
  look<PlanFlags>(
    campaign,
    running,
    'plan',
    'what a campaign file would do: who, warnings, brake, rehearsal, differences; saves nothing',
    plan,
  )
    .requiredOption('-f, --file <file>', 'campaign file (YAML); - reads stdin')
    .option('--no-rehearse', 'leave the rehearsal out');
  look<{ file: string; against?: string }>(
    campaign,
    running,
    'diff',
    'what a campaign file says differently from what is stored',
    diff,
  )
    .requiredOption('-f, --file <file>', 'campaign file (YAML); - reads stdin')
    .option('--against <name>', 'another campaign than the one of its name');
  change<{ file: string } & ChangeFlags>(
    campaign,
    running,
    'apply',
    'save a campaign file as a draft; the same file again changes nothing',
    apply,
  ).requiredOption('-f, --file <file>', 'campaign file (YAML); - reads stdin');
  look(campaign, running, 'schema', 'the JSON Schema of campaign files, for editors', (cli) => {
    const schema = campaignFileJsonSchema();
    if (cli.out.json) cli.around.stdout.write(`${JSON.stringify(schema)}\n`);
    else cli.out.lines(JSON.stringify(schema, null, 2).split('\n'));
    return Promise.resolve();
  });
}

export function addRehearse(program: Command, running: Running): void {
  look<{ file?: string; runs: number; seed?: number }>(
    program,
    running,
    'rehearse [name]',
    'play a campaign in virtual time, many times; nothing is started',
    rehearse,
    'campaign',
  )
    .option('-f, --file <file>', 'of a campaign file that is not saved')
    .option('--runs <n>', 'how often, 20 to 1000', countFlag, RUNS)
    .option('--seed <n>', 'the same seed gives the same answer', countFlag);
}

interface Read {
  readonly api: Api;
  readonly file: LoadedFile;
  readonly resolved: ResolvedFile;
  /** As the server would store it. */
  readonly stored: StoredCampaign & { readonly artifactId: string };
}

async function readFile(cli: Cli, path: string, push: boolean): Promise<Read> {
  const file = await loadCampaignFile(cli, path);
  const api = await cli.api();
  const resolved = await resolveFile(cli, api, file, { push });
  const parsed = CampaignDraft.parse(resolved.draft);
  return { api, file, resolved, stored: { ...parsed, artifact: { sha256: resolved.artifact.sha256 } } };
}

/** What the server says of the draft; its refusals at their places in the file. */
async function asked<T>(file: LoadedFile, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw atPlaceInFile(file, error);
  }
}

async function plan(cli: Cli, _args: string[], flags: PlanFlags): Promise<void> {
  const { api, file, resolved, stored } = await readFile(cli, flags.file, false);
  const { draft, artifact } = resolved;
  const slow = await cli.api(LONG_MS);
  const preview = await asked(file, () =>
    slow.ask(slow.client.POST('/api/v1/campaigns/preview', { body: bodyOf(draft) })),
  );
  const same = await campaignNamed(api, draft.name);
  const { against, differences } = await compared(cli, file, resolved, stored, same);
  const rehearsal =
    flags.rehearse && preview.members > 0
      ? await asked(file, () =>
          slow.ask(slow.client.POST('/api/v1/campaigns/rehearsal', { body: { draft: bodyOf(draft), runs: RUNS } })),
        )
      : undefined;
  cli.out.answer(
    {
      campaign: draft.name,
      artifact: { sha256: artifact.sha256, model: artifact.model, version: artifact.version },
      preview,
      comparedWith: against,
      differences,
      rehearsal: rehearsal ?? null,
    },
    () => [
      `${draft.name}: ${artifact.model} ${artifact.version} (${artifact.sha256.slice(0, 12)}, ${bytes(artifact.sizeBytes)})`,
      ...previewLines(preview),
      '',
      ...(against === null
        ? ['No other campaign of this model has started: nothing to compare with.']
        : differences.length === 0
          ? [`Says the same as ${against}.`]
          : [`Differs from ${against}${same ? ` (${same.state})` : ''}:`, ...differenceLines(differences)]),
      ...(rehearsal ? ['', ...rehearsalLines(rehearsal)] : []),
      '',
      'Nothing was saved.',
      `  save    drydock campaign apply -f ${flags.file}`,
    ],
  );
}

/**
 * The server's own comparison, as the dashboard shows it; the note, which is no part of a plan, is compared here.
 * @param other undefined: the last campaign of the model that started.
 */
async function compared(
  cli: Cli,
  file: LoadedFile,
  resolved: ResolvedFile,
  stored: Read['stored'],
  other: Pick<Campaign, 'id' | 'name' | 'note'> | undefined,
): Promise<{ against: string | null; differences: Difference[] }> {
  const api = await cli.api();
  const diff = await asked(file, () =>
    api.ask(
      api.client.POST('/api/v1/campaigns/diff', {
        body: { draft: bodyOf(resolved.draft), ...(other && { against: other.id }) },
      }),
    ),
  );
  const note =
    other !== undefined && other.name === stored.name && other.note !== stored.note
      ? [{ path: 'note', before: other.note || null, after: stored.note || null, looser: false }]
      : [];
  return { against: diff.against?.name ?? null, differences: [...note, ...differencesOf(diff)] };
}

function previewLines(preview: Preview): string[] {
  const { members, stages, strata, skipped, steps, notes, warnings, staircase, sample } = preview;
  return [
    `${plural(members, 'device')} to be updated${skipped.length === 0 ? '' : `; left out: ${skipped.map(({ reason, count }) => `${count} ${reason}`).join(', ')}`}`,
    ...stages.map((stage, index) => `  stage ${index + 1}  ${stage.name}: ${plural(stage.size, 'device')}`),
    ...strata
      .slice(0, 20)
      .map(
        (one) =>
          `  runs ${one.version || 'an unknown version'}: ${plural(one.size, 'device')}, ${one.inFirstStage} in the first stage`,
      ),
    ...(strata.length > 20 ? [`  and ${strata.length - 20} versions more`] : []),
    ...steps.map(
      (step) =>
        `  ${step.count} that run ${step.version || 'an unknown version'} go through ${step.through.join(', ')} first`,
    ),
    ...(sample.length > 0
      ? [
          `  for instance ${sample
            .slice(0, 3)
            .map((one) => one.name ?? one.id)
            .join(', ')}`,
        ]
      : []),
    ...[...notes, ...warnings.map(({ sentence }) => sentence)].map((note) => `  ⚠ ${note}`),
    ...(staircase.length > 0
      ? [
          `The brake halts at ${staircase
            .slice(0, 4)
            .map((step) => `${step.failures} failures among the first ${step.within}`)
            .join(', ')}.`,
        ]
      : []),
  ];
}

const spread = ({ p50, p90 }: Spread, words: (value: number) => string): string =>
  p50 === null
    ? 'not before its deadline'
    : `${words(p50)} (half)${p90 === null ? ', in some runs not before its deadline' : ` – ${words(p90)} (9 in 10)`}`;
const count = (value: number): string => String(Math.round(value));

export function rehearsalLines(rehearsal: Rehearsal): string[] {
  const done = rehearsal.finish.find(({ share }) => share === 0.95) ?? rehearsal.finish.at(-1);
  return [
    `Rehearsal, ${rehearsal.runs} runs with ${plural(rehearsal.played, 'device')} (${rehearsal.reachable} of ${rehearsal.members} in reach):`,
    ...(done ? [`  ${percent(done.share)} done after ${spread(done.afterMs, lengthOfTime)}`] : []),
    `  failed: ${spread(rehearsal.failed, count)}; halted in ${percent(rehearsal.haltShare)} of the runs by the fleet's own failures`,
    ...(rehearsal.held.share > 0
      ? [`  stopped for a person in ${percent(rehearsal.held.share)}: ${rehearsal.held.note ?? 'no reason said'}`]
      : []),
    ...rehearsal.halts.map((halt) =>
      halt.haltShare === 0
        ? `  if ${percent(halt.failureRate)} fail: never halted; ${spread(halt.hit, count)} hit`
        : `  if ${percent(halt.failureRate)} fail: halted in ${percent(halt.haltShare)}; ${spread(halt.hit, count)} hit`,
    ),
    `  ${bytes(rehearsal.load.downloadBytesPerGateway)} to each gateway`,
    `  ${rehearsal.calibration.sentence}`,
    ...(rehearsal.defaults.length > 0
      ? [`  nothing is known of: ${rehearsal.defaults.join(', ')} (a default stood in)`]
      : []),
  ];
}

async function diff(cli: Cli, _args: string[], flags: { file: string; against?: string }): Promise<void> {
  const { api, file, resolved, stored } = await readFile(cli, flags.file, false);
  const name = flags.against ?? resolved.draft.name;
  const other = await api.ask(
    api.client.GET('/api/v1/campaigns/{id}', { params: { path: { id: await findCampaign(api, name) } } }),
  );
  const { differences } = await compared(cli, file, resolved, stored, other);
  cli.out.answer({ campaign: resolved.draft.name, comparedWith: other.name, differences }, () =>
    differences.length === 0
      ? [`Says the same as ${other.name} (${other.state}).`]
      : [`Against ${other.name} (${other.state}):`, ...differenceLines(differences)],
  );
}

async function apply(cli: Cli, _args: string[], flags: { file: string } & ChangeFlags): Promise<void> {
  const { api, file, resolved, stored } = await readFile(cli, flags.file, flags.dryRun !== true);
  const { draft } = resolved;
  const present = await campaignNamed(api, draft.name);
  if (present && saysTheSame(present, stored)) {
    cli.out.answer({ campaign: present.name, change: 'none', state: present.state, revision: present.revision }, () => [
      `${present.name}: no change (${present.state}).`,
    ]);
    return;
  }
  if (present && present.state !== 'draft') {
    throw new CliError(
      'campaign.state',
      EXIT.conflict,
      `${present.name} is ${present.state}: its plan does not change any more.`,
      {
        fix:
          present.state === 'awaiting-approval'
            ? `take it back to a draft: drydock campaign decline ${present.name} --reason TEXT`
            : `see what differs: drydock campaign diff -f ${flags.file}; then choose another name`,
      },
    );
  }
  const differences = present ? (await compared(cli, file, resolved, stored, present)).differences : [];
  if (flags.dryRun === true) {
    await asked(file, () => api.ask(api.client.POST('/api/v1/campaigns/preview', { body: bodyOf(draft) })));
    cli.out.answer({ dryRun: true, campaign: draft.name, change: present ? 'changed' : 'created', differences }, () => [
      `Would ${present ? 'change' : 'create'} the draft ${draft.name}.`,
      ...differenceLines(differences),
    ]);
    return;
  }
  const saved = await asked(file, () =>
    present
      ? api.ask(
          api.client.PUT('/api/v1/campaigns/{id}', {
            params: { path: { id: present.id }, header: { 'If-Match': `"${present.revision}"` } },
            body: bodyOf(draft),
          }),
        )
      : api.ask(api.client.POST('/api/v1/campaigns', { body: bodyOf(draft) })),
  );
  const changed = present ? 'changed' : 'created';
  cli.out.answer(
    { campaign: saved.name, change: changed, state: saved.state, revision: saved.revision, id: saved.id, differences },
    () => [
      `${saved.name}: draft ${changed}.`,
      ...differenceLines(differences),
      `  look    drydock campaign plan -f ${flags.file}`,
      `  start   drydock campaign start ${saved.name}`,
    ],
  );
}

/** The generated types say of some fields "never absent"; the server fills them in. */
const bodyOf = (draft: CampaignDraftInput): components['schemas']['CampaignDraft'] =>
  draft as components['schemas']['CampaignDraft'];

/** By what is stored, so with every default filled in. */
function saysTheSame(present: Campaign, wanted: Read['stored']): boolean {
  const { name, note, selector, policy, artifactId } = wanted;
  const of = (value: object): unknown => JSON.parse(JSON.stringify(value));
  return isDeepStrictEqual(
    of({ name, note, selector, policy, artifactId }),
    of({
      name: present.name,
      note: present.note,
      selector: present.selector,
      policy: present.policy,
      artifactId: present.artifact.id,
    }),
  );
}

async function rehearse(
  cli: Cli,
  [name]: string[],
  flags: { file?: string; runs: number; seed?: number },
): Promise<void> {
  if ((name === undefined) === (flags.file === undefined)) {
    throw new CliError('usage.rehearse', EXIT.usage, 'Name a campaign, or give a file with -f.', {
      fix: 'drydock rehearse -f FILE',
    });
  }
  const request = { runs: flags.runs, ...(flags.seed !== undefined && { seed: flags.seed }) };
  const slow = await cli.api(LONG_MS);
  let rehearsal: Rehearsal;
  if (flags.file === undefined) {
    const id = await findCampaign(slow, name!);
    rehearsal = await slow.ask(
      slow.client.POST('/api/v1/campaigns/{id}/rehearsal', { params: { path: { id } }, body: request }),
    );
  } else {
    const { file, resolved } = await readFile(cli, flags.file, false);
    rehearsal = await asked(file, () =>
      slow.ask(
        slow.client.POST('/api/v1/campaigns/rehearsal', { body: { ...request, draft: bodyOf(resolved.draft) } }),
      ),
    );
  }
  cli.out.answer(rehearsal, () => [rehearsal.campaign.name, ...rehearsalLines(rehearsal)]);
}
