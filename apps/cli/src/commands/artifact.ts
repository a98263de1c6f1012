/** `artifact push|inspect|ls|show|rm`. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { uploadArtifact, type components, type Uploaded } from '@drydock/api-client';
import type { Command } from 'commander';
import type { Api } from '../api/connect.js';
import { findArtifact } from '../api/find.js';
import type { Cli } from '../cli.js';
import { answerList, change, listFlag, listed, look, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { cleanDeep } from '../output/clean.js';
import { bytes } from '../output/format.js';
import { plainWhere } from '../where.js';
import { requireName, type ChangeFlags } from '../prompt.js';

type Artifact = components['schemas']['Artifact'];

/** The readers of every format: loaded where a file is read, so that other commands begin at once. */
const core = () => import('@drydock/dfu-core');

/** No artifact of any format is larger. */
const MOST_BYTES = 64 * 1024 * 1024;
const UPLOAD_MS = 600_000;

export interface PushFlags {
  readonly model: string;
  readonly version?: string;
  readonly runningVersion?: string;
  readonly follows?: readonly string[];
}

export function addArtifact(program: Command, running: Running): void {
  const artifact = program.command('artifact').description('firmware files');

  change<PushFlags & ChangeFlags>(
    artifact,
    running,
    'push <files...>',
    'upload firmware, and say what the server read',
    push,
    'file',
  )
    .requiredOption('--model <name>', 'the model that it is for')
    .option('--version <version>', 'where the file does not tell')
    .option('--running-version <version>', 'what the application calls itself when it runs')
    .option('--follows <a,b>', 'running versions from which the update may be made', listFlag);

  look(
    artifact,
    running,
    'inspect <file-or-sha>',
    'tell what a file is (without any server), or a stored artifact',
    inspect,
    'file',
  );

  listed(
    look<ListFlags & { model?: string; version?: string }>(
      artifact,
      running,
      'ls',
      'list what is stored, newest first',
      async (cli, _args, flags) => {
        const api = await cli.api();
        const { model, version, sha256 } = { ...plainWhere(flags.where, ['model', 'version', 'sha256']), ...flags };
        await answerList(cli, flags, COLUMNS(cli), (page) =>
          api.ask(
            api.client.GET('/api/v1/artifacts', {
              params: {
                query: {
                  ...page,
                  ...(model !== undefined && { model }),
                  ...(version !== undefined && { version }),
                  ...(sha256 !== undefined && { sha256 }),
                },
              },
            }),
          ),
        );
      },
    )
      .option('--model <name>', 'of this model')
      .option('--version <version>', 'of this version'),
    'model==NAME;version==VERSION;sha256==DIGITS',
  );

  look(artifact, running, 'show <sha>', 'show a stored artifact', async (cli, [sha = '']) => {
    const found = await findArtifact(await cli.api(), sha);
    const lines = await artifactLines(cli, found);
    cli.out.answer(found, () => lines);
  });

  change<ChangeFlags>(
    artifact,
    running,
    'rm <sha>',
    'remove a stored artifact that nothing names',
    async (cli, [sha = ''], flags) => {
      const api = await cli.api();
      const found = await findArtifact(api, sha);
      const short = found.sha256.slice(0, 12);
      const what = `${found.model} ${found.version} (${found.fileName}, sha256 ${short})`;
      if (flags.dryRun === true) {
        cli.out.answer({ dryRun: true, sha256: found.sha256 }, () => [`Would remove ${what}.`]);
        return;
      }
      await requireName(cli, flags, short, `This removes ${what} for ever.`, `drydock artifact rm ${short}`);
      await api.ask(api.client.DELETE('/api/v1/artifacts/{sha256}', { params: { path: { sha256: found.sha256 } } }));
      cli.out.answer({ removed: found.sha256 }, () => [`Removed ${what}.`]);
    },
  );
}

const COLUMNS = (cli: Cli) =>
  [
    { key: 'sha256', value: (row: Artifact) => row.sha256.slice(0, 12) },
    { key: 'model', value: (row: Artifact) => row.model },
    { key: 'version', value: (row: Artifact) => row.version },
    { key: 'format', value: (row: Artifact) => row.format },
    { key: 'size', value: (row: Artifact) => bytes(row.sizeBytes), right: true },
    { key: 'signature', value: (row: Artifact) => row.signature },
    { key: 'stored', value: (row: Artifact) => cli.out.times.at(row.createdAt) },
    { key: 'file', value: (row: Artifact) => row.fileName, hidden: true },
    { key: 'id', value: (row: Artifact) => row.id, hidden: true },
  ] as const;

async function push(cli: Cli, files: string[], flags: PushFlags & ChangeFlags): Promise<void> {
  // A broken file is found here, before anything is sent.
  const { describeArtifact } = await core();
  const described = [];
  for (const path of files) described.push({ path, found: describeArtifact(await readFirmware(path)) });
  const api = await cli.api();
  for (const { path, found } of described) {
    if (flags.dryRun === true) {
      cli.out.answer({ dryRun: true, file: path, sha256: found.sha256, format: found.format }, () => [
        `Would upload ${path} (${bytes(found.sizeBytes)}, ${found.format}, sha256 ${found.sha256.slice(0, 12)}) for ${flags.model}.`,
      ]);
      continue;
    }
    const { artifact, isNew } = await pushFile(cli, api, path, flags);
    const lines = await artifactLines(cli, artifact);
    cli.out.answer({ isNew, artifact }, () => [
      `${isNew ? 'Stored' : 'Was stored already'}: ${artifact.model} ${artifact.version}, sha256:${artifact.sha256.slice(0, 12)}`,
      ...lines,
    ]);
  }
}

/** Streams one file; shows how much of it has left. */
export async function pushFile(cli: Cli, api: Api, path: string, flags: PushFlags): Promise<Uploaded> {
  const { size } = await stat(path);
  const { openByteBar } = await import('../output/progress.js');
  const bar = openByteBar(cli, `Uploading ${basename(path)}`, size);
  try {
    const uploaded = await uploadArtifact({
      baseUrl: api.baseUrl,
      token: api.token,
      signal: AbortSignal.any([cli.interrupted.signal, AbortSignal.timeout(cli.settings.timeoutMs ?? UPLOAD_MS)]),
      file: { name: basename(path), sizeBytes: size, open: () => createReadStream(path, { highWaterMark: 64 * 1024 }) },
      fields: {
        model: flags.model,
        ...(flags.version !== undefined && { version: flags.version }),
        ...(flags.runningVersion !== undefined && { runningVersion: flags.runningVersion }),
        ...(flags.follows && { requires: JSON.stringify({ runningVersions: flags.follows }) }),
      },
      onProgress: (sent) => bar.update(sent),
    });
    return cli.out.json ? uploaded : cleanDeep(uploaded);
  } finally {
    bar.close();
  }
}

/** @throws CliError `file.unreadable`; ArtifactError `artifact.limit` */
export async function readFirmware(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw new Error(`it has ${size} bytes; at most ${MOST_BYTES} are read`);
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new CliError('file.unreadable', EXIT.refused, `${path} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

async function inspect(cli: Cli, [what = '']: string[]): Promise<void> {
  const isFile = await stat(what).then(
    (facts) => facts.isFile(),
    () => false,
  );
  if (!isFile && /^(?:sha256:)?[0-9a-f]{6,64}$/i.test(what)) {
    const found = await findArtifact(await cli.api(), what);
    const lines = await artifactLines(cli, found);
    cli.out.answer(found, () => lines);
    return;
  }
  const { describeArtifact, descriptionLines } = await core();
  const found = describeArtifact(await readFirmware(what));
  cli.out.answer({ file: what, ...found }, () => descriptionLines(cleanDeep(found)));
}

async function artifactLines(cli: Cli, found: Artifact): Promise<string[]> {
  const { descriptionLines } = await core();
  const { description } = found;
  const described = descriptionLines({
    ...description,
    sha256: found.sha256,
    sizeBytes: found.sizeBytes,
    signatures: [],
    images: description.images as Parameters<typeof descriptionLines>[0]['images'],
  }).filter((line) => !line.startsWith('signed'));
  const signed = {
    verified: 'by a release key of the model ✓',
    present: 'by a key that the server does not keep',
    none: 'no',
  };
  return [
    `model       ${found.model}`,
    `version     ${found.version}${found.runningVersion === null ? '' : ` (runs as ${found.runningVersion})`}`,
    ...described,
    `signed      ${signed[found.signature]}`,
    ...(found.requires.runningVersions?.length ? [`follows     ${found.requires.runningVersions.join(', ')}`] : []),
    `stored      ${cli.out.times.at(found.createdAt)}, as ${found.fileName}`,
  ];
}
