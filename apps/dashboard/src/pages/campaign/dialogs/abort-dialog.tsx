import type { Campaign } from '@drydock/contracts';
import { useState } from 'react';
import { count } from '../../../format/numbers.js';
import { useServerNow } from '../../../live/use-live.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { abort } from '../acts.js';
import { exposureSentences, untilThePress } from '../exposure-words.js';

const WAYS = [
  ['finish', 'Updates in flight finish'],
  ['safe-point', 'Updates in flight leave at the next point where the device still works; others finish'],
] as const;

/** There is no way back from here, so the name is typed. */
export function AbortDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  const now = useServerNow();
  const [running, setRunning] = useState<'finish' | 'safe-point'>('finish');
  return (
    <ConfirmDialog
      title={`Abort ${campaign.name}?`}
      verb="Abort"
      keep="Keep it"
      danger
      reason="required"
      typed={campaign.name}
      close={close}
      act={(reason) => abort(campaign, reason, running)}
      command={command('campaign', 'abort', campaign.name, '--confirm', campaign.name)}
    >
      {[
        ...exposureSentences(campaign.exposure, campaign.policy.limits.inFlight, now),
        ...untilThePress(campaign.state),
      ].map((sentence) => (
        <p key={sentence.slice(0, 24)}>{sentence}</p>
      ))}
      {campaign.exposure !== null && campaign.exposure.running > 0 && (
        <p>
          {count(campaign.exposure.running)} in flight:{' '}
          {count(campaign.exposure.running - campaign.exposure.mustFinish)} can leave before anything is erased,{' '}
          {count(campaign.exposure.mustFinish)} must finish.
        </p>
      )}
      <p>
        {count(campaign.parts.proven)} stay on {campaign.artifact.version}. {count(campaign.parts.waiting)} that wait
        are not updated. An aborted campaign cannot go on.
      </p>
      <fieldset style={{ border: 0, padding: 0, margin: 0 }} className="stack">
        <legend className="sr-only">What is in flight</legend>
        {WAYS.map(([value, label]) => (
          <label key={value} className="row" style={{ flexWrap: 'nowrap' }}>
            <input type="radio" name="running" checked={running === value} onChange={() => setRunning(value)} />
            {label}
          </label>
        ))}
      </fieldset>
    </ConfirmDialog>
  );
}
