/** The artifact room's truth: what is stored, what may be stored, and who may fetch it. */
import { Inject, Injectable } from '@nestjs/common';
import {
  ArtifactFields,
  ArtifactRequires,
  isErrorCode,
  type Artifact,
  type ArtifactFields as Fields,
  type ArtifactQuery,
} from '@drydock/contracts';
import { ArtifactError, describeArtifact, DrydockError, type ArtifactDescription } from '@drydock/dfu-core';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { BLOB_STORE, type BlobStore, type PendingBlob } from '../../adapters/blob-store/blob-store.port.js';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { judgeUpload } from '../../domain/artifact/upload-rules.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { releaseSignatureFault } from './release-signature.js';
import type { Upload } from './upload-reader.js';

interface ArtifactRow {
  id: string;
  sha256: string;
  size_bytes: string;
  file_name: string;
  format: string;
  model: string;
  version: string;
  running_version: string | null;
  running_hashes: string[];
  requires: Artifact['requires'];
  description: ArtifactDescription;
  signature_state: Artifact['signature'];
  created_at: Date;
}

interface ModelRules {
  readonly requires_signature: boolean;
  readonly release_keys: string[];
  readonly hardware: Record<string, string | number>;
  readonly formats: string[];
}

const UNKNOWN_MODEL: ModelRules = { requires_signature: false, release_keys: [], hardware: {}, formats: [] };
/** Name of the lock under which the blob and the rows of one hash change together. */
const BLOB_LOCK = `select pg_advisory_xact_lock(hashtextextended($1, 41))`;

@Injectable()
export class ArtifactsService {
  constructor(
    private readonly source: DataSource,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /**
   * Stores an upload whose bytes stand in `pending`. Whatever the outcome, `pending` is used up afterwards.
   * @throws ProblemError naming the field or byte that is wrong; nothing is stored then.
   */
  async store(actor: Actor, upload: Upload, pending: PendingBlob): Promise<{ artifact: Artifact; isNew: boolean }> {
    let committed = false;
    try {
      const fields = parseFields(upload.fields);
      const description = describe(upload);
      return await inTransaction(
        this.source,
        async (tx) => {
          await tx.query(BLOB_LOCK, [upload.sha256]);
          const rules = await this.rules(tx, actor.orgId, fields.model);
          const row = await this.insert(tx, actor, upload, fields, description, rules);
          if (!row.isNew && (await this.blobs.has(upload.sha256))) return { artifact: view(row), isNew: false };
          // Last: the bytes become visible with the row, or, when the commit fails, are taken back below.
          await pending.commit(upload.sha256);
          committed = true;
          return { artifact: view(row), isNew: row.isNew };
        },
        1,
      );
    } catch (error) {
      if (committed) await this.removeUnnamed(upload.sha256);
      throw error;
    } finally {
      if (!committed) await pending.discard();
    }
  }

  async list(actor: Actor, query: ArtifactQuery): Promise<{ items: Artifact[]; next?: string }> {
    const [at, id] = query.after ? decodeCursor(query.after, z.tuple([z.iso.datetime(), z.uuid()])) : [null, null];
    const rows = await queryRows<ArtifactRow>(
      this.source.manager,
      `select * from artifacts where org_id = $1 and ($2::text is null or model = $2) and ($3::text is null or version = $3)
         and ($4::timestamptz is null or (date_trunc('milliseconds', created_at), id) < ($4::timestamptz, $5::uuid))
         and ($7::text is null or starts_with(sha256, $7)) and ($8::uuid is null or id = $8::uuid)
       order by date_trunc('milliseconds', created_at) desc, id desc limit $6`,
      [
        actor.orgId,
        query.model ?? null,
        query.version ?? null,
        at,
        id,
        query.limit + 1,
        query.sha256 ?? null,
        query.id ?? null,
      ],
    );
    return toPage(rows, query.limit, (row) => [row.created_at.toISOString(), row.id], view);
  }

  async get(actor: Actor, sha256: string): Promise<Artifact> {
    return view(await this.row(this.source.manager, actor.orgId, sha256));
  }

  /**
   * @throws ProblemError `request.conflict` while anything names it: a campaign, of which it is the subject what an
   *   abort goes back to, or a step on the way; an order that is out; an advisory that it mends, whose exposure is counted towards it.
   */
  async remove(actor: Actor, sha256: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      await tx.query(BLOB_LOCK, [sha256]);
      const row = await this.row(tx, actor.orgId, sha256, 'for update');
      const naming = await queryRows<{ name: string }>(
        tx,
        `select name from campaigns where org_id = $1
           and (artifact_id = $2 or policy::text like '%' || $2::text || '%' or policy::text like '%' || $3 || '%'
             or exists (select 1 from campaign_steps s where s.campaign_id = campaigns.id and s.artifact_id = $2))
         order by created_at desc limit 5`,
        [actor.orgId, row.id, sha256],
      );
      if (naming.length > 0) {
        const names = naming.map(({ name }) => name).join(', ');
        throw new ProblemError('request.conflict', { detail: `campaigns name it: ${names}` });
      }
      const advisories = await queryRows<{ cve: string }>(
        tx,
        `select a.cve from advisory_models m join advisories a on a.id = m.advisory_id where m.fixed_by = $1 order by 1 limit 5`,
        [row.id],
      );
      if (advisories.length > 0) {
        const names = advisories.map(({ cve }) => cve).join(', ');
        throw new ProblemError('request.conflict', { detail: `advisories name it as their fix: ${names}` });
      }
      const orders = await queryRows<{ name: string }>(
        tx,
        `select g.name from orders o join gateways g on g.id = o.gateway_id
         where g.org_id = $1 and g.state <> 'decommissioned' and o.artifacts @> array[$2::text] order by 1 limit 5`,
        [actor.orgId, sha256],
      );
      if (orders.length > 0) {
        const names = orders.map(({ name }) => name).join(', ');
        throw new ProblemError('request.conflict', { detail: `orders of these gateways name it: ${names}` });
      }
      await tx.query('delete from artifacts where id = $1', [row.id]);
      await this.record(tx, actor, 'artifact.deleted', row);
    });
    await this.removeUnnamed(sha256);
  }

  /** For downloads by people. */
  async recordDownload(actor: Actor, sha256: string): Promise<void> {
    const row = await this.row(this.source.manager, actor.orgId, sha256);
    await this.record(this.source.manager, actor, 'artifact.downloaded', row);
  }

  /**
   * Whether a gateway may fetch these bytes: one of its live deployments, or the order that is out for it, names them.
   */
  async gatewayMayFetch(gatewayId: string, sha256: string): Promise<boolean> {
    const [row] = await queryRows<{ live: boolean; jws: string | null; known: boolean }>(
      this.source.manager,
      `select
         exists (select 1 from deployments p join campaigns c on c.id = p.campaign_id
                   join artifacts a on a.id = coalesce(p.step_artifact_id, c.artifact_id)
                 where p.gateway_id = g.id and a.sha256 = $2
                   and p.state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue')
         ) as live,
         exists (select 1 from artifacts a where a.org_id = g.org_id and a.sha256 = $2) as known,
         (select jws from orders o where o.gateway_id = g.id) as jws
       from gateways g where g.id = $1`,
      [gatewayId, sha256],
    );
    if (!row?.known) return false;
    return row.live || (row.jws !== null && artifactsOfOrder(row.jws).has(sha256));
  }

  private async insert(
    tx: EntityManager,
    actor: Actor,
    upload: Upload,
    fields: Fields,
    description: ArtifactDescription,
    rules: ModelRules,
  ): Promise<ArtifactRow & { isNew: boolean }> {
    const verdict = judgeUpload({ ...description, signed: description.signatures.length > 0 }, fields, {
      requiresSignature: rules.requires_signature,
      hardware: rules.hardware,
      formats: rules.formats,
    });
    if (!verdict.ok) throw new ProblemError(verdict.code, verdict.params);
    const signature = signatureState(upload.bytes, description, rules);
    const [known] = await queryRows<ArtifactRow>(tx, 'select * from artifacts where org_id = $1 and sha256 = $2', [
      actor.orgId,
      upload.sha256,
    ]);
    if (known) {
      const differing = Object.entries({
        model: known.model === fields.model,
        version: known.version === verdict.version,
        runningVersion: known.running_version === verdict.runningVersion,
        requires: JSON.stringify(ArtifactRequires.parse(known.requires)) === JSON.stringify(fields.requires),
      }).find(([, same]) => !same);
      if (differing) throw new ProblemError('artifact.conflict', { field: differing[0] });
      return { ...known, isNew: false };
    }
    const [row] = await queryRows<ArtifactRow>(
      tx,
      `insert into artifacts (org_id, sha256, size_bytes, file_name, format, model, version, running_version, running_hashes,
         requires, description, signature_state, created_by)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning *`,
      [
        actor.orgId,
        upload.sha256,
        upload.bytes.length,
        upload.fileName,
        description.format,
        fields.model,
        verdict.version,
        verdict.runningVersion,
        verdict.runningHashes,
        JSON.stringify(fields.requires),
        JSON.stringify(description),
        signature,
        actor.personId,
      ],
    );
    await this.record(tx, actor, 'artifact.uploaded', row!);
    return { ...row!, isNew: true };
  }

  /** Locked, so that a rule made stricter meanwhile is not overtaken. The model is made when nobody described it yet. */
  private async rules(tx: EntityManager, orgId: string, model: string): Promise<ModelRules> {
    await tx.query('insert into models (org_id, name) values ($1, $2) on conflict do nothing', [orgId, model]);
    const [row] = await queryRows<ModelRules>(
      tx,
      'select requires_signature, release_keys, hardware, formats from models where org_id = $1 and name = $2 for share',
      [orgId, model],
    );
    return row ?? UNKNOWN_MODEL;
  }

  private async removeUnnamed(sha256: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      await tx.query(BLOB_LOCK, [sha256]);
      const named = await queryRows(tx, 'select 1 from artifacts where sha256 = $1 limit 1', [sha256]);
      if (named.length === 0) await this.blobs.remove(sha256);
    });
  }

  private async row(tx: Queryable, orgId: string, sha256: string, lock = ''): Promise<ArtifactRow> {
    const [row] = await queryRows<ArtifactRow>(
      tx,
      `select * from artifacts where org_id = $1 and sha256 = $2 ${lock}`,
      [orgId, sha256],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'artifact', id: sha256 });
    return row;
  }

  private record(tx: Queryable, actor: Actor, action: string, row: ArtifactRow): Promise<void> {
    return this.audit.record(tx, {
      orgId: actor.orgId,
      actor,
      action,
      target: { kind: 'artifact', id: row.sha256 },
      params: { model: row.model, version: row.version, format: row.format, signature: row.signature_state },
    });
  }
}

function parseFields(given: Readonly<Record<string, string>>): Fields {
  let requires: unknown;
  try {
    requires = given['requires'] === undefined ? undefined : JSON.parse(given['requires']);
  } catch {
    const message = 'is not JSON';
    throw new ProblemError('request.invalid', { detail: `requires ${message}` }, [{ path: 'body.requires', message }]);
  }
  const parsed = ArtifactFields.safeParse({ ...given, ...(requires !== undefined && { requires }) });
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, 20).map((issue) => ({
    path: ['body', ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  throw new ProblemError('request.invalid', { detail: `${errors[0]!.path}: ${errors[0]!.message}` }, errors);
}

/** @throws ProblemError with the core's own code and parameters: which field, which byte. */
function describe(upload: Upload): ArtifactDescription {
  try {
    const description = describeArtifact(upload.bytes);
    if (description.sha256 !== upload.sha256) {
      throw new ProblemError('internal.invariant', { detail: 'the core hashed other bytes than the upload' });
    }
    return description;
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    if (error instanceof DrydockError && isErrorCode(error.code)) {
      // Whatever the core calls it: a file that does not match itself is the sender's to mend.
      throw new ProblemError(error.code, error.params, undefined, { status: 422, cause: error });
    }
    throw error;
  }
}

function signatureState(bytes: Buffer, description: ArtifactDescription, rules: ModelRules): Artifact['signature'] {
  if (description.signatures.length === 0) return 'none';
  if (rules.release_keys.length === 0 && !rules.requires_signature) return 'present';
  try {
    const fault = releaseSignatureFault(bytes, description.format, rules.release_keys);
    if (fault === undefined) return 'verified';
    if (rules.requires_signature) throw new ProblemError('artifact.signature', { detail: fault, field: 'signature' });
    return 'present';
  } catch (error) {
    if (error instanceof ArtifactError)
      throw new ProblemError(error.code, error.params, undefined, { status: 422, cause: error });
    throw error;
  }
}

const OrderPayload = z.object({
  upgrade: z.object({ sha256: z.string() }).optional(),
  body: z.object({
    grants: z.array(z.object({ artifact: z.object({ sha256: z.string() }) })),
    prefetch: z.array(z.object({ sha256: z.string() })).default([]),
  }),
});

/** Hashes that an order of ours names; its signature is not looked at, since it comes from our own table. */
function artifactsOfOrder(jws: string): ReadonlySet<string> {
  const payload: unknown = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const parsed = OrderPayload.safeParse(payload);
  if (!parsed.success) return new Set();
  const { upgrade, body } = parsed.data;
  const hashes = [...body.grants.map(({ artifact }) => artifact.sha256), ...body.prefetch.map(({ sha256 }) => sha256)];
  return new Set(upgrade ? [...hashes, upgrade.sha256] : hashes);
}

function view(row: ArtifactRow): Artifact {
  return {
    id: row.id,
    sha256: row.sha256 as Artifact['sha256'],
    sizeBytes: Number(row.size_bytes),
    fileName: row.file_name,
    format: row.format,
    model: row.model,
    version: row.version,
    runningVersion: row.running_version,
    runningHashes: row.running_hashes,
    requires: row.requires,
    signature: row.signature_state,
    description: row.description as unknown as Artifact['description'],
    createdAt: row.created_at.toISOString(),
  };
}
