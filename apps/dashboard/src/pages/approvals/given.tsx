/** Who has approved this plan, who is still wanted, and approvals of an earlier plan that are void. */
import { answerOf } from '@drydock/api-client';
import type { ApprovalItem, Campaign, PlanVersion } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { counted } from '../../format/numbers.js';
import { Note } from '../../pieces/note.js';
import { Time } from '../../pieces/time.js';
import { ChangeLines } from '../../plan/change-lines.js';
import { planChangesQuery, plansQuery } from '../../plan/plan-queries.js';
import { versionAt, voidApprovals } from './void-approvals.js';
import classes from './approvals.module.css';

export function Given({ campaign, item }: { campaign: Campaign; item: ApprovalItem }) {
  const { id } = campaign;
  const decisions = useQuery({
    queryKey: ['campaign-part', id, 'decisions', 'of-people'],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/campaigns/{id}/decisions', {
          params: { path: { id }, query: { order: 'newest', limit: 50 } },
        }),
      ),
    enabled: item.kind === 'campaign',
  });
  const late = voidApprovals(decisions.data?.items ?? []);
  const plans = useQuery({ ...plansQuery(id), enabled: item.kind === 'campaign' });
  // Several may have approved the same earlier plan: what changed since the last of them is shown once.
  const seen = late[0] && versionAt(plans.data?.items ?? [], late[0].at);
  const open = Math.max(0, item.needed - item.given.length);
  return (
    <section className="stack" aria-labelledby="given">
      <h2 id="given">
        {item.given.length} of {item.needed} approvals
      </h2>
      {late.length > 0 && (
        <Note>
          {late.map(({ by, at }) => (
            <Changed key={by + at} by={by} at={at} version={versionAt(plans.data?.items ?? [], at)} />
          ))}
          {seen !== undefined && seen.fieldsSince > 0 && <SinceThen id={id} version={seen.version} />}
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

function Changed({ by, at, version }: { by: string; at: string; version: PlanVersion | undefined }) {
  return (
    <p>
      {version === undefined ? (
        <>
          {by} approved an earlier plan, <Time at={at} fixed />. It was taken back or changed after that; asks again.
        </>
      ) : version.fieldsSince === 0 ? (
        <>
          {by} approved <Time at={at} fixed />; the plan was taken back and put up again as it was. Asks again.
        </>
      ) : (
        <>
          {counted(version.fieldsSince, 'field')} changed after {by} approved, <Time at={at} fixed />; asks again.
        </>
      )}
    </p>
  );
}

/** The fields that are not any more what was approved. */
function SinceThen({ id, version }: { id: string; version: number }) {
  const { data } = useQuery(planChangesQuery(id, version));
  return data ? <ChangeLines lines={data.lines} label="What changed since" from="Approved" to="Now" /> : null;
}
