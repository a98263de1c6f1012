/**
 * Ranges of versions in npm's notation (`>=1.2 <2`, `^1.4`, `1.x || 3.0.0`), read by the `semver` library and turned into
 * stretches of version keys, so that the database and the evaluator look at the same bounds.
 *
 * A range speaks of three numbers. A fourth number or a build number does not matter to it (`1.2.3+4` is within
 * `<=1.2.3`), as Semantic Versioning 2.0.0, section 10, says of build metadata. Pre-releases count as what they are in
 * the order: `2.0.0-rc.1` is within `>=1.2 <=2.0.0`, not within `<2`; left out, they would escape a selection in silence.
 */
import { Range, type Comparator } from 'semver';
import { identifierKey, numbersKey } from './version-order.js';

/** Keys at or above `from` and below `below`; an end that is left out is open. */
export interface KeyStretch {
  readonly from?: string;
  readonly below?: string;
}

/** @returns stretches of keys, any of which is enough, or undefined when the text is no range. */
export function parseVersionRange(text: string): KeyStretch[] | undefined {
  // Read by the library as "any version", which nobody means who leaves it empty.
  if (text.trim() === '') return undefined;
  try {
    const { set } = new Range(text, { includePrerelease: true });
    return set.map((comparators) => comparators.map(stretchOf).reduce(cut, {}));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

export function isWithin(key: string, { from, below }: KeyStretch): boolean {
  return (from === undefined || key >= from) && (below === undefined || key < below);
}

function stretchOf({ operator, semver }: Comparator): KeyStretch {
  // The library's mark for "any version" is no version at all.
  if (!(semver instanceof Object) || semver.version === undefined) return {};
  const { major, minor, patch, prerelease } = semver;
  const first = numbersKey([major, minor, patch]);
  const pre = prerelease.map((identifier) => identifierKey(String(identifier))).join('');
  // `.` begins the release's own keys, `!` those of its pre-releases; `$` follows the `#` that ends a pre-release.
  const from = pre === '' ? releaseFrom(major, minor, patch) : `${first}!${pre}#`;
  const below = pre === '' ? `${numbersKey([major, minor, patch + 1])}!` : `${first}!${pre}$`;
  switch (operator) {
    case '<':
      return { below: from };
    case '<=':
      return { below };
    case '>':
      return { from: below };
    case '>=':
      return { from };
    default:
      return { from, below };
  }
}

const releaseFrom = (...numbers: number[]): string => `${numbersKey(numbers)}.`;

function cut(a: KeyStretch, b: KeyStretch): KeyStretch {
  const from = a.from === undefined || (b.from !== undefined && b.from > a.from) ? b.from : a.from;
  const below = a.below === undefined || (b.below !== undefined && b.below < a.below) ? b.below : a.below;
  return { ...(from !== undefined && { from }), ...(below !== undefined && { below }) };
}
