/** Models: kinds of hardware, and what an artifact for one must satisfy. */
import { createPublicKey } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Model, ModelCreate, ModelPatch, PageQuery } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';

interface ModelRow {
  name: string;
  requires_signature: boolean;
  release_keys: string[];
  hardware: Model['hardware'];
  formats: string[];
  revision: number;
  created_at: Date;
}

@Injectable()
export class ModelsService {
  constructor(
    private readonly source: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<{ items: Model[]; next?: string }> {
    const [name] = query.after ? decodeCursor(query.after, z.tuple([z.string()])) : [null];
    const rows = await queryRows<ModelRow>(
      this.source.manager,
      'select * from models where org_id = $1 and ($2::text is null or name > $2) order by name limit $3',
      [actor.orgId, name, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.name], modelView);
  }

  async get(actor: Actor, name: string): Promise<Model> {
    return modelView(await this.row(this.source.manager, actor, name));
  }

  async create(actor: Actor, body: ModelCreate): Promise<Model> {
    checkKeys(body.requiresSignature, body.releaseKeys);
    return inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<ModelRow>(
        tx,
        `insert into models (org_id, name, requires_signature, release_keys, hardware, formats)
         values ($1, $2, $3, $4, $5, $6) on conflict (org_id, name) do nothing returning *`,
        [actor.orgId, body.name, body.requiresSignature, body.releaseKeys, JSON.stringify(body.hardware), body.formats],
      );
      if (!row) throw new ProblemError('request.conflict', { detail: `there is a model ${body.name} already` });
      await this.record(tx, actor, 'model.created', body);
      return modelView(row);
    });
  }

  async patch(actor: Actor, name: string, expected: number | undefined, body: ModelPatch): Promise<Model> {
    return inTransaction(this.source, async (tx) => {
      const before = await this.row(tx, actor, name, true);
      expectRevision(before.revision, expected);
      const requires = body.requiresSignature ?? before.requires_signature;
      const keys = body.releaseKeys ?? before.release_keys;
      checkKeys(requires, keys);
      const hardware = JSON.stringify(body.hardware ?? before.hardware);
      const [row] = await queryRows<ModelRow>(
        tx,
        `update models set requires_signature = $3, release_keys = $4, hardware = $5, formats = $6,
           revision = revision + 1 where org_id = $1 and name = $2 returning *`,
        [actor.orgId, name, requires, keys, hardware, body.formats ?? before.formats],
      );
      await this.record(tx, actor, 'model.changed', { name, ...body });
      return modelView(row!);
    });
  }

  private async row(tx: Pick<EntityManager, 'query'>, actor: Actor, name: string, lock = false): Promise<ModelRow> {
    const [row] = await queryRows<ModelRow>(
      tx,
      `select * from models where org_id = $1 and name = $2 ${lock ? 'for no key update' : ''}`,
      [actor.orgId, name],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'model', id: name });
    return row;
  }

  private record(tx: EntityManager, actor: Actor, action: string, body: { name: string }): Promise<void> {
    const target = { kind: 'model', id: body.name };
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target, params: { ...body } });
  }
}

/** A rule that nothing can satisfy, or a key that is none, would only be noticed when an urgent file is refused. */
function checkKeys(requiresSignature: boolean, keys: readonly string[]): void {
  if (requiresSignature && keys.length === 0) {
    throw new ProblemError('request.invalid', { detail: 'a model that requires a signature needs a release key' });
  }
  for (const [index, pem] of keys.entries()) {
    const path = `body.releaseKeys.${index}`;
    let detail = 'is no public key that can be read';
    try {
      const key = createPublicKey(pem);
      const curve = key.asymmetricKeyDetails?.namedCurve;
      if (key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyType === 'rsa') continue;
      if (key.asymmetricKeyType === 'ec' && (curve === 'prime256v1' || curve === 'secp384r1')) continue;
      detail = 'is of a kind that no firmware format uses: Ed25519, P-256, P-384 or RSA is needed';
    } catch {
      // The sentence above says it.
    }
    throw new ProblemError('request.invalid', { detail: `${path} ${detail}` }, [{ path, message: detail }]);
  }
}

function modelView(row: ModelRow): Model {
  return {
    name: row.name,
    requiresSignature: row.requires_signature,
    releaseKeys: row.release_keys,
    hardware: row.hardware,
    formats: row.formats,
    revision: row.revision,
    createdAt: row.created_at.toISOString(),
  };
}
