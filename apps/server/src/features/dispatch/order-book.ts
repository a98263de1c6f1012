/**
 * The orders outbox: a new order is due at a gateway. The revision grows in the transaction that gives the reason;
 * the order itself is built and signed by the publisher, from what is committed then.
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

/** At most one order each 2 s to a gateway, unless it withdraws (design, section 4). */
export const BETWEEN_ORDERS_MS = 2_000;

/**
 * @param withdraws the new order takes something back: it does not wait for the pause between two orders.
 * @returns the number of the new order, by gateway.
 */
export async function bumpOrders(
  tx: Queryable,
  gatewayIds: readonly string[],
  withdraws: boolean,
): Promise<Map<string, number>> {
  const ids = [...new Set(gatewayIds)].sort();
  if (ids.length === 0) return new Map();
  const rows = await queryRows<{ gateway_id: string; revision: number }>(
    tx,
    `insert into orders as o (gateway_id, reign, revision, dirty, withdraws, publish_after)
     select id, (select reign from installation), 1, true, $2, clock_timestamp()
     from unnest($1::uuid[]) as x(id) order by id
     on conflict (gateway_id) do update set revision = case when o.reign = excluded.reign then o.revision + 1 else 1 end,
       reign = excluded.reign, dirty = true, withdraws = o.withdraws or excluded.withdraws, jws = null,
       publish_after = case when $2 then clock_timestamp()
         else greatest(o.published_at + interval '${BETWEEN_ORDERS_MS} milliseconds', clock_timestamp()) end
     returning gateway_id, revision::float8 as revision`,
    [ids, withdraws],
  );
  return new Map(rows.map((row) => [row.gateway_id, row.revision]));
}
