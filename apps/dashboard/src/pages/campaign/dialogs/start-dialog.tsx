import type { Campaign } from '@drydock/contracts';
import { answerOf } from '@drydock/api-client';
import { useQuery } from '@tanstack/react-query';
import { changing } from '../../../data/api.js';
import { count, counted, limit } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { Part } from '../../../pieces/page-state.js';
import { start } from '../acts.js';

/** Whom a start concerns, counted by the server at this moment. */
export function StartDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  const { name, note, artifact, selector, policy } = campaign;
  const preview = useQuery({
    queryKey: ['campaign-part', campaign.id, 'preview'],
    staleTime: 0,
    queryFn: () =>
      answerOf(
        changing.POST('/api/v1/campaigns/preview', { body: { name, note, artifactId: artifact.id, selector, policy } }),
      ),
  });
  const asks = policy.approvals > 0 || policy.urgent !== undefined;
  return (
    <ConfirmDialog
      title={asks ? `Ask for approval of ${name}?` : `Start ${name}?`}
      verb={asks ? 'Ask for approval' : 'Start'}
      keep="Not yet"
      reason="optional"
      close={close}
      act={(reason) => start(campaign, reason)}
      command={command('campaign', 'start', name)}
    >
      <Part query={preview} rows={2}>
        {(found) => (
          <>
            <p>
              {artifact.model} {artifact.version} goes to {counted(found.members, 'device')}
              {policy.membership === 'dynamic' && ', and to those that match later'}.{' '}
              {found.stages[0] && `Stage ${found.stages[0].name} begins with ${count(found.stages[0].size)}.`} The brake
              halts it above {limit(policy.brake.limit)} failed.
            </p>
            {found.skipped.length > 0 && (
              <p>Left out: {found.skipped.map((each) => `${count(each.count)} ${each.reason}`).join(', ')}.</p>
            )}
            {found.warnings.map((warning) => (
              <p key={warning.path + warning.code}>
                ⚠ {warning.sentence} {warning.mend}
              </p>
            ))}
          </>
        )}
      </Part>
    </ConfirmDialog>
  );
}
