/** Somebody else was first: who changed what and when. What one wrote stays, and can be applied on top. */
import { answerOf } from '@drydock/api-client';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../data/api.js';
import { useServerNow } from '../live/use-live.js';
import { when } from '../format/times.js';
import { auditDetail, auditWho } from './audit-words.js';

/** What a change is about, so that a conflict can be explained. */
export interface ConflictSubject {
  /** As the audit names it: `device`, `gateway`, `site` … */
  readonly kind: string;
  readonly id: string;
  /** Reads it anew, so that the next press is about what holds now. */
  readonly renew: () => Promise<unknown>;
}

export function Conflict({ subject, verb }: { subject: ConflictSubject; verb: string }) {
  const now = useServerNow(60_000);
  const last = useQuery({
    queryKey: ['audit', 'last', subject.kind, subject.id],
    staleTime: 0,
    queryFn: async () =>
      (
        await answerOf(
          reading.GET('/api/v1/audit', {
            params: { query: { targetKind: subject.kind, targetId: subject.id, limit: 1 } },
          }),
        )
      ).items[0] ?? null,
  }).data;
  return (
    <p role="alert">
      {last
        ? `${auditWho(last.actor)} was first, at ${when(last.at, now)}: ${last.action}, ${auditDetail(last.params)}. `
        : 'Somebody was first. '}
      Yours was not applied. What is shown behind this dialog holds now; “{verb} on top” applies what you wrote to it.
    </p>
  );
}
