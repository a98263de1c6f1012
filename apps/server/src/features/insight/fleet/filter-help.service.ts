/** What a filter may say next: fields, their operators, and values with how many devices have them. Every read ends soon. */
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import {
  CAMPAIGN_STATES,
  DEPLOYMENT_STATES,
  type FilterFields,
  type FilterValues,
  type FilterValuesQuery,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { fieldsOf, OPERATORS_OF, type FilterScope } from '../../../domain/filter/filter-fields.js';
import { LINK_KINDS } from '../../../domain/filter/filter.js';
import { ProblemError } from '../../../http/problem-error.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';
import { readWithin } from '../../fleet/device-filter.js';

const MOST_VALUES = 20;
const LIMIT_MS = 300;

/** Fields of campaigns whose values are listed, where the campaign is `c`, its artifact `a` and who made it `p`. */
const COUNTED_OF_CAMPAIGNS: Readonly<Record<string, string>> = {
  name: 'c.name',
  state: 'c.state',
  model: 'a.model',
  version: 'a.version',
  owner: 'p.name',
};

interface Value {
  readonly value: string;
  readonly count: number | null;
}

/** As LIKE takes it: a prefix without wildcards of its own. */
const likePrefix = (prefix: string): string => `${prefix.replace(/[\\%_]/g, '\\$&')}%`;

@Injectable()
export class FilterHelpService {
  constructor(private readonly source: DataSource) {}

  fields(scope: FilterScope): FilterFields {
    return {
      fields: Object.entries(fieldsOf(scope)).map(([field, { form, example }]) => ({
        field,
        operators: [...OPERATORS_OF[form]],
        example,
      })),
    };
  }

  /** @throws ProblemError `request.invalid` for a field that is none; `request.not-found` for a campaign that is none. */
  async values(orgId: string, query: FilterValuesQuery): Promise<FilterValues> {
    const found = await this.find(orgId, query);
    return { items: found.slice(0, MOST_VALUES), more: found.length > MOST_VALUES };
  }

  private async find(orgId: string, query: FilterValuesQuery): Promise<Value[]> {
    const { field, prefix, campaign } = query;
    const scope = query.scope ?? (campaign === undefined ? 'device' : 'member');
    if (!Object.hasOwn(fieldsOf(scope), field)) {
      throw new ProblemError('request.invalid', { detail: `query.field: there is no field ${field.slice(0, 40)}` }, [
        { path: 'query.field', message: `Fields are ${Object.keys(fieldsOf(scope)).join(', ')}.` },
      ]);
    }
    const fixed = (values: readonly string[]): Value[] =>
      values.filter((value) => value.startsWith(prefix)).map((value) => ({ value, count: null }));
    const like = likePrefix(prefix);
    if (scope === 'campaign') return this.ofCampaigns(orgId, field, prefix, fixed);
    switch (field) {
      case 'link':
        return fixed(LINK_KINDS);
      case 'hold':
        return fixed(['true', 'false']);
      case 'model':
      case 'version':
        return this.kinds(orgId, field, like);
      case 'site':
        return this.places(orgId, 'sites', 'site_id', like);
      case 'gateway':
        return this.places(orgId, 'gateways', 'gateway_id', like);
      case 'group':
        return this.places(orgId, 'redundancy_groups', 'redundancy_group_id', like);
      case 'name':
        return this.within((tx) =>
          queryRows<Value>(
            tx,
            `select name as value, 1 as count from devices where org_id = $1 and name like $2 order by name using ~<~ limit ${MOST_VALUES + 1}`,
            [orgId, like],
          ),
        );
      case 'tag':
        return this.tags(orgId, prefix);
      case 'state':
      case 'stage':
      case 'code':
      case 'from':
        if (campaign === undefined) return [];
        await expectCampaign(this.source.manager, orgId, campaign);
        return this.ofCampaign(field, campaign, prefix);
      default:
        // Numbers, times and ids have no list.
        return [];
    }
  }

  /** From the last hourly count, which is small; before the first one, names only. */
  private async kinds(orgId: string, column: 'model' | 'version', like: string): Promise<Value[]> {
    const counted = await queryRows<Value>(
      this.source.manager,
      `select ${column} as value, sum(n)::float8 as count from fleet_versions
       where org_id = $1 and at = (select max(at) from fleet_versions where org_id = $1) and ${column} like $2 and ${column} not in ('', '*')
       group by 1 order by 2 desc, 1 limit ${MOST_VALUES + 1}`,
      [orgId, like],
    );
    if (counted.length > 0) return counted;
    return this.within((tx) =>
      queryRows<Value>(
        tx,
        `select ${column === 'model' ? 'model' : 'running_version'} as value, count(*)::float8 as count from devices
         where org_id = $1 and state = 'active' and ${column === 'model' ? 'model' : 'running_version'} like $2
         group by 1 order by 2 desc, 1 limit ${MOST_VALUES + 1}`,
        [orgId, like],
      ),
    );
  }

  private async places(orgId: string, table: string, column: string, like: string): Promise<Value[]> {
    const names = `select id, name from ${table} where org_id = $1 and name like $2 order by name limit ${MOST_VALUES + 1}`;
    const counted = await readWithin(this.source, LIMIT_MS, (tx) =>
      queryRows<Value>(
        tx,
        `select p.name as value, (select count(*)::float8 from devices d where d.${column} = p.id) as count from (${names}) p order by p.name`,
        [orgId, like],
      ),
    );
    if (counted) return counted;
    const rows = await queryRows<{ name: string }>(this.source.manager, names, [orgId, like]);
    return rows.map(({ name }) => ({ value: name, count: null }));
  }

  /** Of a part of the devices: keys and values that are rare may be missing. */
  private tags(orgId: string, prefix: string): Promise<Value[]> {
    return this.within((tx) =>
      queryRows<Value>(
        tx,
        `select t.key || ':' || t.value as value, null::float8 as count from (
           select tags from devices where org_id = $1 and tags <> '{}' limit 20000) d cross join lateral jsonb_each_text(d.tags) t
         where t.key || ':' || t.value like $2 group by t.key, t.value order by count(*) desc, 1 limit ${MOST_VALUES + 1}`,
        [orgId, likePrefix(prefix)],
      ),
    );
  }

  private async ofCampaigns(
    orgId: string,
    field: string,
    prefix: string,
    fixed: (values: readonly string[]) => Value[],
  ): Promise<Value[]> {
    if (field === 'live') return fixed(['true', 'false']);
    const column = COUNTED_OF_CAMPAIGNS[field];
    if (column === undefined) return [];
    const counted = await this.within((tx) =>
      queryRows<Value>(
        tx,
        `select ${column} as value, count(*)::float8 as count from campaigns c join artifacts a on a.id = c.artifact_id
           left join people p on p.id = c.created_by
         where c.org_id = $1 and ${column} like $2 group by 1 order by 2 desc, 1 limit ${MOST_VALUES + 1}`,
        [orgId, likePrefix(prefix)],
      ),
    );
    if (field !== 'state') return counted;
    const more = fixed(CAMPAIGN_STATES).filter(({ value }) => !counted.some((row) => row.value === value));
    return [...counted, ...more.map(({ value }) => ({ value, count: 0 }))];
  }

  private async ofCampaign(
    field: 'state' | 'stage' | 'code' | 'from',
    campaign: string,
    prefix: string,
  ): Promise<Value[]> {
    const rows =
      field === 'from'
        ? await queryRows<Value>(
            this.source.manager,
            'select version as value, size::float8 as count from campaign_strata where campaign_id = $1 order by size desc, version limit 200',
            [campaign],
          )
        : field === 'code'
          ? await queryRows<Value>(
              this.source.manager,
              'select code as value, n::float8 as count from failure_counters where campaign_id = $1 and n > 0 order by n desc, code limit 200',
              [campaign],
            )
          : await queryRows<Value>(
              this.source.manager,
              `select ${field === 'state' ? 'n.state' : 's.name'} as value, sum(n.n)::float8 as count from campaign_counters n
               join campaign_stages s on s.campaign_id = n.campaign_id and s.idx = n.stage_idx
             where n.campaign_id = $1 group by 1 having sum(n.n) > 0 order by 2 desc, 1`,
              [campaign],
            );
    const known = rows.filter(({ value }) => value.startsWith(prefix));
    if (field !== 'state') return known;
    const more = DEPLOYMENT_STATES.filter(
      (state) => state.startsWith(prefix) && !rows.some((row) => row.value === state),
    );
    return [...known, ...more.map((value) => ({ value, count: 0 }))];
  }

  private async within(read: (tx: EntityManager) => Promise<Value[]>): Promise<Value[]> {
    return (await readWithin(this.source, LIMIT_MS, read)) ?? [];
  }
}
