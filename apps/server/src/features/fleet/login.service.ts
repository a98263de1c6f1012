/** Login of gateways: a short token for broker and downloads, given for a signature by the gateway's key. */
import { Inject, Injectable } from '@nestjs/common';
import {
  LoginBody,
  LoginTokenBody,
  SignatureError,
  signEnvelope,
  verifyEnvelope,
  type LoginResponse,
} from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs } from '../../adapters/database/transaction.js';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import { checkLoginToken } from '../../adapters/mqtt/login-token.js';
import type { GatewayAuthority } from '../../adapters/mqtt/gateway-authority.port.js';
import { ProblemError } from '../../http/problem-error.js';
import { BrokerAccessService } from './broker-access.js';
import { GatewayKeys } from './gateway-keys.js';

export const LOGIN_TOKEN_MS = 3_600_000;

@Injectable()
export class LoginService implements GatewayAuthority {
  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    private readonly access: BrokerAccessService,
    @Inject(SERVER_KEYS) private readonly serverKeys: ServerKeys,
  ) {}

  /** @throws ProblemError `request.unauthenticated` for any envelope that is not a login by a key that is good. */
  async login(jws: string): Promise<LoginResponse> {
    let owner: string | undefined;
    const envelope = await verifyEnvelope(
      jws,
      async (kid) => {
        const found = await this.gatewayKeys.find(kid);
        owner = found?.gatewayId;
        return found?.key;
      },
      { purpose: 'login', server: this.serverKeys.serverId },
    ).catch((error: unknown) => {
      if (error instanceof SignatureError) throw new ProblemError('request.unauthenticated', { why: error.why });
      throw error;
    });
    const body = LoginBody.safeParse(envelope.body);
    if (envelope.gateway !== owner) throw new ProblemError('request.unauthenticated', { why: 'wrong-gateway' });
    if (!body.success)
      throw new ProblemError('request.invalid', { detail: 'the login body has no nonce', field: 'body' });

    const serverTimeMs = await databaseNowMs(this.source.manager);
    const [installation] = await queryRows<{ reign: string }>(this.source.manager, 'select reign from installation');
    const address = {
      v: 1 as const,
      server: this.serverKeys.serverId,
      gateway: envelope.gateway,
      epoch: envelope.epoch,
      bodyVersion: 1,
    };
    const token: LoginTokenBody = { expiresAtMs: serverTimeMs + LOGIN_TOKEN_MS, key: envelope.kid };
    const time = { nonce: body.data.nonce, serverTimeMs, reign: Number(installation?.reign ?? 0) };
    const { orderKey } = this.serverKeys;
    return {
      token: await signEnvelope({ ...address, purpose: 'login-token', body: token }, orderKey),
      expiresInMs: LOGIN_TOKEN_MS,
      time: await signEnvelope({ ...address, purpose: 'time', body: time }, orderKey),
      broker: await this.access.forGateway(envelope.gateway),
    };
  }

  /** The broker has checked the token itself; here: does the gateway still hold the key it was given for? */
  async mayConnect(gatewayId: string, token: string): Promise<{ orgId: string } | undefined> {
    const key = keyNamedBy(token);
    const [row] = await queryRows<{ org_id: string }>(
      this.source.manager,
      `select g.org_id from gateways g join gateway_keys k on k.gateway_id = g.id
       where g.id = $1 and g.state <> 'decommissioned' and k.revoked_at is null and k.fingerprint = $2`,
      [gatewayId, key ?? ''],
    );
    return row && { orgId: row.org_id };
  }

  /**
   * For requests of gateways over HTTP.
   * @param authorization the header as it came: `Bearer <token>`.
   * @throws ProblemError `request.unauthenticated`
   */
  async requireGateway(authorization: string | undefined): Promise<{ gatewayId: string; orgId: string }> {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    const nowMs = await databaseNowMs(this.source.manager);
    const checked = token === undefined ? undefined : await checkLoginToken(this.serverKeys, token, nowMs);
    const gateway = checked && token !== undefined ? await this.mayConnect(checked.gatewayId, token) : undefined;
    if (!checked || !gateway) throw new ProblemError('request.unauthenticated');
    return { gatewayId: checked.gatewayId, orgId: gateway.orgId };
  }
}

/** Reads the key out of a token whose signature was verified before. */
function keyNamedBy(token: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const body = LoginTokenBody.safeParse((payload as { body?: unknown } | null)?.body);
    return body.success ? body.data.key : undefined;
  } catch {
    return undefined;
  }
}
