import type { Campaign } from '@drydock/contracts';
import { useServerNow } from '../../../live/use-live.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { pause } from '../acts.js';
import { exposureSentences, untilThePress } from '../exposure-words.js';

/** Says before the press how many may still start; the number falls while the dialog is open. Waits for nothing. */
export function PauseDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  const now = useServerNow();
  return (
    <ConfirmDialog
      title={`Pause ${campaign.name}?`}
      verb="‖ Pause now"
      keep="Keep running"
      focusOn="act"
      reason="optional"
      close={close}
      act={(reason) => pause(campaign, reason)}
      command={command('campaign', 'pause', campaign.name)}
    >
      {[
        ...exposureSentences(campaign.exposure, campaign.policy.limits.inFlight, now),
        ...untilThePress(campaign.state),
      ].map((sentence) => (
        <p key={sentence.slice(0, 24)}>{sentence}</p>
      ))}
    </ConfirmDialog>
  );
}
