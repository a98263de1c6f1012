/** The audit trail: append-only, written in the transaction of what it records. */
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';

export const AUDIT = Symbol('Audit');

export interface AuditEntry {
  readonly orgId: string | null;
  readonly actor: Actor | { kind: 'gateway' | 'rule' | 'system'; id?: string; name: string };
  /** noun.verb in past tense: `campaign.paused`, `gateway.enrolled`, `reports.bad-signature`. */
  readonly action: string;
  readonly target?: { kind: string; id: string };
  readonly params?: Record<string, unknown>;
}

export interface Audit {
  record(tx: Pick<EntityManager, 'query'>, entry: AuditEntry): Promise<void>;
}
