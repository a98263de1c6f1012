/** Who has approved this plan, who is still wanted, and approvals of an earlier plan that are void. */
import { answerOf } from '@drydock/api-client';
import type { ApprovalItem, Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { Note } from '../../pieces/note.js';
import { Time } from '../../pieces/time.js';
import { voidApprovals } from './void-approvals.js';
import classes from './approvals.module.css';

export function Given({ campaign, item }: { campaign: Campaign; item: ApprovalItem }) {
  const { id } = campaign;
  const decisions = useQuery({
    queryKey: ['campaign-part', id, 'decisions', 'of-people'],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/campaigns/{id}/decisions', {
          params: { path: { id }, query: { order: 'newest', by: 'person', limit: 50 } },
        }),
      ),
    enabled: item.kind === 'campaign',
  });
  const late = voidApprovals(decisions.data?.items ?? []);
  const open = Math.max(0, item.needed - item.given.length);
  return (
    <section className="stack" aria-labelledby="given">
      <h2 id="given">
        {item.given.length} of {item.needed} approvals
      </h2>
      {late.length > 0 && (
        <Note>
          {late.map(({ by, at }) => (
            <p key={by + at}>
              {by} approved an earlier plan, <Time at={at} fixed />. It was taken back or changed after that, so it asks
              again.
            </p>
          ))}
        </Note>
      )}
      <ol className={classes.given}>
        {item.given.map(({ by, at, reason }, index) => (
          <li key={by + at}>
            <span className={classes.yes} aria-hidden>
              ✓
            </span>
            {index + 1} of {item.needed}: <strong>{by}</strong> <Time at={at} fixed />
            {reason !== null && <span>“{reason}”</span>}
          </li>
        ))}
        {Array.from({ length: open }, (_, index) => (
          <li key={index} className="muted">
            <span aria-hidden>○</span>
            {item.given.length + index + 1} of {item.needed}: {index === 0 && item.you.may ? 'you?' : 'another person'}
          </li>
        ))}
      </ol>
    </section>
  );
}
