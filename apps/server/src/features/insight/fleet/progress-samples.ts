/** How the bytes of one transfer came over time: a bounded series that keeps its whole span. Pure. */

export interface Sample {
  readonly atMs: number;
  readonly sentBytes: number;
}

export const MOST_SAMPLES = 48;

/**
 * @param samples oldest first. @returns at most {@link MOST_SAMPLES}, the first and the newest always among them; where
 * bytes went back, an attempt began anew and so does the series.
 */
export function withSample(samples: readonly Sample[], newest: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last && newest.sentBytes < last.sentBytes) return [newest];
  const all = [...samples, newest];
  if (all.length <= MOST_SAMPLES) return all;
  // Every second one goes: what is older is as close together as what is newer, until the next time.
  return all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
}
