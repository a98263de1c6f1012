/**
 * One agent never says of one attempt both that it never started and that it touched the device. Two that share a key
 * do: a copied card. The gateway is quarantined until a person has looked (P3).
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { Audit } from '../audit/audit.port.js';
import type { JudgedReport } from './report-fold.js';

export interface Contradicted {
  readonly gatewayId: string;
  readonly orgId: string;
  readonly siteId: string;
}

const NOTE =
  'It reported that one attempt was never started, and that it touched the device: two machines use its key. ' +
  'Enrol it again before you release it.';

/** Kinds that say that the device was touched; `ended` says so itself. */
const TOUCHES: ReadonlySet<string> = new Set(['touched', 'erased', 'complete', 'activating', 'proving']);

/** Refusals of a withdrawal that the gateway's own earlier reports belie. */
const CONTRADICTS: ReadonlySet<string> = new Set(['withdrawn-after-touched', 'heard-of-already']);

/** Looks at reports that moved nothing, after the batch is stored. @returns gateways that were quarantined just now. */
export async function quarantineContradictions(
  tx: Queryable,
  judged: readonly JudgedReport[],
  audit: Audit,
): Promise<Contradicted[]> {
  const odd = judged.flatMap(({ origin, read, disposition, note }) => {
    if (disposition === 'applied' || !read.report || !('ref' in read.report)) return [];
    const { report } = read;
    const touches = TOUCHES.has(report.kind) || (report.kind === 'ended' && report.touched);
    const said = touches ? 'withdrawn' : note !== null && CONTRADICTS.has(note) ? 'touched' : undefined;
    return said === undefined ? [] : [{ gateway: origin.gatewayId, ref: report.ref, said }];
  });
  if (odd.length === 0) return [];
  const rows = await queryRows<{ id: string; org_id: string; site_id: string; deployment_id: string }>(
    tx,
    `with odd as (
       select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::text[])
         as x(gateway_id, deployment_id, reign, attempt, said)),
     proven as (
       select distinct on (odd.gateway_id) odd.gateway_id, odd.deployment_id from odd
       join attempts a on a.deployment_id = odd.deployment_id and a.reign = odd.reign and a.attempt = odd.attempt
         and a.gateway_id = odd.gateway_id
       where odd.said = 'touched' or a.outcome = 'withdrawn' order by odd.gateway_id, odd.deployment_id)
     update gateways g set state = 'quarantined', state_note = $6, revision = g.revision + 1
     from proven where g.id = proven.gateway_id and g.state = 'active'
     returning g.id, g.org_id, g.site_id, proven.deployment_id`,
    [
      odd.map(({ gateway }) => gateway),
      odd.map(({ ref }) => ref.deployment),
      odd.map(({ ref }) => ref.reign),
      odd.map(({ ref }) => ref.attempt),
      odd.map(({ said }) => said),
      NOTE,
    ],
  );
  for (const row of rows) {
    await audit.record(tx, {
      orgId: row.org_id,
      actor: { kind: 'rule', name: 'one-key-two-agents' },
      action: 'gateway.quarantined',
      target: { kind: 'gateway', id: row.id },
      params: { deployment: row.deployment_id },
    });
  }
  return rows.map((row) => ({ gatewayId: row.id, orgId: row.org_id, siteId: row.site_id }));
}
