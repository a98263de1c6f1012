/** What two plans say differently, in the words of the campaign file; marked where the second is looser. */
import { fileOfCampaign, parseDuration, parseShare, type StoredCampaign } from '@drydock/contracts/campaign-file';

export interface Difference {
  /** Place in the campaign file. */
  readonly path: string;
  /** Null: not said. */
  readonly before: string | null;
  readonly after: string | null;
  /** More may go wrong before somebody looks. */
  readonly looser: boolean;
}

/** More of these is looser. */
const MORE_IS_LOOSER = [
  /^brake\.(?:limit|transportLimit)$/,
  /^stages\[\d+\]\.gate\.maxFailureShare$/,
  /^brake\.thresholds\[\d+\]\./,
  /^inFlight\./,
  /^pace\.(?:startPerMinute|factor|upTo)$/,
  /^unprovenAtMost$/,
];
const LESS_IS_LOOSER = [
  /^brake\.falseHalt$/,
  /^stages\[\d+\]\.gate\.(?:minKnown|soak)$/,
  /^approvals\.needed$/,
  /^pace\.(?:doubleEvery|everyProven)$/,
  /^minBattery$/,
];
const TRUE_IS_LOOSER = [/^acceptUnproven$/, /^devices\.allowDowngrade$/];
const FALSE_IS_LOOSER = [/^stages\[\d+\]\.gate\.approval$/, /^brake\.baseline$/];
/** Saying less of these is looser. */
const ABSENT_IS_LOOSER = [/^windows\[\d+\]/, /^inFlight\.site$/, /^minBattery$/, /^unprovenAtMost$/];

/** @param ignore places that always differ, as a name does between two campaigns. */
export function differencesOf(
  before: StoredCampaign,
  after: StoredCampaign,
  ignore: readonly string[] = [],
): Difference[] {
  const old = flat(fileOfCampaign(before));
  const now = flat(fileOfCampaign(after));
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((path) => !ignore.includes(path) && old.get(path) !== now.get(path))
    .map((path) => {
      const [a, b] = [old.get(path) ?? null, now.get(path) ?? null];
      return { path, before: a, after: b, looser: isLooser(path, a, b) };
    });
}

function isLooser(path: string, before: string | null, after: string | null): boolean {
  const is = (patterns: readonly RegExp[]): boolean => patterns.some((pattern) => pattern.test(path));
  if (after === null) return is(ABSENT_IS_LOOSER);
  if (before === null) return false;
  if (is(TRUE_IS_LOOSER)) return after === 'true';
  if (is(FALSE_IS_LOOSER)) return after === 'false';
  const [from, to] = [amount(before), amount(after)];
  if (from === undefined || to === undefined) return false;
  return (is(MORE_IS_LOOSER) && to > from) || (is(LESS_IS_LOOSER) && to < from);
}

function amount(text: string): number | undefined {
  const value = parseShare(text) ?? parseDuration(text) ?? Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function flat(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value) && value.some((item) => typeof item === 'object')) {
    for (const [index, item] of value.entries()) flat(item, `${path}[${index}]`, into);
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) flat(item, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) {
    into.set(path, Array.isArray(value) ? `[${value.join(', ')}]` : String(value));
  }
  return into;
}

export function differenceLines(differences: readonly Difference[]): string[] {
  const width = Math.min(44, Math.max(0, ...differences.map(({ path }) => path.length)));
  return differences.map(
    ({ path, before, after, looser }) =>
      `  ${path.padEnd(width)}  ${before ?? '(not said)'} → ${after ?? '(not said)'}${looser ? '  ⚠ looser' : ''}`,
  );
}
