/** The first lines are the answers: safe to go on, done when, does it need a person. */
import type { Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { count, cutMiddle, FEWEST_FOR_PERCENT, limit, percent, shareOf } from '../../format/numbers.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import classes from './campaign.module.css';
import { forecastQuery } from './queries.js';

const LIVE: readonly Campaign['state'][] = ['running', 'paused', 'halted', 'aborting'];

export function Answer({ campaign }: { campaign: Campaign }) {
  const { sums, artifact, stage } = campaign;
  const isLive = LIVE.includes(campaign.state);
  return (
    <section className="stack" aria-label="Answers">
      <p className={classes.state}>
        <StateMark look={campaignLook(campaign.state, sums)} strong />
        {stage !== null && isLive && (
          <span>
            stage {stage.index + 1} of {stage.of}
          </span>
        )}
        <span>
          {artifact.model} {artifact.version} <code title={artifact.sha256}>{cutMiddle(artifact.sha256, 12, 0)}</code>
          <CopyButton text={artifact.sha256} label="copy" what="copy the SHA-256 of the artifact" />
        </span>
        <span className="muted">
          {count(sums.total)} {sums.total === 1 ? 'device' : 'devices'}, {campaign.policy.membership}
        </span>
      </p>
      <dl className={classes.answers}>
        <Question ask="Safe to go on?">{safety(campaign)}</Question>
        {isLive && (
          <Question ask="Done when?">
            <DoneWhen id={campaign.id} />
          </Question>
        )}
        <Question ask="Needs a person?">{need(campaign)}</Question>
      </dl>
      {campaign.note !== '' && <p className="muted">{campaign.note}</p>}
    </section>
  );
}

function Question({ ask, children }: { ask: string; children: ReactNode }) {
  return (
    <div>
      <dt>{ask}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function DoneWhen({ id }: { id: string }) {
  const forecast = useQuery(forecastQuery(id));
  if (forecast.data === undefined) return <>–</>;
  return (
    <>
      {forecast.data.sentence}
      {forecast.data.moved !== null && <span className="muted"> {forecast.data.moved.sentence}</span>}
    </>
  );
}

function safety(campaign: Campaign): string {
  const { failure } = campaign.shares;
  if (failure.of === 0) {
    return campaign.state === 'draft'
      ? 'Nothing has been started.'
      : 'No device has been tried. Nothing is known, so the gate stays shut.';
  }
  const { likely, n, of } = failure;
  const range = likely === null ? '' : `, likely ${percent(likely.low).replace(' %', '')}–${percent(likely.high)}`;
  const suspects = campaign.sums.suspect > 0 ? `, ${count(campaign.sums.suspect)} of them suspect` : '';
  // Of few, the share is said by the two numbers alone.
  const share = of < FEWEST_FOR_PERCENT ? '' : `, ${shareOf(n, of)}`;
  const more = `${share}${range}${suspects}`.replace(/^, /, '');
  const numbers = `${count(n)} of ${count(of)} tried failed or reverted${more === '' ? '' : ` (${more})`}.`;
  return `${verdict(campaign)} ${numbers}`;
}

/** Says what the server decided; the page judges nothing. */
function verdict(campaign: Campaign): string {
  if (campaign.state === 'halted') return 'No, the brake halted it:';
  if (campaign.stages.some((stage) => stage.gateLines.some((line) => line.state === 'broken')))
    return 'A gate is broken:';
  if (campaign.amber) return 'Evidence is rising, nothing new is opened:';
  if (campaign.state === 'completed' || campaign.state === 'aborted') return 'In the end';
  const { share } = campaign.shares.failure;
  if (share !== null && share > campaign.policy.brake.limit) {
    return `Look at it: above the limit of ${limit(campaign.policy.brake.limit)}, too few for the brake to halt:`;
  }
  return 'So far, yes:';
}

function need(campaign: Campaign): string {
  const held = campaign.stages.find((stage) => stage.state === 'held' || stage.state === 'failed');
  switch (campaign.state) {
    case 'draft':
      return 'Yes: somebody starts it.';
    case 'awaiting-approval': {
      const missing = campaign.approvals.needed - campaign.approvals.given.length;
      return `Yes: ${missing} more ${missing === 1 ? 'approval' : 'approvals'} of ${campaign.approvals.needed}.`;
    }
    case 'halted':
      return 'Yes: to resume it with a reason, or to abort it.';
    case 'paused':
      return 'Yes: it stays paused until somebody resumes it.';
    default:
      if (campaign.standing !== null) return `Yes: ${campaign.standing.sentence}`;
      return held && campaign.state === 'running'
        ? `Yes: stage ${held.index + 1} ${held.name} is ${held.state}${held.note === null ? '' : `: ${held.note}`}.`
        : 'Not now.';
  }
}
