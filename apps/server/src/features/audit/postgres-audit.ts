/** The audit trail in Postgres: one row in the transaction of what it records. */
import type { EntityManager } from 'typeorm';
import { storableJson } from '../../adapters/database/storable-json.js';
import type { Audit, AuditEntry } from './audit.port.js';

export class PostgresAudit implements Audit {
  async record(tx: Pick<EntityManager, 'query'>, entry: AuditEntry): Promise<void> {
    const { actor } = entry;
    const person = actor.kind === 'person' ? actor : undefined;
    const id = actor.kind === 'person' ? actor.personId : actor.id;
    await tx.query(
      `insert into audit (org_id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, params, ip, request_id)
       values ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        entry.orgId,
        actor.kind,
        id ?? null,
        actor.name,
        entry.action,
        entry.target?.kind ?? null,
        entry.target?.id ?? null,
        // A refused message is quoted here, and it may say anything.
        storableJson(entry.params ?? {}),
        person?.ip ?? null,
        person?.requestId ?? null,
      ],
    );
  }
}
