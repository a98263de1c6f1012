/** The keys by which gateways sign. A key is good until it is revoked or its gateway is decommissioned. */
import { Injectable } from '@nestjs/common';
import { importVerifyingKey, PublicJwk, type VerifyingKey } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';

/** How long another server may go on trusting a key that was revoked here. */
const FRESH_MS = 5_000;
const MAX_CACHED = 50_000;
const FINGERPRINT = /^[A-Za-z0-9_-]{43}$/;

interface CachedKey {
  readonly gatewayId: string;
  readonly key: VerifyingKey;
  readonly untilMs: number;
}

@Injectable()
export class GatewayKeys {
  /** By fingerprint, oldest first. */
  private readonly cache = new Map<string, CachedKey>();

  constructor(private readonly source: DataSource) {}

  /**
   * For `verifyEnvelope`: the key of exactly this gateway. A key that is not in the cache is looked up, so one that
   * was enrolled a moment ago is known at once.
   */
  resolver(gatewayId: string): (kid: string) => Promise<VerifyingKey | undefined> {
    return async (kid) => {
      const found = await this.find(kid);
      return found?.gatewayId === gatewayId ? found.key : undefined;
    };
  }

  /** Whose key it is, for messages that come without a topic (login). */
  async find(kid: string): Promise<{ gatewayId: string; key: VerifyingKey } | undefined> {
    const cached = this.cache.get(kid);
    if (cached && cached.untilMs > performance.now()) return cached;
    if (!FINGERPRINT.test(kid)) return undefined;
    const [row] = await queryRows<{ gateway_id: string; public_jwk: unknown }>(
      this.source.manager,
      `select k.gateway_id, k.public_jwk from gateway_keys k join gateways g on g.id = k.gateway_id
       where k.fingerprint = $1 and k.revoked_at is null and g.state <> 'decommissioned'`,
      [kid],
    );
    this.cache.delete(kid);
    if (!row) return undefined;
    const found = {
      gatewayId: row.gateway_id,
      key: cached?.key ?? (await importVerifyingKey(PublicJwk.parse(row.public_jwk))),
      untilMs: performance.now() + FRESH_MS,
    };
    this.cache.set(kid, found);
    if (this.cache.size > MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
    return found;
  }

  /** To be called after the commit that revoked a key of the gateway. */
  invalidate(gatewayId: string): void {
    for (const [kid, cached] of this.cache) if (cached.gatewayId === gatewayId) this.cache.delete(kid);
  }
}
