/** A campaign file from disk to the body of the API; every fault is told at its place. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { ApiProblemError, type components } from '@drydock/api-client';
import {
  MAX_CAMPAIGN_FILE_CHARS,
  problemLines,
  readCampaignFile,
  type CampaignDraftInput,
  type CampaignFileProblem,
  type CampaignFileRead,
} from '@drydock/contracts/campaign-file';
import type { Api } from '../api/connect.js';
import { findArtifact } from '../api/find.js';
import type { Cli } from '../cli.js';
import { pushFile, readFirmware } from '../commands/artifact.js';
import { CliError } from '../errors/cli-error.js';
import { explain } from '../errors/explain.js';
import { EXIT } from '../exit-codes.js';
import { plural } from '../output/format.js';
import { readStdin } from '../prompt.js';

type Artifact = components['schemas']['Artifact'];

export interface LoadedFile {
  /** As the person named it. */
  readonly name: string;
  readonly path: string;
  readonly read: CampaignFileRead;
}

/** @param path `-` reads stdin. @throws CliError `file.unreadable`, `file.invalid` with every fault */
export async function loadCampaignFile(cli: Cli, path: string): Promise<LoadedFile> {
  const name = path === '-' ? 'stdin' : path;
  const read = readCampaignFile(path === '-' ? await readStdin(cli, MAX_CAMPAIGN_FILE_CHARS + 1) : await textOf(path));
  if (!read.ok) throw invalidFile(name, read.problems, 'file.invalid');
  return { name, path, read };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError('file.unreadable', EXIT.refused, `${path} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

function invalidFile(
  name: string,
  problems: readonly CampaignFileProblem[],
  code: string,
  requestId?: string,
): CliError {
  return new CliError(code, EXIT.refused, `${name} has ${plural(problems.length, 'problem')}. Nothing was saved.`, {
    lines: problems.flatMap((problem) => ['', ...problemLines(name, problem)]),
    problems: problems.map(({ path, line, column, length, message, nearest }) => ({
      file: name,
      line,
      column,
      length,
      path,
      message,
      ...(nearest !== undefined && { nearest }),
    })),
    ...(requestId !== undefined && { requestId }),
  });
}

/** What the server refused, at its place in the file; other errors as they are. */
export function atPlaceInFile(file: LoadedFile, error: unknown): unknown {
  if (!(error instanceof ApiProblemError) || !error.problem.errors || error.problem.errors.length === 0) return error;
  const { exit } = explain(error);
  if (exit !== EXIT.refused && exit !== EXIT.conflict && exit !== EXIT.notFound) return error;
  return invalidFile(file.name, file.read.problemsOf(error.problem.errors), error.code, error.requestId);
}

export interface ResolvedFile {
  readonly draft: CampaignDraftInput;
  readonly artifact: Artifact;
  readonly restoreSha256: string | undefined;
}

/**
 * Finds the artifacts that the file names.
 * @param push a firmware file that is not stored yet is uploaded.
 * @throws CliError at the place in the file where there is no such artifact
 */
export async function resolveFile(
  cli: Cli,
  api: Api,
  file: LoadedFile,
  { push }: { push: boolean },
): Promise<ResolvedFile> {
  const artifact = await artifactOf(cli, api, file, push);
  const { restore } = file.read;
  const restored = restore === undefined ? undefined : await named(file, ['onAbort'], () => findArtifact(api, restore));
  return {
    artifact,
    restoreSha256: restored?.sha256,
    draft: file.read.draft({ artifactId: artifact.id, restoreId: restored?.id }),
  };
}

async function artifactOf(cli: Cli, api: Api, file: LoadedFile, push: boolean): Promise<Artifact> {
  const wanted = file.read.artifact;
  if (wanted.kind === 'sha256') return named(file, ['artifact'], () => findArtifact(api, wanted.prefix));
  const path = isAbsolute(wanted.path) || file.path === '-' ? wanted.path : join(dirname(file.path), wanted.path);
  const bytes = await named(file, ['artifact'], () => readFirmware(path));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const { items } = await api.ask(api.client.GET('/api/v1/artifacts', { params: { query: { sha256, limit: 1 } } }));
  if (items[0]) return items[0];
  if (wanted.model === undefined) {
    throw invalidFile(
      file.name,
      [
        file.read.problemAt(
          ['artifact'],
          `${wanted.path} is not stored yet, and its model is not given. Push it first, or write {file: ${wanted.path}, model: MODEL}.`,
        ),
      ],
      'request.not-found',
    );
  }
  if (!push) {
    throw invalidFile(
      file.name,
      [
        file.read.problemAt(
          ['artifact'],
          `${wanted.path} is not stored yet. Push it first: drydock artifact push ${path} --model ${wanted.model}`,
        ),
      ],
      'request.not-found',
    );
  }
  const { artifact } = await pushFile(cli, api, path, { ...wanted, model: wanted.model });
  cli.out.say(`Uploaded ${wanted.path}: ${artifact.model} ${artifact.version}, sha256:${artifact.sha256.slice(0, 12)}`);
  return artifact;
}

/** A refusal that belongs to one value of the file. */
async function named<T>(file: LoadedFile, path: readonly string[], look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const message = `${error.message}${error.more.fix === undefined ? '' : ` Fix: ${error.more.fix}`}`;
    throw invalidFile(file.name, [file.read.problemAt(path, message)], error.code);
  }
}
