/** Redundancy groups as people make them. What they forbid stands with the rules about devices (`domain/candidate`). */
import { Inject, Injectable } from '@nestjs/common';
import type { PageQuery, RedundancyGroup, RedundancyGroupCreate, RedundancyGroupPatch } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { OUT_OF_SERVICE } from '../../domain/candidate/rules.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';

interface GroupRow {
  readonly id: string;
  readonly name: string;
  readonly max_out: number;
  readonly members: number;
  readonly out: number;
  readonly revision: number;
  readonly created_at: Date;
}

const GROUP = `select g.id, g.name, g.max_out, g.revision, g.created_at, counted.members, counted.out
  from redundancy_groups g cross join lateral (
    select count(*)::int as members, (count(*) filter (where ${OUT_OF_SERVICE}))::int as out
    from devices m left join gateways mg on mg.id = m.gateway_id where m.redundancy_group_id = g.id) counted`;

@Injectable()
export class RedundancyGroupsService {
  constructor(
    private readonly source: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<{ items: RedundancyGroup[]; next?: string }> {
    const [name] = query.after ? decodeCursor(query.after, z.tuple([z.string()])) : [null];
    const rows = await queryRows<GroupRow>(
      this.source.manager,
      `${GROUP} where g.org_id = $1 and ($2::text is null or g.name > $2) order by g.name limit $3`,
      [actor.orgId, name, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.name], groupView);
  }

  async get(actor: Actor, id: string): Promise<RedundancyGroup> {
    return groupView(await this.row(this.source.manager, actor, id));
  }

  async create(actor: Actor, body: RedundancyGroupCreate): Promise<RedundancyGroup> {
    return inTransaction(this.source, async (tx) => {
      const [made] = await queryRows<{ id: string }>(
        tx,
        `insert into redundancy_groups (org_id, name, max_out) values ($1, $2, $3)
         on conflict (org_id, name) do nothing returning id`,
        [actor.orgId, body.name, body.maxOut],
      );
      if (!made) throw taken(body.name);
      await this.record(tx, actor, 'redundancy-group.created', made.id, { ...body });
      return groupView(await this.row(tx, actor, made.id));
    });
  }

  async patch(
    actor: Actor,
    id: string,
    expected: number | undefined,
    body: RedundancyGroupPatch,
  ): Promise<RedundancyGroup> {
    return inTransaction(this.source, async (tx) => {
      const before = await this.locked(tx, actor, id, expected);
      const name = body.name ?? before.name;
      const other = await queryRows(
        tx,
        'select 1 from redundancy_groups where org_id = $1 and name = $2 and id <> $3',
        [actor.orgId, name, id],
      );
      if (other.length > 0) throw taken(name);
      await queryRows(
        tx,
        'update redundancy_groups set name = $2, max_out = $3, revision = revision + 1 where id = $1',
        [id, name, body.maxOut ?? before.max_out],
      );
      await this.record(tx, actor, 'redundancy-group.changed', id, { ...body });
      return groupView(await this.row(tx, actor, id));
    });
  }

  /** @throws ProblemError `request.conflict` while devices belong to it: they would lose their protection unseen. */
  async remove(actor: Actor, id: string, expected: number | undefined): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const before = await this.locked(tx, actor, id, expected);
      if (before.members > 0) {
        throw new ProblemError('request.conflict', {
          detail: `${before.members} device(s) belong to the group; take them out first`,
        });
      }
      await queryRows(tx, 'delete from redundancy_groups where id = $1', [id]);
      await this.record(tx, actor, 'redundancy-group.deleted', id, { name: before.name });
    });
  }

  private async locked(tx: EntityManager, actor: Actor, id: string, expected: number | undefined): Promise<GroupRow> {
    // Waits for grants that count its members, so that a smaller number holds for what comes after it.
    await queryRows(tx, 'select 1 from redundancy_groups where org_id = $1 and id = $2 for update', [actor.orgId, id]);
    const row = await this.row(tx, actor, id);
    expectRevision(row.revision, expected);
    return row;
  }

  private async row(tx: Queryable, actor: Actor, id: string): Promise<GroupRow> {
    const [row] = await queryRows<GroupRow>(tx, `${GROUP} where g.org_id = $1 and g.id = $2`, [actor.orgId, id]);
    if (!row) throw new ProblemError('request.not-found', { what: 'redundancy group', id });
    return row;
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, {
      orgId: actor.orgId,
      actor,
      action,
      target: { kind: 'redundancy-group', id },
      params,
    });
  }
}

const taken = (name: string): ProblemError =>
  new ProblemError('request.conflict', { detail: `there is a redundancy group ${name} already` });

function groupView(row: GroupRow): RedundancyGroup {
  return {
    id: row.id,
    name: row.name,
    maxOut: row.max_out,
    members: row.members,
    out: row.out,
    revision: row.revision,
    createdAt: row.created_at.toISOString(),
  };
}
