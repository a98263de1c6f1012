/** The first line is the answer: a sentence of numbers. */
import type { Campaign } from '@drydock/contracts';
import { count, cutMiddle } from '../../format/numbers.js';
import { likely } from '../../format/wilson.js';
import { shareOf } from '../../format/numbers.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { CopyButton } from '../../pieces/copy-button.js';
import classes from './campaign.module.css';

export function Answer({ campaign }: { campaign: Campaign }) {
  const { sums, artifact } = campaign;
  const bad = sums.failed + sums.reverted + sums.suspect;
  const tried = sums.known + sums.suspect;
  return (
    <section className="stack" aria-label="Answer">
      <p className={classes.state}>
        <StateMark look={campaignLook(campaign.state, sums)} strong />
        <span>
          {artifact.model} {artifact.version} <code title={artifact.sha256}>{cutMiddle(artifact.sha256, 12, 0)}</code>{' '}
          <CopyButton text={artifact.sha256} label="copy" what="Copy the SHA-256 of the artifact" />
        </span>
        <span className="muted">
          {count(sums.total)} devices, {campaign.policy.membership}
        </span>
      </p>
      <p className={classes.answer}>
        {tried === 0
          ? 'No device has been tried. Nothing is known, so the gate stays shut.'
          : `${count(bad)} of ${count(tried)} tried failed, reverted or are suspect (${shareOf(bad, tried)}, ${likely(bad, tried)}).`}
      </p>
    </section>
  );
}
