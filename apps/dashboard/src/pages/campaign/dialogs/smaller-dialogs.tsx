import type { Campaign } from '@drydock/contracts';
import { useNavigate } from '@tanstack/react-router';
import { count } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { complete, liftQuarantine, rollBack } from '../acts.js';

interface Props {
  readonly campaign: Campaign;
  readonly close: () => void;
}

/** A quarantined gateway or site may start devices again. */
export function ReleaseDialog({
  campaign,
  quarantine,
  close,
}: Props & { quarantine: Campaign['quarantines'][number] }) {
  return (
    <ConfirmDialog
      title={`Release ${quarantine.ref.name}?`}
      verb="Release"
      keep="Leave it quarantined"
      reason="required"
      close={close}
      act={(reason) => liftQuarantine(campaign, quarantine.id, reason)}
    >
      <p>
        {quarantine.note}. Devices at the {quarantine.kind} {quarantine.ref.name} may start again in this campaign; what
        failed there stays counted.
      </p>
    </ConfirmDialog>
  );
}

/** Rolling back is another campaign: a draft, which is started like any other. */
export function RollBackDialog({ campaign, close }: Props) {
  const navigate = useNavigate();
  return (
    <ConfirmDialog
      title={`Draft a roll-back of ${campaign.name}?`}
      verb="Draft the roll-back"
      keep="Not now"
      reason="required"
      close={close}
      act={async (reason) => {
        const draft = await rollBack(campaign, reason);
        await navigate({ to: '/campaigns/$name', params: { name: draft.name }, search: {} });
      }}
      command={command('campaign', 'rollback', campaign.name)}
    >
      <p>
        A new campaign is drafted for the {count(campaign.parts.proven)} devices that this one updated, with what they
        ran before. Nothing starts until that draft is started.
      </p>
    </ConfirmDialog>
  );
}

/** A dynamic campaign takes no more devices. */
export function CompleteDialog({ campaign, close }: Props) {
  return (
    <ConfirmDialog
      title={`Complete ${campaign.name}?`}
      verb="Complete"
      keep="Keep it open"
      reason="required"
      close={close}
      act={(reason) => complete(campaign, reason)}
    >
      <p>Devices that match later will not join it any more.</p>
    </ConfirmDialog>
  );
}
