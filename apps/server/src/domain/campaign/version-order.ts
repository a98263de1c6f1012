/**
 * Order of version strings as vendors write them: numbers compare as numbers, a suffix ranks below none.
 *
 * Understood: an optional `v`, up to eight dotted numbers of at most ten digits (`1.2` = `1.2.0`), then an optional
 * pre-release after `-`, compared by Semantic Versioning 2.0.0, section 11; a build number after `+` decides between
 * otherwise equal versions. MCUboot's fourth number is written `1.2.3+4` by its tools and `1.2.3.4` by devices: both are
 * the same version. Anything else has no place in the order.
 *
 * The order is that of a key, compared byte by byte. The database function `drydock_version_key` (migration 0002) spells
 * the same key, so that SQL and this file cannot differ; a property test holds both together.
 */

/** What a version string says, or undefined when it has no place in the order. */
export interface VersionParts {
  readonly numbers: readonly number[];
  readonly pre: readonly string[];
  readonly build: number;
}

const FORM =
  /^[ \t]*v?([0-9]{1,10}(?:\.[0-9]{1,10}){0,7})(?:-([0-9A-Za-z.-]{1,128}))?(?:\+([0-9A-Za-z.-]{1,128}))?[ \t]*$/;

export function parseVersion(text: string): VersionParts | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const numbers = match[1]!.split('.').map(Number);
  const pre = match[2] === undefined ? [] : match[2].split('.');
  const build = match[3] !== undefined && /^[0-9]{1,10}$/.test(match[3]) ? Number(match[3]) : 0;
  if (numbers.length > 3 || pre.length > 0 || build === 0) return { numbers, pre, build };
  return { numbers: [...numbers, 0, 0].slice(0, 3).concat(build), pre, build: 0 };
}

/**
 * A text whose order, byte by byte, is the order of the versions; the same for versions that are equal.
 * @returns undefined when the text has no place in the order.
 */
export function versionKey(text: string): string | undefined {
  const parts = parseVersion(text);
  return parts && keyOf(parts);
}

export function keyOf({ numbers, pre, build }: VersionParts): string {
  const buildKey = build === 0 ? '' : numberKey(build);
  return numbersKey(numbers) + (pre.length === 0 ? `.${buildKey}` : `!${pre.map(identifierKey).join('')}#${buildKey}`);
}

/**
 * Numbers without the zeros at their end. What follows in a key ranks so: `!` a pre-release, `.` the release itself,
 * a digit one more number.
 */
export function numbersKey(numbers: readonly number[]): string {
  const last = numbers.findLastIndex((number) => number !== 0);
  return numbers
    .slice(0, last + 1)
    .map(numberKey)
    .join('');
}

/** The count of digits goes first, so that more digits rank higher. */
function numberKey(number: number): string {
  return number === 0 ? '0' : String.fromCharCode(48 + String(number).length) + String(number);
}

/** Numeric identifiers rank below others; `!` at the end ranks below every character of an identifier. */
export function identifierKey(identifier: string): string {
  if (!/^[0-9]+$/.test(identifier)) return `x${identifier}!`;
  const digits = identifier.replace(/^0+/, '');
  return `n${String(digits.length).padStart(3, '0')}${digits}!`;
}

/** @returns negative when a is older, positive when newer, 0 when the same, undefined when it cannot be told. */
export function compareVersions(a: string, b: string): number | undefined {
  const left = versionKey(a);
  const right = versionKey(b);
  if (left === undefined || right === undefined) return undefined;
  return left === right ? 0 : left < right ? -1 : 1;
}
