/** Order of version strings as vendors write them: numbers compare as numbers, a suffix ranks below none. */

/**
 * @returns negative when a is older, positive when newer, 0 when the same, undefined when it cannot be told.
 * Understood: an optional `v`, dotted numbers, then an optional pre-release after `-`; a build number after `+`
 * decides between otherwise equal versions (MCUboot's fourth number).
 */
export function compareVersions(a: string, b: string): number | undefined {
  const left = parse(a);
  const right = parse(b);
  if (!left || !right) return undefined;
  const length = Math.max(left.numbers.length, right.numbers.length);
  for (let at = 0; at < length; at++) {
    const difference = (left.numbers[at] ?? 0) - (right.numbers[at] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre !== right.pre) {
    if (left.pre === '') return 1;
    if (right.pre === '') return -1;
    return left.pre < right.pre ? -1 : 1;
  }
  return left.build - right.build;
}

function parse(text: string): { numbers: number[]; pre: string; build: number } | undefined {
  const match = /^v?(\d{1,10}(?:\.\d{1,10}){0,7})(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/.exec(text.trim());
  if (!match) return undefined;
  const numbers = match[1]!.split('.').map(Number);
  const build = match[3] !== undefined && /^\d{1,10}$/.test(match[3]) ? Number(match[3]) : 0;
  // MCUboot's fourth number is written `1.2.3+4` by its tools and `1.2.3.4` by devices.
  if (numbers.length === 3) return { numbers: [...numbers, build], pre: match[2] ?? '', build: 0 };
  return { numbers, pre: match[2] ?? '', build };
}
