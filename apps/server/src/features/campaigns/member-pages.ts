/** Pages over the members of a campaign in its order. */

/** Placeholders of what a page is of. */
export interface MemberPage {
  /** uuid */
  readonly campaign: string;
  /** text[] */
  readonly states: string;
  /** int or null: every stage */
  readonly stage: string;
  /** bigint and uuid of the last one seen; null: from the front */
  readonly position: string;
  readonly id: string;
  /** int */
  readonly limit: string;
}

/**
 * A page of members that are in some states, as a table to select from. Each state of each stage is read where the index
 * has it, so the few failed among a million proven cost a page, not the million.
 */
export const membersIn = (page: MemberPage): string => `(
  select few.* from campaign_stages stage
    cross join unnest(${page.states}::text[]) as wanted(state)
    cross join lateral (
      select * from deployments d
      where d.campaign_id = stage.campaign_id and d.stage_idx = stage.idx and d.state = wanted.state
        and (${page.position}::bigint is null or (d.position, d.id) > (${page.position}::bigint, ${page.id}::uuid))
      order by d.position, d.id limit ${page.limit}::int) few
  where stage.campaign_id = ${page.campaign}::uuid and (${page.stage}::int is null or stage.idx = ${page.stage}::int)
  order by few.position, few.id limit ${page.limit}::int)`;
