/**
 * Versions as Melody spells them: `Melody Audio V7.3 1544637564` in a file, `Melody Audio V7.3` and `Build: 1544637564` on
 * the command line. Drydock spells them `7.3+1544637564`; words between number and build come with hyphens: `5.5-RC11`.
 *
 * Source: descriptions of eight Melody files; Melody manuals 5.0, 6.x, 7.x (VERSION).
 */
export interface MelodyVersion {
  /** `7.3`, `6.0.46`. */
  readonly number: string;
  /** `RC11`, `TEST`; empty for releases. */
  readonly label: string;
  /** As decimal digits; absent where nothing states it (version 5 on the command line). */
  readonly build?: string;
}

const SPELLING = /^Melody Audio V(\d{1,4}(?:\.\d{1,4}){0,3})((?: [\w.-]{1,20}){0,4})$/;
const BUILD = /^\d{8,12}$/;

/** @returns undefined when the text is no Melody version. */
export function parseMelodyVersion(text: string): MelodyVersion | undefined {
  const match = SPELLING.exec(text.trim().replace(/ +/g, ' '));
  if (!match) return undefined;
  const words = match[2]!.split(' ').filter((word) => word !== '');
  const last = words.at(-1);
  const build = last !== undefined && BUILD.test(last) ? last : undefined;
  const label = (build === undefined ? words : words.slice(0, -1)).join('-');
  return { number: match[1]!, label, ...(build !== undefined && { build }) };
}

export function spellMelodyVersion({ number, label, build }: MelodyVersion): string {
  return `${number}${label === '' ? '' : `-${label}`}${build === undefined ? '' : `+${build}`}`;
}

/** The other way; undefined for what is spelled otherwise. */
export function readMelodyVersion(spelled: string): MelodyVersion | undefined {
  const match = /^(\d{1,4}(?:\.\d{1,4}){0,3})(?:-([\w.-]{1,80}))?(?:\+(\d{1,12}))?$/.exec(spelled);
  if (!match) return undefined;
  return { number: match[1]!, label: match[2] ?? '', ...(match[3] !== undefined && { build: match[3] }) };
}

/** Whether both name the same firmware. Version 5 does not state its build: then number and label decide. */
export function isSameMelody(left: MelodyVersion, right: MelodyVersion): boolean {
  const builds = left.build === undefined || right.build === undefined || left.build === right.build;
  return left.number === right.number && left.label.toLowerCase() === right.label.toLowerCase() && builds;
}

/** @returns less than 0 when `left` is older, by number and then by build. */
export function compareMelody(left: MelodyVersion, right: MelodyVersion): number {
  const parts = (version: MelodyVersion): number[] => version.number.split('.').map(Number);
  const [ours, theirs] = [parts(left), parts(right)];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const difference = (ours[index] ?? 0) - (theirs[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.build === undefined || right.build === undefined) return 0;
  return Number(left.build) - Number(right.build);
}
