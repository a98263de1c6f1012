/** What two plans say differently: the server compares, and its places and values are said in the words of the campaign file. */
import type { components } from '@drydock/api-client';
import { apiPathOf, filePathOf, spellingOf } from '@drydock/contracts/campaign-file';

type PolicyDiff = components['schemas']['PolicyDiff'];

export interface Difference {
  /** Place in the campaign file. */
  readonly path: string;
  /** Null: not said. */
  readonly before: string | null;
  readonly after: string | null;
  /** More may go wrong before somebody looks; false also where neither is stricter. */
  readonly looser: boolean;
}

export function differencesOf(diff: PolicyDiff): Difference[] {
  return diff.lines.map(({ path, from, to, looser }) => {
    const api = apiPathOf(path);
    return {
      path: path === 'artifact' ? path : textOf(filePathOf(api)),
      before: valueOf(api, from),
      after: valueOf(api, to),
      looser: looser === true,
    };
  });
}

function textOf(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );
}

/** As the file would write it. */
function valueOf(api: readonly (string | number)[], value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return `[${value.join(', ')}]`;
  if (typeof value === 'object') return flowOf(api, value);
  const written = spellingOf(api).write(value as string | number | boolean);
  return typeof written === 'object' ? JSON.stringify(written) : String(written);
}

/** `{rule: FREQ=DAILY, lasts: 6h}`: what came or went as a whole. */
function flowOf(api: readonly (string | number)[], value: object): string {
  if (Array.isArray(value))
    return `[${value.map((item, index) => valueOf([...api, index], item) ?? 'none').join(', ')}]`;
  const parts = Object.entries(value)
    .filter(([, part]) => part !== null && part !== undefined)
    .map(([key, part]) => {
      const place = filePathOf([...api, key]).at(-1) ?? key;
      return `${place}: ${valueOf([...api, key], part) ?? 'none'}`;
    });
  return `{${parts.join(', ')}}`;
}

export function differenceLines(differences: readonly Difference[]): string[] {
  const width = Math.min(44, Math.max(0, ...differences.map(({ path }) => path.length)));
  return differences.map(
    ({ path, before, after, looser }) =>
      `  ${path.padEnd(width)}  ${before ?? '(not said)'} → ${after ?? '(not said)'}${looser ? '  ⚠ looser' : ''}`,
  );
}
