/** Every attempt with this device, newest first: how it ended, and what the code means. */
import { errorSentence, isErrorCode, type DeviceAttempt } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { useKeysetRows } from '../../data/keyset.js';
import { bytes } from '../../format/numbers.js';
import { duration } from '../../format/times.js';
import { Part } from '../../pieces/page-state.js';
import { deploymentLook, StateMark, type DeploymentState, type Look } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import classes from './device.module.css';
import { dbm, signalWord } from './heard-by.js';
import { deviceHistoryPage } from './queries.js';

const ENDED: readonly string[] = ['proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped', 'lost'];

function attemptLook(attempt: DeviceAttempt): Look {
  const { outcome } = attempt;
  if (outcome === null) return { family: 'flight', mark: '▶', label: 'under way' };
  if (ENDED.includes(outcome)) return deploymentLook(outcome as DeploymentState);
  return { family: 'waiting', mark: '–', label: outcome };
}

/** With its parameters filled in; those that are not known are left out as "?". */
function sentenceOf({ code, params, sentence }: DeviceAttempt): string {
  if (code === null) return '';
  if (!isErrorCode(code)) return sentence ?? code;
  const known = Object.entries(params ?? {}).filter(
    (entry): entry is [string, string | number] => typeof entry[1] === 'string' || typeof entry[1] === 'number',
  );
  return errorSentence(code, Object.fromEntries(known));
}

export function Attempts({ id }: { id: string }) {
  const rows = useKeysetRows<DeviceAttempt>(['device', id, 'history'], (after) => deviceHistoryPage(id, after), {
    renewEveryMs: 5_000,
  });
  return (
    <section className="panel" aria-labelledby="attempts">
      <header>
        <h2 id="attempts">Attempts</h2>
      </header>
      <Part query={rows}>
        {(attempts) =>
          attempts.length === 0 ? (
            <p className="muted">No campaign has tried it.</p>
          ) : (
            <ul className={classes.lines}>
              {attempts.map((attempt) => (
                <Attempt key={`${attempt.deploymentId} ${attempt.attempt}`} attempt={attempt} device={id} />
              ))}
            </ul>
          )
        }
      </Part>
      {rows.hasMore && (
        <button type="button" className="plain-button" disabled={rows.isLoadingMore} onClick={rows.loadMore}>
          Older attempts
        </button>
      )}
    </section>
  );
}

function Attempt({ attempt, device }: { attempt: DeviceAttempt; device: string }) {
  const sentence = sentenceOf(attempt);
  return (
    <li>
      <Time at={attempt.endedAt ?? attempt.touchedAt ?? attempt.grantedAt} fixed />
      <StateMark look={attemptLook(attempt)} />
      <span>
        {attempt.mode !== 'update' && `${attempt.mode}, `}attempt {attempt.attempt}
        {attempt.artifact && (
          <>
            {' '}
            to <span className="mono">{attempt.artifact.version}</span>
          </>
        )}
      </span>
      <span className={`${classes.grow} muted prose`}>
        <Link to="/campaigns/$name" params={{ name: attempt.campaign.name }} search={{ why: device }}>
          {attempt.campaign.name}
        </Link>{' '}
        through{' '}
        <Link to="/fleet/gateways/$id" params={{ id: attempt.gateway.id }}>
          {attempt.gateway.name || 'a gateway that is gone'}
        </Link>
        {attempt.sentBytes !== null && `, ${bytes(attempt.sentBytes)} sent`}
        {attempt.durationMs !== null && ` in ${duration(attempt.durationMs)}`}
      </span>
      <LinkQuality attempt={attempt} />
      {attempt.code !== null && (
        <span className={classes.sentence}>
          <code className={classes.bad}>{attempt.code}</code> {sentence}
          {attempt.blame !== null && <span className="muted"> (blame: {attempt.blame})</span>}
        </span>
      )}
    </li>
  );
}

/** What the gateway measured of the link: how strongly it heard the device, and how fast bytes went. */
function LinkQuality({ attempt }: { attempt: DeviceAttempt }) {
  const { rssiDbm, lowestRssiDbm, bytesPerSecond } = attempt;
  const weakest = lowestRssiDbm !== null && lowestRssiDbm !== rssiDbm ? lowestRssiDbm : null;
  const parts = [
    rssiDbm === null ? '' : `heard with ${dbm(rssiDbm)} (${signalWord(rssiDbm)})`,
    weakest === null ? '' : `at its weakest ${dbm(weakest)} (${signalWord(weakest)})`,
    bytesPerSecond === null ? '' : `${bytes(Math.round(bytesPerSecond))}/s`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? null : (
    <span className={`${classes.sentence} small muted`}>Link: {parts.join(', ')}</span>
  );
}
