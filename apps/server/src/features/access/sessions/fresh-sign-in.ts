/** What a browser that was left open must not do by itself: it wants a fresh proof of who sits there. */
import { FRESH_SIGN_IN_MINUTES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../../adapters/database/rows.js';
import { ProblemError } from '../../../http/problem-error.js';
import type { Actor } from '../actor.js';

/**
 * An API token proves itself with every request; a session must have been opened or confirmed lately.
 * @throws ProblemError `sign-in.again`
 */
export async function expectFreshSignIn(tx: Queryable, actor: Pick<Actor, 'credential'>): Promise<void> {
  if (actor.credential.kind !== 'session') return;
  const fresh = await queryRows(
    tx,
    `select 1 from sessions where id = $1 and confirmed_at > now() - interval '${FRESH_SIGN_IN_MINUTES} minutes'`,
    [actor.credential.id],
  );
  if (fresh.length === 0) throw new ProblemError('sign-in.again', { minutes: FRESH_SIGN_IN_MINUTES });
}
