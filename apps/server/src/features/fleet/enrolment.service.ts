/** Enrolment: a token of one site and one use makes a gateway, or gives one of that name a new key. */
import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  EnrolResponse,
  gatewayTopicPrefix,
  keyFingerprint,
  type EnrolmentToken,
  type EnrolmentTokenCreated,
  type EnrolmentTokenQuery,
  type EnrolRequest,
} from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import { BROKER, type Broker } from '../../adapters/mqtt/broker.port.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { BrokerAccessService } from './broker-access.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayKeys } from './gateway-keys.js';

const TOKEN_PREFIX = 'ddenrol_';

interface TokenRow {
  id: string;
  org_id: string;
  site_id: string;
  created_at: Date;
  expires_at: Date;
  used_at: Date | null;
  used_by: string | null;
}

interface Enrolled {
  readonly orgId: string;
  readonly siteId: string;
  readonly gatewayId: string;
  readonly state: 'active' | 'quarantined';
  readonly revoked: readonly string[];
}

@Injectable()
export class EnrolmentService {
  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    private readonly access: BrokerAccessService,
    private readonly events: FleetEvents,
    @Inject(SERVER_KEYS) private readonly serverKeys: ServerKeys,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** The token is in the answer and nowhere else: only its hash is kept. */
  async createToken(actor: Actor, siteId: string, validForSeconds: number): Promise<EnrolmentTokenCreated> {
    const token = TOKEN_PREFIX + randomBytes(32).toString('base64url');
    return inTransaction(this.source, async (tx) => {
      const sites = await queryRows<{ state: string }>(
        tx,
        `select state from sites where org_id = $1 and id = $2 for share`,
        [actor.orgId, siteId],
      );
      if (!sites[0]) throw new ProblemError('request.not-found', { what: 'site', id: siteId });
      if (sites[0].state !== 'active') {
        throw new ProblemError('request.conflict', { detail: 'the site is decommissioned' });
      }
      const [row] = await queryRows<TokenRow>(
        tx,
        `insert into enrolment_tokens (org_id, site_id, token_hash, created_by, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5)) returning *`,
        [actor.orgId, siteId, hashToken(token), actor.personId, validForSeconds],
      );
      await this.audit.record(tx, {
        orgId: actor.orgId,
        actor,
        action: 'enrolment-token.created',
        target: { kind: 'enrolment-token', id: row!.id },
        params: { site: siteId, expiresAt: row!.expires_at.toISOString() },
      });
      return { ...tokenView(row!), token };
    });
  }

  async listTokens(actor: Actor, query: EnrolmentTokenQuery): Promise<{ items: EnrolmentToken[]; next?: string }> {
    const [after] = query.after ? decodeCursor(query.after, z.tuple([z.uuid()])) : [null];
    const rows = await queryRows<TokenRow>(
      this.source.manager,
      `select * from enrolment_tokens
       where org_id = $1 and ($2::uuid is null or id > $2) and ($3::uuid is null or site_id = $3) order by id limit $4`,
      [actor.orgId, after, query.site ?? null, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.id], tokenView);
  }

  /** Takes back a token that nobody has used. */
  async revokeToken(actor: Actor, id: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const rows = await queryRows<{ used_at: Date | null }>(
        tx,
        'select used_at from enrolment_tokens where org_id = $1 and id = $2 for update',
        [actor.orgId, id],
      );
      if (!rows[0]) throw new ProblemError('request.not-found', { what: 'enrolment token', id });
      if (rows[0].used_at) throw new ProblemError('request.conflict', { detail: 'the token was used already' });
      await tx.query('update enrolment_tokens set expires_at = least(expires_at, now()) where id = $1', [id]);
      const target = { kind: 'enrolment-token', id };
      await this.audit.record(tx, { orgId: actor.orgId, actor, action: 'enrolment-token.revoked', target });
    });
  }

  /**
   * The same key may come again with the token it has used: its first answer may have been lost.
   * @throws ProblemError `enrolment.token` (403), `request.conflict` for a key that is in use or was revoked.
   */
  async enrol(request: EnrolRequest, ip: string): Promise<EnrolResponse> {
    const fingerprint = await keyFingerprint(request.publicKey);
    const enrolled = await inTransaction(this.source, (tx) => this.enrolIn(tx, request, fingerprint, ip));
    if (enrolled.revoked.length > 0) {
      this.gatewayKeys.invalidate(enrolled.gatewayId);
      await this.broker.disconnect(enrolled.gatewayId);
    }
    const { orgId, siteId, gatewayId, state } = enrolled;
    this.events.emit('gatewayChanged', { orgId, siteId, gatewayId, state });
    return this.answer(enrolled.gatewayId);
  }

  private async enrolIn(tx: EntityManager, request: EnrolRequest, fingerprint: string, ip: string): Promise<Enrolled> {
    const hash = hashToken(request.token);
    const [token] = await queryRows<TokenRow>(
      tx,
      `update enrolment_tokens set used_at = clock_timestamp()
       where token_hash = $1 and used_at is null and expires_at > clock_timestamp() returning *`,
      [hash],
    );
    if (!token) return this.enrolledBefore(tx, hash, fingerprint);

    const known = await queryRows(tx, 'select 1 from gateway_keys where fingerprint = $1', [fingerprint]);
    if (known.length > 0) throw new ProblemError('request.conflict', { detail: 'this key was enrolled before' });
    const name =
      request.name ??
      `gw-${fingerprint
        .toLowerCase()
        .replace(/[^a-z0-9]/g, '')
        .slice(0, 10)}`;
    const gateway = await this.upsertGateway(tx, token, name, request, fingerprint);
    const revoked = await queryRows<{ fingerprint: string }>(
      tx,
      'update gateway_keys set revoked_at = clock_timestamp() where gateway_id = $1 and revoked_at is null returning fingerprint',
      [gateway.id],
    );
    await tx.query('insert into gateway_keys (fingerprint, gateway_id, public_jwk) values ($1, $2, $3)', [
      fingerprint,
      gateway.id,
      JSON.stringify(request.publicKey),
    ]);
    await tx.query('update enrolment_tokens set used_by = $2 where id = $1', [token.id, gateway.id]);
    await this.audit.record(tx, {
      orgId: token.org_id,
      actor: { kind: 'gateway', id: gateway.id, name },
      action: gateway.isNew ? 'gateway.enrolled' : 'gateway.enrolled-again',
      target: { kind: 'gateway', id: gateway.id },
      params: {
        site: token.site_id,
        token: token.id,
        fingerprint,
        ip,
        ...(revoked.length > 0 && { revoked: revoked.map((row) => row.fingerprint) }),
      },
    });
    return {
      orgId: token.org_id,
      siteId: token.site_id,
      gatewayId: gateway.id,
      state: gateway.state,
      revoked: revoked.map((row) => row.fingerprint),
    };
  }

  /** A quarantine stays until a person lifts it; a decommissioned gateway is back by the token that a person made. */
  private async upsertGateway(
    tx: EntityManager,
    token: TokenRow,
    name: string,
    request: EnrolRequest,
    fingerprint: string,
  ): Promise<{ id: string; state: Enrolled['state']; isNew: boolean }> {
    const jwk = JSON.stringify(request.publicKey);
    const [made] = await queryRows<{ id: string }>(
      tx,
      `insert into gateways (org_id, site_id, name, public_jwk, key_fingerprint, agent_version)
       values ($1, $2, $3, $4, $5, $6) on conflict (org_id, site_id, name) do nothing returning id`,
      [token.org_id, token.site_id, name, jwk, fingerprint, request.agentVersion],
    );
    if (made) return { id: made.id, state: 'active', isNew: true };
    const [found] = await queryRows<{ id: string; state: Enrolled['state'] }>(
      tx,
      `update gateways set public_jwk = $4, key_fingerprint = $5, agent_version = $6, enrolled_at = clock_timestamp(),
         epoch = null, connection = 0, presence_sequence = 0, online = false, inventory_epoch = null,
         inventory_sequence = 0, held_reign = 0, held_revision = 0, revision = revision + 1,
         state = case state when 'decommissioned' then 'active' else state end,
         state_note = case state when 'decommissioned' then null else state_note end
       where org_id = $1 and site_id = $2 and name = $3 returning id, state`,
      [token.org_id, token.site_id, name, jwk, fingerprint, request.agentVersion],
    );
    // What was known of the lives under the old key says nothing about the new one.
    await tx.query('delete from gateway_epochs where gateway_id = $1', [found!.id]);
    return { ...found!, isNew: false };
  }

  private async enrolledBefore(tx: EntityManager, hash: Buffer, fingerprint: string): Promise<Enrolled> {
    const [row] = await queryRows<{ org_id: string; site_id: string; gateway_id: string; state: Enrolled['state'] }>(
      tx,
      `select g.org_id, g.site_id, g.id as gateway_id, g.state from enrolment_tokens t
       join gateways g on g.id = t.used_by join gateway_keys k on k.gateway_id = g.id
       where t.token_hash = $1 and t.expires_at > clock_timestamp() and k.fingerprint = $2 and k.revoked_at is null
         and g.state <> 'decommissioned'`,
      [hash, fingerprint],
    );
    if (!row) throw new ProblemError('enrolment.token', {}, undefined, { status: 403 });
    return { orgId: row.org_id, siteId: row.site_id, gatewayId: row.gateway_id, state: row.state, revoked: [] };
  }

  private async answer(gatewayId: string): Promise<EnrolResponse> {
    const [row] = await queryRows<{ org_id: string; name: string; site_id: string; site_name: string; zone: string }>(
      this.source.manager,
      `select g.org_id, g.name, s.id as site_id, s.name as site_name, s.zone
       from gateways g join sites s on s.id = g.site_id where g.id = $1`,
      [gatewayId],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'gateway', id: gatewayId });
    const models = await queryRows<{ name: string; release_keys: string[] }>(
      this.source.manager,
      `select name, release_keys from models where org_id = $1 and release_keys <> '{}'`,
      [row.org_id],
    );
    return EnrolResponse.parse({
      server: this.serverKeys.serverId,
      org: row.org_id,
      site: { id: row.site_id, name: row.site_name, zone: row.zone },
      gateway: { id: gatewayId, name: row.name },
      topicPrefix: gatewayTopicPrefix(row.org_id, gatewayId),
      broker: await this.access.forGateway(gatewayId),
      rootStatements: await this.serverKeys.rootStatements(),
      releaseKeys: Object.fromEntries(models.map((model) => [model.name, model.release_keys])),
    });
  }
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function tokenView(row: TokenRow): EnrolmentToken {
  return {
    id: row.id,
    site: row.site_id as EnrolmentToken['site'],
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    usedAt: row.used_at?.toISOString() ?? null,
    usedBy: row.used_by as EnrolmentToken['usedBy'],
  };
}
