/** Comparing versions as units and files spell them. */

/**
 * Compares versions of dotted numbers (`1.10.0` is newer than `1.9`; a single number is one).
 * @returns false when either is something else: what cannot be compared is not called older.
 */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const left = numbersOf(version);
  const right = numbersOf(than);
  if (!left || !right) return false;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbersOf(version: string | undefined): number[] | undefined {
  const match = /^v?(\d{1,10}(?:\.\d{1,10}){0,5})$/i.exec(version ?? '');
  return match?.[1]!.split('.').map(Number);
}

/** A Gecko Bootloader version word: `2.4.1`. */
export function spellBootloaderVersion(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${word & 0xffff}`;
}
