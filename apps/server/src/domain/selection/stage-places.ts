/**
 * Who may be granted in a stage: places left by stratum, and what has to be said about strata without a canary.
 * Membership is fixed at the grant: nobody granted is moved, a stratum that grew gets more places, one that shrank
 * takes none back.
 */
import { quotas, type Stratum } from './quotas.js';

/** Strata with fewer devices give one to the canary and the rest to the last stage. */
export const SMALL_STRATUM = 5;

export interface StratumState extends Stratum {
  /** Devices of the stratum granted in this campaign so far. */
  readonly granted: number;
  /** Its first devices went through and its brake test let it open; only asked of strata without a canary. */
  readonly tried: boolean;
}

export type StagePart = 'canary' | 'middle' | 'last';

export interface StratumPlaces {
  readonly name: string;
  readonly quota: number;
  /** Places that may still be granted; never below 0. */
  readonly left: number;
  /** No place in the canary: its first devices go one by one before it opens. */
  readonly withoutCanary: boolean;
}

/** First devices of a stratum without a canary that go alone before the others of it. */
export const FIRST_ALONE = 3;

/**
 * Places of the stages up to and including this one.
 * @param cumulativePlaces devices of all stages so far, this one included.
 * @param canaryPlaces of the first stage, for the strata that have none there.
 */
export function stagePlaces(
  strata: readonly StratumState[],
  cumulativePlaces: number,
  canaryPlaces: number,
  part: StagePart,
): StratumPlaces[] {
  const canary = heldSmall(strata, canaryPlaces);
  const quota =
    part === 'last' ? new Map(strata.map((one) => [one.name, one.size])) : heldSmall(strata, cumulativePlaces);
  return strata.map((stratum) => {
    const mine = quota.get(stratum.name)!;
    const withoutCanary = stratum.size > 0 && canary.get(stratum.name) === 0;
    const left = Math.max(0, mine - stratum.granted);
    const alone = withoutCanary && part !== 'canary' && !stratum.tried;
    return { name: stratum.name, quota: mine, left: alone ? Math.min(left, 1) : left, withoutCanary };
  });
}

/** Small strata take one place; beyond the larger ones' devices nothing is given before the last stage. */
function heldSmall(strata: readonly Stratum[], places: number): Map<string, number> {
  return quotas(
    strata.map(({ name, size }) => (size < SMALL_STRATUM ? { name, size, most: 1 } : { name, size })),
    places,
  );
}

/** What a person should know of the canary's cover, from the largest stratum without one; empty if all have one. */
export function withoutCanarySentences(strata: readonly Stratum[], canaryPlaces: number): string[] {
  const canary = heldSmall(strata, canaryPlaces);
  return strata
    .filter((stratum) => stratum.size > 0 && canary.get(stratum.name) === 0)
    .sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1))
    .map(
      ({ name, size }) =>
        `${name} (${size} ${size === 1 ? 'device' : 'devices'}) has no canary among ${canaryPlaces} places: ` +
        `its first ${Math.min(size, FIRST_ALONE)} go one by one before the others of it.`,
    );
}

/** How a canary is shared out, for a preview: "ble-1 from 1.2: 13 of 700; ...". */
export function canarySentence(strata: readonly Stratum[], canaryPlaces: number): string {
  const canary = heldSmall(strata, canaryPlaces);
  const parts = strata
    .filter((stratum) => canary.get(stratum.name)! > 0)
    .map((stratum) => `${stratum.name}: ${canary.get(stratum.name)} of ${stratum.size}`);
  return parts.length === 0 ? 'The canary holds no device.' : `The canary holds ${parts.join('; ')}.`;
}

/** May a stratum without a canary open? After its first devices are proven, and only while none of them failed. */
export function firstOnesTried(firstProven: number, firstFailed: number, size: number): boolean {
  return firstFailed === 0 && firstProven >= Math.min(size, FIRST_ALONE);
}
