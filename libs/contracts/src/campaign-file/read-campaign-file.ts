/**
 * Reads a campaign file. Any text is survived; everything that is wrong is told at once, with its place.
 */
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { CampaignDraft } from '../http/campaigns-api.js';
import { nearestOf } from '../nearest-word.js';
import type { ProblemPlace } from '../problem.js';
import { CampaignFile, namedArtifact, namedRestore, type NamedArtifact } from './file-schema.js';
import { apiPathOf, draftOfFile, filePathOf, spellingOf, type CampaignDraftInput, type Path } from './map-draft.js';
import { Places, printable, type TextPlace } from './places.js';

/** Longest file that is read. */
export const MAX_CAMPAIGN_FILE_CHARS = 512 * 1024;
/** More faults than these help nobody. */
const MOST_PROBLEMS = 50;
/** Stands in for ids that only the server knows. */
const ANY_ID = '00000000-0000-4000-8000-000000000000';

export interface CampaignFileProblem extends TextPlace {
  /** Place in the file, `stages[2].gate.soak`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly nearest?: string;
}

export interface CampaignFileRead {
  readonly ok: true;
  readonly file: CampaignFile;
  readonly artifact: NamedArtifact;
  /** Digits of the SHA-256 of what an abort goes back to. */
  readonly restore: string | undefined;
  /** The body for the API. @param ids of the artifacts that the file names. */
  readonly draft: (ids: { readonly artifactId: string; readonly restoreId?: string | undefined }) => CampaignDraftInput;
  /** What the API found wrong, at its place in the file. */
  readonly problemsOf: (errors: readonly ProblemPlace[]) => CampaignFileProblem[];
  /** The place of one value of the file. */
  readonly problemAt: (path: Path, message: string) => CampaignFileProblem;
}

export type ReadCampaignFile = CampaignFileRead | { readonly ok: false; readonly problems: CampaignFileProblem[] };

export function readCampaignFile(text: string): ReadCampaignFile {
  const places = new Places(text.length > MAX_CAMPAIGN_FILE_CHARS ? '' : text);
  if (text.length > MAX_CAMPAIGN_FILE_CHARS) {
    const message = `The file has ${text.length} characters; at most ${MAX_CAMPAIGN_FILE_CHARS} are read.`;
    return { ok: false, problems: [{ ...places.ofOffset(0), path: '', message }] };
  }
  const tree = treeOf(text, places);
  if ('problems' in tree) return { ok: false, problems: tree.problems };
  const formed = CampaignFile.safeParse(tree.value);
  if (!formed.success) return { ok: false, problems: ofIssues(formed.error.issues, tree.value, places) };
  const file = formed.data;
  const restore = namedRestore(file.onAbort);
  const ids = { artifactId: ANY_ID, restoreId: ANY_ID };
  const judged = CampaignDraft.safeParse(draftOfFile(file, ids));
  if (!judged.success) return { ok: false, problems: ofApiIssues(judged.error.issues, file, places) };
  const problemAt = (path: Path, message: string): CampaignFileProblem => ({
    ...places.ofValue(path),
    path: nameOf(path),
    message,
  });
  return {
    ok: true,
    file,
    artifact: namedArtifact(file.artifact),
    restore,
    draft: (known) => draftOfFile(file, known),
    problemAt,
    problemsOf: (errors) =>
      errors.map(({ path, message, at, length, nearest }) => {
        const inFile = filePathOf(apiPathOf(path));
        return {
          ...(at === undefined ? places.ofValue(inFile) : places.ofPart(inFile, at, length ?? 1)),
          path: nameOf(inFile) || path,
          message,
          ...(nearest !== undefined && { nearest }),
        };
      }),
  };
}

function treeOf(
  text: string,
  places: Places,
): { readonly value: unknown } | { readonly problems: CampaignFileProblem[] } {
  try {
    const document = parseDocument(text, { prettyErrors: false, stringKeys: true, logLevel: 'error' });
    places.use(document);
    if (document.errors.length > 0) {
      return {
        problems: document.errors.slice(0, MOST_PROBLEMS).map(({ pos: [from, to], message }) => ({
          ...places.ofOffset(from, to - from),
          path: '',
          message: printable(`This is no YAML: ${message}.`).replace(/\.\.$/, '.'),
        })),
      };
    }
    return { value: document.toJS({ maxAliasCount: 20 }) as unknown };
  } catch (error) {
    // Nested so deeply, or with so many aliases, that the library gives up.
    const message = printable(
      `This cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}.`,
    );
    return { problems: [{ ...places.ofOffset(0), path: '', message }] };
  }
}

type Issue = z.core.$ZodIssue;

/** What is wrong with the form. */
function ofIssues(issues: readonly Issue[], tree: unknown, places: Places): CampaignFileProblem[] {
  return issues
    .flatMap((issue): CampaignFileProblem[] => {
      const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
      if (issue.code === 'unrecognized_keys') {
        const known = keysAt(path);
        return issue.keys.map((key) => {
          const nearest = nearestOf(key, known);
          const hint = nearest === undefined ? `Known are ${known.join(', ')}.` : `Did you mean ${nearest}?`;
          return {
            ...places.ofKey([...path, key]),
            path: nameOf([...path, key]),
            message: `There is no ${quoted(key)} here. ${hint}`,
            ...(nearest !== undefined && { nearest }),
          };
        });
      }
      const missing = issue.code !== 'custom' && valueAt(tree, path) === undefined;
      const message = missing ? `${nameOf(path) || 'The campaign'} is missing. ` : '';
      return [{ ...places.ofValue(path), path: nameOf(path), message: `${message}${sentence(issue)}` }];
    })
    .sort(byPlace)
    .slice(0, MOST_PROBLEMS);
}

/** What the API would refuse, in the file's own units. */
function ofApiIssues(issues: readonly Issue[], file: CampaignFile, places: Places): CampaignFileProblem[] {
  return issues
    .map((issue): CampaignFileProblem => {
      const api = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
      const path = filePathOf(api);
      const at = places.ofValue(path);
      const said = quoted(valueAt(file, path));
      const { write } = spellingOf(api);
      const edge = (value: number | bigint): string => quoted(write(Number(value)));
      let message = sentence(issue);
      if (issue.code === 'too_big' && issue.origin !== 'string' && issue.origin !== 'array') {
        message = `${said} is too much. Write ${issue.inclusive === false ? 'less than' : 'at most'} ${edge(issue.maximum)}.`;
      } else if (issue.code === 'too_small' && issue.origin !== 'string' && issue.origin !== 'array') {
        message = `${said} is too little. Write ${issue.inclusive === false ? 'more than' : 'at least'} ${edge(issue.minimum)}.`;
      } else if (issue.code === 'invalid_format' && path.at(-1) === 'name') {
        message = `${said} is no name here. Write lower-case letters, digits, dots and hyphens, at most 63.`;
      } else if (issue.code === 'invalid_format' && issue.format === 'uuid') {
        message = `${said} is no id.`;
      } else if (issue.code === 'invalid_type' && issue.expected === 'int') {
        message = `${said} is no whole number.`;
      } else if (issue.code === 'invalid_type' && valueAt(file, path) === undefined) {
        message = `${nameOf(path)} is missing.`;
      }
      return { ...at, path: nameOf(path), message };
    })
    .sort(byPlace)
    .slice(0, MOST_PROBLEMS);
}

const byPlace = (a: TextPlace, b: TextPlace): number => a.line - b.line || a.column - b.column;

function sentence(issue: Issue): string {
  const text = issue.message.replace(/^Invalid input: /, '').trim();
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function nameOf(path: Path): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${printable(key)}`))
    .join('');
}

function valueAt(tree: unknown, path: Path): unknown {
  let at = tree;
  for (const key of path) at = (at as Record<string | number, unknown> | null | undefined)?.[key];
  return at;
}

function quoted(value: unknown): string {
  const text = printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'This'));
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Keys that the schema knows at a place. */
function keysAt(path: Path): string[] {
  let at: unknown = CampaignFile;
  for (const key of path) {
    at = inner(at).find((option) => (typeof key === 'number' ? 'element' in option : shapeOf(option)?.[key]));
    at = typeof key === 'number' ? (at as { element?: unknown } | undefined)?.element : shapeOf(at)?.[key];
  }
  return [...new Set(inner(at).flatMap((option) => Object.keys(shapeOf(option) ?? {})))];
}

/** A schema without its wrappers; every option of a union. */
function inner(schema: unknown): object[] {
  if (typeof schema !== 'object' || schema === null) return [];
  if ('options' in schema && Array.isArray(schema.options)) return schema.options.flatMap(inner);
  if ('unwrap' in schema && typeof schema.unwrap === 'function' && !('element' in schema)) {
    return inner((schema as { unwrap: () => unknown }).unwrap());
  }
  return [schema];
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  if (typeof schema !== 'object' || schema === null || !('shape' in schema)) return undefined;
  return schema.shape as Record<string, unknown>;
}
