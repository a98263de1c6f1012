/** What the rehearsal answered: when it ends, what a bad firmware would cost, how far it may be believed. */
import type { Rehearsal, RehearsalSpread } from '@drydock/contracts';
import { bytes, count, counted, percent } from '../format/numbers.js';
import { duration, when } from '../format/times.js';
import classes from './plan.module.css';

/** @param startMs when it would start: now, or the time that the plan names. */
export function RehearsalView({ rehearsal, startMs }: { rehearsal: Rehearsal; startMs: number }) {
  const { finish, halts, load, calibration, held, defaults } = rehearsal;
  const main = finish.find((one) => one.share >= 0.95) ?? finish.at(-1);
  const last = Math.max(1, ...finish.map((one) => one.afterMs.p90 ?? one.afterMs.p50 ?? 0));
  const at = (ms: number | null) => (ms === null ? 'not before its deadline' : when(startMs + ms, rehearsal.atMs));
  return (
    <div className="stack" style={{ gap: 16 }}>
      <p className={classes.answer}>
        {main === undefined
          ? 'Nothing of it could be played.'
          : `${share(main.share)} of the devices in reach are done by ${at(main.afterMs.p50)} (half of the runs) – ${at(main.afterMs.p90)} (9 in 10).`}
        {calibration.p90AfterMs !== null && calibration.source === 'past-forecasts' && (
          <> By how past rehearsals missed, 9 in 10 end by {at(calibration.p90AfterMs)}.</>
        )}
      </p>
      <ul className={classes.bands} aria-label="When it is done">
        {finish.map(({ share: part, afterMs }) => (
          <li key={part}>
            <span>{share(part)} done</span>
            <span className={classes.track} aria-hidden>
              {afterMs.p50 !== null && (
                <span
                  className={classes.band}
                  style={{
                    left: `${((afterMs.p10 ?? afterMs.p50) / last) * 100}%`,
                    width: `${(((afterMs.p90 ?? last) - (afterMs.p10 ?? afterMs.p50)) / last) * 100}%`,
                  }}
                />
              )}
              {afterMs.p50 !== null && (
                <span className={classes.middle} style={{ left: `${(afterMs.p50 / last) * 100}%` }} />
              )}
            </span>
            <span className="small">{spreadTime(afterMs)}</span>
          </li>
        ))}
      </ul>
      <p>
        {count(rehearsal.reachable)} of {counted(rehearsal.members, 'device')} are in reach of a gateway;{' '}
        {spread(rehearsal.outOfReach)} are unlikely to be reached in time, {spread(rehearsal.failed)} would fail. With
        the fleet’s own failure rates it halts in {percent(rehearsal.haltShare)} of the runs
        {held.share > 0 &&
          `; it stops for a person in ${percent(held.share)}${held.note === null ? '' : ` (${held.note})`}`}
        .
      </p>
      <div className={classes.scroll} tabIndex={0} role="region" aria-label="If the firmware is bad">
        <table className={classes.diff}>
          <caption>If the firmware is bad</caption>
          <thead>
            <tr>
              <th scope="col">So many fail</th>
              <th scope="col">It halts</th>
              <th scope="col">Devices hit (half – 9 in 10)</th>
              <th scope="col">After</th>
            </tr>
          </thead>
          <tbody>
            {halts.map((one) => (
              <tr key={one.failureRate}>
                <th scope="row">{one.failureRate === 1 ? 'all' : percent(one.failureRate)}</th>
                <td>
                  {one.haltShare === 1
                    ? 'always'
                    : one.haltShare === 0
                      ? 'never'
                      : `${percent(one.haltShare)} of the runs`}
                </td>
                <td>
                  {count(one.hit.p50)} – {count(one.hit.p90)}
                </td>
                <td>{one.haltAfterMs === null ? '–' : spreadTime(one.haltAfterMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="small muted">
        {bytes(load.downloadBytesPerGateway)} to each gateway; {count(rehearsal.runs)} runs
        {rehearsal.played < rehearsal.members && ` of ${count(rehearsal.played)} drawn devices`}, seed {rehearsal.seed}.{' '}
        {calibration.sentence}
      </p>
      {defaults.length > 0 && (
        <details>
          <summary>What was assumed, for want of anything known</summary>
          <ul>
            {defaults.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

const share = (part: number) => (part === 1 ? 'All' : `${Math.round(part * 100)} %`);

function spread({ p50, p90 }: RehearsalSpread): string {
  if (p50 === null) return 'an unknown number';
  return p90 === null || p90 === p50 ? count(Math.round(p50)) : `${count(Math.round(p50))}–${count(Math.round(p90))}`;
}

function spreadTime({ p50, p90 }: RehearsalSpread): string {
  const one = (ms: number | null) => (ms === null ? 'past the deadline' : duration(ms));
  return p50 === p90 ? one(p50) : `${one(p50)} – ${one(p90)}`;
}
