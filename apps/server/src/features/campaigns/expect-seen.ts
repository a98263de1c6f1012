/** Two people edit one draft: the second is told who was there first and what would have been overwritten. */
import { Policy, Selector, type CampaignDraft, type ProblemPlace } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { diffPlans, type Json } from '../../domain/campaign/plan-diff.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';

type Parts = Readonly<Record<'name' | 'note' | 'artifactId' | 'selector' | 'policy', unknown>>;

const MOST_TOLD = 20;
const MOST_LETTERS = 120;

/** @throws ProblemError `request.stale` with a place for each difference between what is stored and what was sent. */
export async function expectSeen(
  tx: Queryable,
  { id }: { readonly id: string },
  sent: CampaignDraft,
  expected: number | undefined,
): Promise<void> {
  const [stored] = await queryRows<{
    revision: number;
    name: string;
    note: string;
    artifactId: string;
    selector: unknown;
    policy: unknown;
  }>(tx, 'select revision, name, note, artifact_id as "artifactId", selector, policy from campaigns where id = $1', [
    id,
  ]);
  const { revision: actual, ...now } = stored!;
  if (expected === undefined || actual === expected) return expectRevision(actual, expected);
  const [last] = await queryRows<{ by: string; at: Date }>(
    tx,
    `select coalesce(actor_name, 'somebody') as by, at from audit where target_kind = 'campaign' and target_id = $1
     order by at desc, id desc limit 1`,
    [id],
  );
  const changed = diffPlans(plain(now), plain(sent)).slice(0, MOST_TOLD);
  throw new ProblemError('request.stale', { actual, expected }, [
    ...(last
      ? [{ path: 'revision', message: `${last.by} changed it at ${last.at.toISOString()}. Read it again.` }]
      : []),
    ...changed.map(({ path, from, to }): ProblemPlace => ({
      path,
      message: `It is ${told(from)} now; you sent ${told(to)}.`,
    })),
  ]);
}

/** With every default filled in, so that a draft that says nothing equals one that says the default. */
function plain({ name, note, artifactId, selector, policy }: Parts): Json {
  const whole = { name, note, artifactId, selector: Selector.parse(selector), policy: Policy.parse(policy) };
  return JSON.parse(JSON.stringify(whole)) as Json;
}

function told(value: Json): string {
  if (value === null) return 'not set';
  const text = JSON.stringify(value);
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text;
}
