/** A campaign that stands still says so: since when, by whom, what may still start, and what can be done. */
import type { Campaign } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { count, limit, percent } from '../../format/numbers.js';
import { countdown } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useSession } from '../../session/use-session.js';
import { evidenceWords } from './brake-steps.js';
import classes from './campaign.module.css';
import { endClock } from './exposure-words.js';
import { brakeQuery } from './queries.js';

export function Standing({ campaign }: { campaign: Campaign }) {
  if (!['paused', 'halted', 'aborting'].includes(campaign.state)) return null;
  return (
    <section
      className={classes.standing}
      data-family={campaignLook(campaign.state).family}
      aria-label="It stands still"
    >
      <Head campaign={campaign} />
      {campaign.state === 'halted' && <Evidence campaign={campaign} />}
      <Exposure campaign={campaign} />
    </section>
  );
}

function Head({ campaign }: { campaign: Campaign }) {
  const me = useSession()?.person.name;
  return (
    <p>
      <StateMark look={campaignLook(campaign.state)} strong /> <Time at={campaign.stateAt} fixed />
      {campaign.stateBy !== null && <> by {campaign.stateBy === me ? 'you' : campaign.stateBy}</>}
      {campaign.stateReason !== null && campaign.stateReason !== '' && <> · “{campaign.stateReason}”</>}
    </p>
  );
}

/** What the brake saw. */
function Evidence({ campaign }: { campaign: Campaign }) {
  const { data } = useQuery(brakeQuery(campaign.id));
  const rung = data?.tests.find((test) => test.rings);
  const { failure } = campaign.shares;
  return (
    <p>
      {count(failure.n)} of {count(failure.of)} tried failed, reverted or are suspect
      {failure.likely !== null &&
        ` (${percent(failure.share)}, likely ${percent(failure.likely.low)}–${percent(failure.likely.high)})`}
      ; limit {limit(campaign.policy.brake.limit)}
      {rung && `; evidence ${evidenceWords(rung)}`}.{' '}
      <Link
        to="/campaigns/$name"
        params={{ name: campaign.name }}
        search={{ q: 'state=in=(failed,reverted)' }}
        hash="devices"
        className={classes.inText}
      >
        Devices
      </Link>{' '}
      <Link
        to="/campaigns/$name"
        params={{ name: campaign.name }}
        search={(before) => ({ ...before, compare: 'yes' as const })}
        hash="compare"
        className={classes.inText}
      >
        Compare
      </Link>
    </p>
  );
}

/** The promise of the stop, counted down on the server's clock; it holds also when this page is cut off. */
function Exposure({ campaign }: { campaign: Campaign }) {
  const now = useServerNow();
  const { exposure } = campaign;
  const first = useRef<number>(undefined);
  if (exposure === null) return null;
  const { mayStillStart, noneAfter, running, doneBy } = exposure;
  const isOver = mayStillStart === 0 || noneAfter <= now;
  first.current ??= Math.max(1, noneAfter - now);
  if (isOver) {
    return (
      <p>
        Nothing can start any more.{' '}
        {running === 0
          ? 'Nothing is in flight.'
          : `${count(running)} still ${running === 1 ? 'finishes' : 'finish'}, the last by ${endClock(doneBy)}.`}
      </p>
    );
  }
  const left = noneAfter - now;
  return (
    <>
      <p>
        At most <strong className="live-number">{count(mayStillStart)}</strong> more may start · none after{' '}
        {endClock(noneAfter)} · {countdown(left)} left
      </p>
      <progress
        className={classes.progress}
        max={first.current}
        value={Math.max(0, first.current - left)}
        aria-label={`None after ${endClock(noneAfter)}`}
      />
    </>
  );
}
