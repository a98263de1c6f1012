/**
 * A filter as SQL over `devices dev`, without joins. All that a person wrote goes in as parameters; the text holds our own
 * words and placeholders only.
 *
 * The predicate may be null where a value is unknown: null is "no match", as WHERE has it. Complements are written so that
 * they are never null, and nothing here is negated afterwards; whoever negates the whole writes `(…) is not true`.
 */
import { isJoin, type DeviceTest, type Filter, type TagPattern, type TextField, type TextPattern } from './filter.js';
import { likeOf, literalOf } from './text-pattern.js';

export interface SqlParams {
  /** @returns the placeholder of the value, for instance `$3`. */
  add(value: unknown): string;
}

/** @param nowMs the moment against which ages are measured. @returns a predicate in parentheses, or `true` or `false`. */
export function filterToSql(filter: Filter, params: SqlParams, nowMs: number): string {
  if (!isJoin(filter)) return testSql(filter, params, nowMs);
  if (filter.parts.length === 0) return filter.kind === 'and' ? 'true' : 'false';
  return `(${filter.parts.map((part) => filterToSql(part, params, nowMs)).join(` ${filter.kind} `)})`;
}

function testSql(test: DeviceTest, params: SqlParams, nowMs: number): string {
  switch (test.kind) {
    case 'text':
      return complement(textSql(test.field, test.any, params), test.negated);
    case 'member':
      return complement(patternsSql(MEMBER_COLUMNS[test.field], test.any, params), test.negated);
    case 'campaign':
      return complement(patternsSql(CAMPAIGN_COLUMNS[test.field], test.any, params), test.negated);
    case 'live':
      return `((${LIVE_CAMPAIGN}) = ${test.live ? 'true' : 'false'})`;
    case 'tag':
      return complement(tagsSql(test.any, params), test.negated);
    case 'link':
      return complement(
        `exists (select 1 from jsonb_array_elements(dev.links) l
          where split_part(l->>'link', ':', 1) = any(${params.add(test.any)}::text[]))`,
        test.negated,
      );
    case 'device':
      return complement(`dev.id = any(${params.add(test.any)}::uuid[])`, test.negated);
    case 'hold':
      return `(dev.hold_note is ${test.held ? 'not ' : ''}null)`;
    case 'version-order':
      return `(dev.running_version_key ${test.order} ${params.add(test.key)}::text)`;
    case 'version-range':
      return anyOf(
        test.stretches.map(({ from, below }) => {
          const bounds = ['dev.running_version_key is not null'];
          if (from !== undefined) bounds.push(`dev.running_version_key >= ${params.add(from)}::text`);
          if (below !== undefined) bounds.push(`dev.running_version_key < ${params.add(below)}::text`);
          return `(${bounds.join(' and ')})`;
        }),
      );
    case 'number-in':
      return complement(`${NUMBERS[test.field]} = any(${params.add(test.any)}::float8[])`, test.negated);
    case 'number-order':
      return `(${NUMBERS[test.field]} ${test.order} ${params.add(test.value)}::float8)`;
    case 'seen-age':
      // An age is greater the earlier the moment: the order turns round.
      return `(${timeOf(params.add(nowMs - test.ageMs))} ${test.order} dev.last_seen_at)`;
    case 'seen-at':
      return `(dev.last_seen_at ${test.order} ${timeOf(params.add(test.atMs))})`;
  }
}

/** Filters over members run where the deployment is `dep` and its stage `stage`. */
const MEMBER_COLUMNS = {
  state: 'dep.state',
  stage: 'stage.name',
  code: 'dep.outcome_code',
  from: '(select old.version from campaign_strata old where old.campaign_id = dep.campaign_id and old.idx = dep.stratum_idx)',
} as const;

/** Filters over campaigns run where the campaign is `c` and its artifact `a`. */
const CAMPAIGN_COLUMNS = {
  name: 'c.name',
  state: 'c.state',
  note: 'c.note',
  model: 'a.model',
  version: 'a.version',
  artifact: 'a.sha256',
  owner: '(select p.name from people p where p.id = c.created_by)',
  stage: `(select s.name from campaign_stages s where s.campaign_id = c.id and s.state in ('open', 'soaking', 'held', 'failed')
    order by s.idx limit 1)`,
} as const;
export const LIVE_CAMPAIGN = `c.state in ('awaiting-approval', 'scheduled', 'running', 'paused', 'halted', 'aborting')`;

const NUMBERS = {
  battery: 'dev.battery_percent::float8',
  signal: `(select max((l->>'rssiDbm')::int) from jsonb_array_elements(dev.links) l)::float8`,
} as const;

const timeOf = (placeholder: string): string => `to_timestamp(${placeholder}::float8 / 1000)`;
const complement = (sql: string, negated: boolean): string => (negated ? `((${sql}) is not true)` : `(${sql})`);
const anyOf = (parts: readonly string[]): string => (parts.length === 0 ? 'false' : `(${parts.join(' or ')})`);

function textSql(field: TextField, patterns: readonly TextPattern[], params: SqlParams): string {
  switch (field) {
    case 'model':
    case 'name':
      return patternsSql(`dev.${field}`, patterns, params);
    case 'identity':
      return patternsSql('dev.identity_value', patterns, params);
    case 'version':
      return patternsSql('dev.running_version', patterns, params);
    case 'site':
    case 'gateway':
    case 'group': {
      const ids = literals(patterns).filter((text) => UUID.test(text));
      const byName = patternsSql('place.name', patterns, params);
      const where = ids.length === 0 ? byName : `${byName} or place.id = any(${params.add(ids)}::uuid[])`;
      // Every id of the column is of the device's own organisation, so the names need no such condition.
      const { column, table } = PLACES[field];
      return `dev.${column} in (select place.id from ${table} place where ${where})`;
    }
  }
}

const PLACES = {
  site: { column: 'site_id', table: 'sites' },
  gateway: { column: 'gateway_id', table: 'gateways' },
  group: { column: 'redundancy_group_id', table: 'redundancy_groups' },
} as const;

/** As Postgres prints it: the evaluator compares the same text. */
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

function literals(patterns: readonly TextPattern[]): string[] {
  return patterns.flatMap((pattern) => literalOf(pattern) ?? []);
}

function patternsSql(column: string, patterns: readonly TextPattern[], params: SqlParams): string {
  const exact = literals(patterns);
  const wild = patterns.filter((pattern) => literalOf(pattern) === undefined);
  return anyOf([
    ...(exact.length > 0 ? [`${column} = any(${params.add(exact)}::text[])`] : []),
    ...wild.map((pattern) => `${column} like ${params.add(likeOf(pattern))}::text`),
  ]);
}

function tagsSql(patterns: readonly TagPattern[], params: SqlParams): string {
  return anyOf(patterns.map((pattern) => tagSql(pattern, params)));
}

function tagSql({ key, value }: TagPattern, params: SqlParams): string {
  const name = literalOf(key);
  const content = value && literalOf(value);
  // Both forms are served by the index over the tags.
  if (name !== undefined && content !== undefined) {
    return `dev.tags @> ${params.add(JSON.stringify({ [name]: content }))}::jsonb`;
  }
  if (name !== undefined && value === undefined) return `dev.tags ? ${params.add(name)}::text`;
  const conditions = [patternsSql('t.key', [key], params), ...(value ? [patternsSql('t.value', [value], params)] : [])];
  return `exists (select 1 from jsonb_each_text(dev.tags) t where ${conditions.join(' and ')})`;
}
