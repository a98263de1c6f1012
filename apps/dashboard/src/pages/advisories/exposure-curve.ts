/** How exposure went: samples of each model as steps of one curve, and where devices came (back). */
import type { Exposure, ExposureSample } from '@drydock/contracts';

export interface CurvePoint {
  readonly atMs: number;
  readonly inReach: number;
  readonly outOfReach: number;
  readonly unknown: number;
  readonly total: number;
  /** More exposed than at the point before: newly arrived, or back on an affected version. */
  readonly came: number;
}

const MOST_POINTS = 500;
type Numbers = Pick<ExposureSample, 'affected' | 'affectedSilent' | 'unknown' | 'total'>;

/**
 * A model that was not sampled at a moment still is as it was: a step, not a gap. The last point is what is counted now.
 * @param samples oldest first. @returns at most 500 points; where there are more, rises and the last of each stretch stay.
 */
export function exposureCurve(samples: readonly ExposureSample[], now?: Exposure): CurvePoint[] {
  const models = new Map<string, Numbers>();
  const points: CurvePoint[] = [];
  const push = (atMs: number, numbers: Iterable<Numbers>) => {
    const sum = { affected: 0, affectedSilent: 0, unknown: 0, total: 0 };
    for (const one of numbers) {
      sum.affected += one.affected;
      sum.affectedSilent += one.affectedSilent;
      sum.unknown += one.unknown;
      sum.total += one.total;
    }
    const before = points.at(-1);
    const exposed = (point: CurvePoint) => point.inReach + point.outOfReach;
    points.push({
      atMs,
      inReach: sum.affected - sum.affectedSilent,
      outOfReach: sum.affectedSilent,
      unknown: sum.unknown,
      total: sum.total,
      came: before ? Math.max(0, sum.affected - exposed(before)) : 0,
    });
  };
  samples.forEach((sample, index) => {
    models.set(sample.model, sample);
    // Samples of several models at one moment are one point.
    if (samples[index + 1]?.at !== sample.at) push(Date.parse(sample.at), models.values());
  });
  if (now) {
    push(now.atMs, [
      {
        affected: now.affected.devices,
        affectedSilent: now.affected.silent,
        unknown: now.unknown.devices,
        total: now.total,
      },
    ]);
  }
  return thinned(points);
}

function thinned(points: readonly CurvePoint[]): CurvePoint[] {
  if (points.length <= MOST_POINTS) return [...points];
  const every = points.length / (MOST_POINTS / 2);
  const kept = points.filter(
    (point, index) =>
      index === points.length - 1 || Math.floor(index / every) !== Math.floor((index + 1) / every) || point.came > 0,
  );
  return kept.slice(-MOST_POINTS);
}

/** Since when nobody runs an affected version; undefined while somebody does, or nothing was sampled. */
export function zeroSince(points: readonly CurvePoint[]): number | undefined {
  let since: number | undefined;
  for (let index = points.length - 1; index >= 0; index--) {
    const point = points[index]!;
    if (point.inReach + point.outOfReach > 0) break;
    since = point.atMs;
  }
  return since;
}
