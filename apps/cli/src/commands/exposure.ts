/** `exposure` and `advisory`: what is unsafe, and who still runs it. */
import { readFile } from 'node:fs/promises';
import { itemsOf, type components } from '@drydock/api-client';
import { AdvisoryDraft } from '@drydock/contracts';
import { Option, type Command } from 'commander';
import { parse } from 'yaml';
import type { Api } from '../api/connect.js';
import { findAdvisory, findArtifact } from '../api/find.js';
import type { Cli } from '../cli.js';
import { answerList, change, listed, look, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { shareOf } from '../output/format.js';
import { answerPages } from '../output/pages.js';
import type { ChangeFlags } from '../prompt.js';
import { plainWhere } from '../where.js';

type Advisory = components['schemas']['Advisory'];
type Exposure = components['schemas']['Exposure'];
type ExposedDevice = components['schemas']['ExposedDevice'];
type Sample = components['schemas']['ExposureSample'];

interface ExposureFlags extends ListFlags {
  readonly devices?: boolean;
  readonly history?: boolean;
  readonly status: 'affected' | 'unknown';
}

export function addExposure(program: Command, running: Running): void {
  listed(
    look<ExposureFlags>(
      program,
      running,
      'exposure [cve]',
      'who runs an affected version now, by what was read from devices',
      exposure,
    )
      .option('--devices', 'the devices, instead of counts')
      .addOption(new Option('--status <status>', 'with --devices').choices(['affected', 'unknown']).default('affected'))
      .option('--history', 'how it went over time'),
  );

  const advisory = program.command('advisory').description('what is known to be unsafe');
  listed(
    look<ListFlags & { state?: Advisory['state'] }>(
      advisory,
      running,
      'ls',
      'list advisories',
      async (cli, _args, flags) => {
        const api = await cli.api();
        const state = flags.state ?? stateOf(plainWhere(flags.where, ['state']).state);
        await answerList(
          cli,
          flags,
          [
            { key: 'cve', value: (row: Advisory) => row.cve },
            { key: 'state', value: (row: Advisory) => row.state },
            { key: 'severity', value: (row: Advisory) => row.severity },
            { key: 'models', value: (row: Advisory) => row.models.map(({ model }) => model).join(' ') },
            { key: 'title', value: (row: Advisory) => row.title },
            { key: 'id', value: (row: Advisory) => row.id, hidden: true },
          ],
          (page) =>
            api.ask(
              api.client.GET('/api/v1/advisories', {
                params: { query: { ...page, ...(state !== undefined && { state }) } },
              }),
            ),
        );
      },
    ).addOption(new Option('--state <state>', 'in this state').choices(['open', 'closed'])),
    'state==open',
  );
  look(advisory, running, 'show <cve>', 'show one advisory', async (cli, [cve = '']) => {
    const found = await findAdvisory(await cli.api(), cve);
    cli.out.answer(found, () => [
      `${found.cve}  ${found.title}   ${found.severity}, ${found.state}`,
      ...found.models.map(
        (one) =>
          `  ${one.model}: ${[one.affected, ...one.affectedVersions].filter((part) => part !== null).join(', ') || 'nothing'}${one.unaffectedVersions.length > 0 ? `; not ${one.unaffectedVersions.join(', ')}` : ''}${one.fixedBy === null ? '' : `; mended by ${one.fixedBy}`}`,
      ),
      ...(found.text === '' ? [] : ['', ...found.text.split('\n')]),
    ]);
  });
  change<{ file: string } & ChangeFlags>(
    advisory,
    running,
    'push',
    'save an advisory from a file; the same file again changes nothing',
    push,
  ).requiredOption('-f, --file <file>', 'YAML or JSON: cve, title, text, severity, models; fixedBy takes sha256:…');
  for (const verb of ['close', 'reopen'] as const) {
    change<ChangeFlags>(
      advisory,
      running,
      `${verb} <cve>`,
      verb === 'close' ? 'nobody needs to look at it any more' : 'open it again',
      async (cli, [cve = ''], flags) => {
        const api = await cli.api();
        const found = await findAdvisory(api, cve);
        if (flags.dryRun === true) {
          cli.out.answer({ dryRun: true, advisory: found.cve, would: verb }, () => [`Would ${verb} ${found.cve}.`]);
          return;
        }
        const request = { params: { path: { id: found.id }, header: { 'If-Match': `"${found.revision}"` } } };
        const after = await api.ask(
          verb === 'close'
            ? api.client.POST('/api/v1/advisories/{id}/close', request)
            : api.client.POST('/api/v1/advisories/{id}/reopen', request),
        );
        cli.out.answer(after, () => [`${after.cve} is ${after.state}.`]);
      },
    );
  }
}

/** @throws CliError `usage.where` */
function stateOf(text: string | undefined): Advisory['state'] | undefined {
  if (text === undefined || text === 'open' || text === 'closed') return text;
  throw new CliError('usage.where', EXIT.refused, `No advisory is ${text}.`, { fix: 'use open or closed' });
}

async function exposure(cli: Cli, [cve]: string[], flags: ExposureFlags): Promise<void> {
  const api = await cli.api();
  if (cve === undefined) return overview(cli, api, flags);
  const { id: advisory } = await findAdvisory(api, cve);
  if (flags.devices === true) {
    await answerList(
      cli,
      flags,
      [
        { key: 'device', value: (row: ExposedDevice) => row.name ?? row.device },
        { key: 'model', value: (row: ExposedDevice) => row.model },
        { key: 'runs', value: (row: ExposedDevice) => row.version },
        { key: 'reach', value: (row: ExposedDevice) => (row.silent ? 'out of reach' : 'in reach') },
        { key: 'heard', value: (row: ExposedDevice) => cli.out.times.since(row.lastSeenAt) },
        { key: 'gateway', value: (row: ExposedDevice) => row.gateway, hidden: true },
        { key: 'site', value: (row: ExposedDevice) => row.site, hidden: true },
        { key: 'id', value: (row: ExposedDevice) => row.device, hidden: true },
      ],
      (page) =>
        api.ask(
          api.client.GET('/api/v1/exposure/devices', {
            params: { query: { ...page, advisory, status: flags.status } },
          }),
        ),
      500,
    );
    return;
  }
  if (flags.history === true) {
    await answerList(
      cli,
      flags,
      [
        { key: 'at', value: (row: Sample) => cli.out.times.at(row.at) },
        { key: 'model', value: (row: Sample) => row.model },
        { key: 'exposed', value: (row: Sample) => row.affected, right: true },
        { key: 'silent', title: 'OUT OF REACH', value: (row: Sample) => row.affectedSilent, right: true },
        { key: 'unknown', title: 'NOT KNOWN', value: (row: Sample) => row.unknown, right: true },
        { key: 'total', title: 'OF', value: (row: Sample) => row.total, right: true },
      ],
      (page) => api.ask(api.client.GET('/api/v1/exposure/history', { params: { query: { ...page, advisory } } })),
      500,
    );
    return;
  }
  const found = await api.ask(api.client.GET('/api/v1/exposure', { params: { query: { advisory } } }));
  cli.out.answer(found, () => exposureLines(found));
}

function exposureLines(found: Exposure): string[] {
  const { advisory, affected, unknown, total } = found;
  return [
    `${advisory.cve}  ${advisory.title} (${advisory.severity})`,
    `Exposed: ${affected.devices} of ${total} (${shareOf(affected.devices, total)}). ${affected.devices - affected.silent} in reach, ${affected.silent} out of reach.`,
    ...(unknown.devices > 0 ? [`Version not known: ${unknown.devices}, ${unknown.silent} of them out of reach.`] : []),
    ...(affected.devices === 0 && unknown.devices === 0
      ? ['Those that have not been seen may return exposed: they are watched.']
      : []),
    ...found.versions
      .slice(0, 30)
      .map((one) => `  ${String(one.devices).padStart(8)}  ${one.model} ${one.version ?? 'not known'}  ${one.status}`),
    ...found.sites
      .slice(0, 20)
      .map(
        (one) =>
          `  ${String(one.affected).padStart(8)}  at ${one.name}${one.unknown > 0 ? `, ${one.unknown} not known` : ''}`,
      ),
  ];
}

/** Every advisory that is open. */
async function overview(cli: Cli, api: Api, flags: ListFlags): Promise<void> {
  const rows: Exposure[] = [];
  const open = itemsOf((after) =>
    api.ask(
      api.client.GET('/api/v1/advisories', {
        params: { query: { state: 'open', limit: 100, ...(after !== undefined && { after }) } },
      }),
    ),
  );
  for await (const { id } of open) {
    rows.push(await api.ask(api.client.GET('/api/v1/exposure', { params: { query: { advisory: id } } })));
    if (rows.length >= flags.limit) break;
  }
  await answerPages(
    cli,
    [rows],
    [
      { key: 'cve', value: (row) => row.advisory.cve },
      { key: 'severity', value: (row) => row.advisory.severity },
      { key: 'exposed', value: (row) => `${row.affected.devices} of ${row.total}` },
      { key: 'silent', title: 'OUT OF REACH', value: (row) => row.affected.silent, right: true },
      { key: 'unknown', title: 'NOT KNOWN', value: (row) => row.unknown.devices, right: true },
      { key: 'title', value: (row) => row.advisory.title },
    ],
    flags.columns,
  );
}

async function push(cli: Cli, _args: string[], flags: { file: string } & ChangeFlags): Promise<void> {
  const wanted = await readAdvisory(flags.file);
  const api = await cli.api();
  const models = await Promise.all(
    wanted.models.map(async ({ fixedBySha, ...model }) => ({
      ...model,
      fixedBy: fixedBySha === undefined ? model.fixedBy : (await findArtifact(api, fixedBySha)).id,
    })),
  );
  const body = { ...wanted, models };
  const present = await findAdvisory(api, wanted.cve).catch((error: unknown) => {
    if (error instanceof CliError && error.exit === EXIT.notFound) return undefined;
    throw error;
  });
  const told = present && {
    cve: present.cve,
    title: present.title,
    text: present.text,
    severity: present.severity,
    models: present.models,
  };
  const changed =
    present === undefined
      ? 'created'
      : JSON.stringify(order(told)) === JSON.stringify(order(body))
        ? 'none'
        : 'changed';
  if (flags.dryRun === true || changed === 'none') {
    cli.out.answer({ ...(flags.dryRun === true && { dryRun: true }), advisory: wanted.cve, change: changed }, () => [
      changed === 'none' ? `${wanted.cve}: no change.` : `Would save ${wanted.cve} (${changed}).`,
    ]);
    return;
  }
  const saved = await api.ask(
    present
      ? api.client.PUT('/api/v1/advisories/{id}', {
          params: { path: { id: present.id }, header: { 'If-Match': `"${present.revision}"` } },
          body,
        })
      : api.client.POST('/api/v1/advisories', { body }),
  );
  cli.out.answer({ advisory: saved.cve, change: changed, id: saved.id }, () => [
    `${saved.cve}: ${changed}.`,
    `  look    drydock exposure ${saved.cve}`,
  ]);
}

/** Keys in one order, so that two spellings of the same compare as equal. */
function order(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(order);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, order(item)]),
  );
}

type ReadAdvisory = Omit<AdvisoryDraft, 'models'> & {
  readonly models: (AdvisoryDraft['models'][number] & { fixedBySha?: string })[];
};

async function readAdvisory(path: string): Promise<ReadAdvisory> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'), { logLevel: 'error', maxAliasCount: 20 });
  } catch (error) {
    throw new CliError('file.unreadable', EXIT.refused, `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  // People name artifacts by their SHA-256; the API takes ids.
  const shas = new Map<number, string>();
  const models = (value as { models?: unknown } | null)?.models;
  if (Array.isArray(models)) {
    for (const [index, model] of models.entries()) {
      const fixedBy: unknown = (model as { fixedBy?: unknown } | null)?.fixedBy;
      if (typeof fixedBy !== 'string' || !/^(?:sha256:)?[0-9a-f]{12,64}$/.test(fixedBy)) continue;
      shas.set(index, fixedBy);
      (model as { fixedBy: null }).fixedBy = null;
    }
  }
  const found = AdvisoryDraft.safeParse(value);
  if (!found.success) {
    const problems = found.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
    throw new CliError('file.invalid', EXIT.refused, `${path} is no advisory. Nothing was saved.`, {
      lines: problems.map((problem) => `${problem.path || 'the file'}: ${problem.message}`),
      problems,
    });
  }
  return {
    ...found.data,
    models: found.data.models.map((model, index) => ({
      ...model,
      ...(shas.has(index) && { fixedBySha: shas.get(index)! }),
    })),
  };
}
