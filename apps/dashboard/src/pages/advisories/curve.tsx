import { count } from '../../format/numbers.js';
import { when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { Plot } from '../../pieces/plot.js';
import { useMemo } from 'react';
import type { CurvePoint } from './exposure-curve.js';
import classes from './advisories.module.css';

/** Down to zero in steps; what came (back) is marked, so that a flat line is explained. */
export function Curve({ points }: { points: readonly CurvePoint[] }) {
  const now = useServerNow(60_000);
  const plot = useMemo(() => {
    const sum = (pick: (point: CurvePoint) => number) => points.map(pick);
    return {
      x: points.map(({ atMs }) => atMs),
      series: [
        {
          label: 'with version not known',
          values: sum((p) => p.inReach + p.outOfReach + p.unknown),
          ink: 'waiting',
          steps: true,
          dashed: true,
          width: 1,
        },
        {
          label: 'out of reach',
          values: sum((p) => p.inReach + p.outOfReach),
          ink: 'unknown',
          steps: true,
          fill: true,
        },
        { label: 'in reach', values: sum((p) => p.inReach), ink: 'person', steps: true, fill: true },
      ] as const,
    };
  }, [points]);
  const came = points.filter((point) => point.came > 0);
  if (points.length < 2) {
    return (
      <p className="muted">The curve begins with the next sample; open advisories are counted every few minutes.</p>
    );
  }
  const say = (point: CurvePoint) =>
    `${when(point.atMs, now)}: ${count(point.inReach)} in reach, ${count(point.outOfReach)} out of reach, ${count(point.unknown)} not known${point.came > 0 ? `, ${count(point.came)} came` : ''}`;
  return (
    <section aria-labelledby="curve" className="stack">
      <h2 id="curve">Exposed over time</h2>
      <Plot
        {...plot}
        time
        label={`Exposed devices: ${say(points.at(-1)!)}`}
        describe={(index) => (points[index] ? say(points[index]) : '')}
        table={{
          head: ['Time', 'In reach', 'Out of reach', 'Version not known', 'Came'],
          rows: points.map((p) => [
            when(p.atMs, now),
            count(p.inReach),
            count(p.outOfReach),
            count(p.unknown),
            p.came === 0 ? '' : `▲ ${count(p.came)}`,
          ]),
        }}
      />
      <p className={classes.legend}>
        <span>
          <i data-ink="person" aria-hidden /> in reach
        </span>
        <span>
          <i data-ink="unknown" aria-hidden /> out of reach (gateway away, or none)
        </span>
        <span>
          <i data-ink="waiting" data-dashed aria-hidden /> with version not known
        </span>
        {came.slice(-4).map((point) => (
          <span key={point.atMs}>
            ▲ {count(point.came)} came {when(point.atMs, now)}
          </span>
        ))}
      </p>
    </section>
  );
}
