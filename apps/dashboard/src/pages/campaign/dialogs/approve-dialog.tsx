import type { Campaign } from '@drydock/contracts';
import { count } from '../../../format/numbers.js';
import { useServerNow } from '../../../live/use-live.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { approve, approveStage } from '../acts.js';
import { GATE_MARKS, gateSentence } from '../gate-words.js';

interface Props {
  readonly campaign: Campaign;
  readonly close: () => void;
}

/** What is approved is exactly this plan, named by its digest. */
export function ApproveDialog({ campaign, close }: Props) {
  const { approvals, policy } = campaign;
  return (
    <ConfirmDialog
      title={`Approve ${campaign.name}?`}
      verb="Approve"
      keep="Not yet"
      reason="optional"
      close={close}
      act={(reason) => approve(campaign, reason)}
      command={command('campaign', 'approve', campaign.name)}
    >
      <p>
        You approve exactly this plan: <code>{digestWords(campaign.planDigest)}</code> (first 12 digits).
      </p>
      <p>
        {campaign.artifact.model} {campaign.artifact.version}, {policy.stages.length} stages
        {policy.urgent !== undefined && `, urgent for ${policy.urgent.advisory}: ignores maintenance windows`}.
      </p>
      <p>
        {approvals.given.length} of {approvals.needed} given
        {approvals.given.length > 0 && `: ${approvals.given.map((one) => one.by).join(', ')}`}.
      </p>
    </ConfirmDialog>
  );
}

function digestWords(digest: string): string {
  return digest.slice(0, 12).replace(/(.{4})(?=.)/g, '$1 ');
}

/** The gate of one stage, with its lines as they stand. */
export function ApproveStageDialog({ campaign, index, close }: Props & { index: number }) {
  const now = useServerNow();
  const stage = campaign.stages[index];
  if (!stage) return null;
  const { failure } = stage.shares;
  return (
    <ConfirmDialog
      title={`Approve the gate of stage ${index + 1} ${stage.name}?`}
      verb="Approve the gate"
      keep="Not yet"
      reason="optional"
      close={close}
      act={(reason) => approveStage(campaign, index, reason)}
      command={command('campaign', 'approve', campaign.name, '--stage', stage.name)}
    >
      <ul style={{ listStyle: 'none', margin: 0, padding: 0 }}>
        {stage.gateLines.map((line) => (
          <li key={line.rule}>
            <span aria-hidden>{GATE_MARKS[line.state]}</span> {gateSentence(line, now)}
          </li>
        ))}
      </ul>
      <p>
        Since it opened: {count(stage.parts.proven)} proven, {count(failure.n)} failed, reverted or suspect,{' '}
        {count(stage.shares.notKnown.n)} not known.
      </p>
      {campaign.stages[index + 1] && (
        <p>
          Then stage {index + 2} {campaign.stages[index + 1]!.name} opens
          {campaign.stages[index + 1]!.size !== null && ` with ${count(campaign.stages[index + 1]!.size)} devices`}.
        </p>
      )}
    </ConfirmDialog>
  );
}
