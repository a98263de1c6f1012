/** Series of the API as lines of a plot. A gap in the data stays a gap. */
import type { CampaignForecast, CampaignSeries } from '@drydock/contracts';
import type { PlotSeries } from '../../pieces/plot-canvas.js';

export interface Lines {
  readonly x: readonly number[];
  readonly series: readonly PlotSeries[];
}

/** Points with a hole where the data has one. */
function withGaps(series: CampaignSeries): { at: number; point: CampaignSeries['points'][number] | undefined }[] {
  const filled: { at: number; point: CampaignSeries['points'][number] | undefined }[] = [];
  let before: number | undefined;
  for (const point of series.points) {
    const at = Date.parse(point.at);
    if (before !== undefined && at - before > series.gapMs) filled.push({ at: before + 1, point: undefined });
    filled.push({ at, point });
    before = at;
  }
  return filled;
}

export function provenLines(series: CampaignSeries, forecast: CampaignForecast | undefined): Lines {
  const filled = withGaps(series);
  const last = filled.at(-1);
  const ends = (['p10', 'p50', 'p90'] as const).flatMap((quantile) => {
    const at = forecast?.[quantile];
    return at === null || at === undefined || last === undefined || Date.parse(at) <= last.at
      ? []
      : [{ quantile, at: Date.parse(at) }];
  });
  const x = [...filled.map(({ at }) => at), ...ends.map(({ at }) => at)].sort((a, b) => a - b);
  const value = (at: number, of: (point: CampaignSeries['points'][number]) => number): number | null => {
    const found = filled.find((each) => each.at === at)?.point;
    return found ? of(found) : null;
  };
  const target = last?.point?.target ?? 0;
  const proven = last?.point?.proven ?? 0;
  return {
    x,
    series: [
      {
        label: 'target',
        values: x.map((at) => (last && at > last.at ? target : value(at, (point) => point.target))),
        ink: 'waiting',
        dashed: true,
        width: 1,
      },
      { label: 'proven', values: x.map((at) => value(at, (point) => point.proven)), ink: 'proven' },
      ...ends.map(({ quantile, at: end }) => ({
        label: `forecast ${quantile}`,
        // A straight line from now to the end: the forecast says when, not how.
        values: x.map((at) =>
          last === undefined || at < last.at || at > end
            ? null
            : proven + ((target - proven) * (at - last.at)) / (end - last.at),
        ),
        ink: 'flight' as const,
        dashed: quantile !== 'p50',
        width: 1.5,
      })),
    ],
  };
}

export function paceLines(series: CampaignSeries): Lines {
  const filled = withGaps(series);
  return {
    x: filled.map(({ at }) => at),
    series: [
      {
        label: 'cap',
        values: filled.map(({ point }) => (point ? series.capPerMinute : null)),
        ink: 'waiting',
        dashed: true,
        width: 1,
      },
      {
        label: 'starts a minute',
        values: filled.map(({ point }) => point?.startsPerMinute ?? null),
        ink: 'flight',
        steps: true,
      },
    ],
  };
}
