import type { Campaign } from '@drydock/contracts';
import { Checkbox } from '@mantine/core';
import { useState } from 'react';
import { count, counted } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { resume } from '../acts.js';

/** After a halt a person answers for going on: with a reason, and having seen what failed. */
export function ResumeDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  const [seen, setSeen] = useState(false);
  const wasHalted = campaign.state === 'halted';
  const { failure } = campaign.shares;
  const unfinished = campaign.parts.waiting + campaign.parts.mayStillStart;
  return (
    <ConfirmDialog
      title={`Resume ${campaign.name}?`}
      verb="Resume"
      keep={wasHalted ? 'Leave it halted' : 'Leave it paused'}
      reason="required"
      ready={!wasHalted || seen}
      close={close}
      act={(reason) => resume(campaign, reason)}
      command={command('campaign', 'resume', campaign.name, '--reason', 'TEXT')}
    >
      <p>
        {counted(unfinished, 'device')} {unfinished === 1 ? 'has' : 'have'} not been tried and may start again, at the
        pace of the policy.
      </p>
      <ul style={{ margin: 0, paddingLeft: 20 }}>
        {campaign.sums.unresolved > 0 && (
          <li>{counted(campaign.sums.unresolved, 'device')} not finished or out of reach</li>
        )}
        {campaign.sums.suspect > 0 && <li>{counted(campaign.sums.suspect, 'device')} suspect</li>}
        {campaign.quarantines.length > 0 && (
          <li>{counted(campaign.quarantines.length, 'quarantine')} stay as they are</li>
        )}
        {campaign.amber && <li>The brake’s evidence is rising: nothing new is opened until it falls.</li>}
      </ul>
      {wasHalted && (
        <Checkbox
          label={`I saw: ${count(failure.n)} of ${count(failure.of)} failed`}
          checked={seen}
          onChange={(event) => setSeen(event.currentTarget.checked)}
        />
      )}
    </ConfirmDialog>
  );
}
