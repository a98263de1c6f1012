/**
 * Stepping stones: an artifact that follows only some running versions is reached over others of its model. The search
 * goes backwards from the artifact, so that one walk answers for all versions of a fleet; versions are few, devices many.
 */
import { compareVersions } from './version-order.js';

/** A stored artifact as a stone of a path. */
export interface Stone {
  readonly id: string;
  /** What calls itself so when it runs. */
  readonly version: string;
  /** Running versions that it may follow; empty: any. */
  readonly requires: readonly string[];
}

/** Where a version goes first, and over which versions it comes to the target. */
export interface SteppingStep {
  readonly artifactId: string;
  /** In the order in which they run; the target is not among them. */
  readonly through: readonly string[];
}

/** Longer paths are refused: somebody has to look. */
export const LONGEST_CHAIN = 8;

/**
 * The shortest chain for every version that cannot take the target directly; among equally short ones the newest stone
 * first. No step goes back to an older version unless downgrades are allowed.
 *
 * @param versions running versions that are asked for; empty strings are not known versions and have no chain.
 * @param stored artifacts of the model that can be proven; the target may be among them.
 * @returns by version; what needs no stone and what no chain reaches is left out.
 */
export function steppingStones(
  target: Stone,
  stored: readonly Stone[],
  versions: readonly string[],
  allowDowngrade: boolean,
): Map<string, SteppingStep> {
  const stones = stored.filter((stone) => stone.id !== target.id && stone.version !== target.version).sort(newestFirst);
  const known = new Set([...versions, ...stones.map((stone) => stone.version)].filter((version) => version !== ''));
  const through = new Map<string, readonly string[]>();
  const first = new Map<string, SteppingStep>();
  let reached = [...known].filter((version) => mayTake(version, target, allowDowngrade));
  for (const version of reached) through.set(version, []);
  for (let length = 1; length <= LONGEST_CHAIN && reached.length > 0; length++) {
    const next: string[] = [];
    for (const stone of stones.filter(({ version }) => reached.includes(version))) {
      for (const version of known) {
        if (through.has(version) || !mayTake(version, stone, allowDowngrade)) continue;
        const path = [stone.version, ...through.get(stone.version)!];
        through.set(version, path);
        first.set(version, { artifactId: stone.id, through: path });
        next.push(version);
      }
    }
    reached = next;
  }
  return first;
}

function mayTake(running: string, stone: Stone, allowDowngrade: boolean): boolean {
  if (running === stone.version) return false;
  if (!allowDowngrade && (compareVersions(running, stone.version) ?? 0) > 0) return false;
  return stone.requires.length === 0 || stone.requires.includes(running);
}

function newestFirst(a: Stone, b: Stone): number {
  return (
    (compareVersions(b.version, a.version) ?? 0) ||
    (a.version < b.version ? 1 : a.version > b.version ? -1 : 0) ||
    (a.id < b.id ? -1 : 1)
  );
}
