/**
 * Sign-in through an OpenID provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636), state and
 * nonce. Nobody is made by it: a person that an admin has added is recognized by the address the provider vouches for,
 * once, and by issuer and subject from then on.
 */
import { Inject, Injectable } from '@nestjs/common';
import * as client from 'openid-client';
import { FRESH_SIGN_IN_MINUTES } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { ADDRESSES, type Addresses } from '../../../adapters/addresses.js';
import { queryRows } from '../../../adapters/database/rows.js';
import { inTransaction } from '../../../adapters/database/transaction.js';
import { ProblemError } from '../../../http/problem-error.js';
import { isLoopbackHost, SETTINGS, type Settings } from '../../../settings/settings.js';
import { AUDIT, type Audit } from '../../audit/audit.port.js';
import { hashSessionSecret, makeSecret } from './session-secret.js';
import { OIDC_ATTEMPT_MS } from './session-cookies.js';
import { SessionsService, type BrowserFacts } from './sessions.service.js';

const CALLBACK_PATH = '/api/v1/session/oidc/callback';
const PROVIDER_TIMEOUT_S = 10;
/** What the provider says of itself is read again after so long. */
const DISCOVERY_KEPT_MS = 3_600_000;
/** Ways that nobody came back from; more are refused until some end. */
const MOST_ATTEMPTS = 10_000;

const Claims = z.object({
  sub: z.string().min(1).max(255),
  email: z.string().max(254).optional(),
  // When the provider last asked the person themselves, in seconds.
  auth_time: z.number().optional(),
  // Some providers write it as text.
  email_verified: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]).optional(),
});
type Claims = z.infer<typeof Claims>;

interface Attempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly return_to: string;
  readonly again: boolean;
}

interface Found {
  id: string;
  org_id: string;
  name: string;
}

@Injectable()
export class OidcService {
  private known?: { config: client.Configuration; readAtMs: number };

  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(ADDRESSES) private readonly addresses: Addresses,
    @Inject(AUDIT) private readonly audit: Audit,
    @Inject(SessionsService) private readonly sessions: SessionsService,
  ) {}

  /**
   * @param returnTo a path of this server, where the browser goes in the end.
   * @param again the provider shall ask the person themselves, also where it remembers them (`prompt=login`, `max_age=0`).
   * @returns where to send the browser, and the secret for its cookie.
   * @throws ProblemError `sign-in.off`, `sign-in.provider`, `server.overloaded`
   */
  async begin(returnTo: string, again = false): Promise<{ url: string; browserSecret: string }> {
    const config = await this.provider();
    const verifier = client.randomPKCECodeVerifier();
    const browserSecret = makeSecret();
    const state = client.randomState();
    const nonce = client.randomNonce();
    const [kept] = await queryRows(
      this.source.manager,
      `insert into oidc_attempts (browser_hash, state, nonce, verifier, return_to, expires_at, again)
       select $1, $2, $3, $4, $5, now() + $6::int * interval '1 millisecond', $7
       where (select count(*) from oidc_attempts where expires_at > now()) < ${MOST_ATTEMPTS} returning 1`,
      [hashSessionSecret(browserSecret), state, nonce, verifier, localPath(returnTo), OIDC_ATTEMPT_MS, again],
    );
    if (!kept) throw new ProblemError('server.overloaded', { retryAfterMs: OIDC_ATTEMPT_MS });
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: this.callbackUrl(),
      scope: 'openid email profile',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...(again && { prompt: 'login', max_age: '0' }),
    });
    return { url: url.href, browserSecret };
  }

  /**
   * @param search the query that the provider sent the browser back with.
   * @param browserSecret of the cookie; the answer to another browser's question is nobody's.
   * @throws ProblemError `sign-in.provider`, `sign-in.unknown-person`, `sign-in.refused`
   */
  async finish(
    search: string,
    browserSecret: string | undefined,
    browser: BrowserFacts,
  ): Promise<{ secret: string; returnTo: string }> {
    const config = await this.provider();
    const [attempt] = await queryRows<Attempt>(
      this.source.manager,
      `delete from oidc_attempts where browser_hash = $1 and expires_at > now() returning state, nonce, verifier, return_to, again`,
      [hashSessionSecret(browserSecret ?? '')],
    );
    if (!attempt) throw new ProblemError('sign-in.provider', { detail: 'this browser did not ask, or too long ago' });
    const claims = await this.claimsOf(config, search, attempt);
    const issuer = config.serverMetadata().issuer;
    return inTransaction(this.source, async (tx) => {
      const person = await this.personOf(tx, issuer, claims, browser);
      const opener = {
        orgId: person.org_id,
        personId: person.id,
        name: person.name,
        method: 'oidc' as const,
        confirmed: isFresh(claims.auth_time),
      };
      return { secret: await this.sessions.open(tx, opener, browser), returnTo: attempt.return_to };
    });
  }

  private async claimsOf(config: client.Configuration, search: string, attempt: Attempt): Promise<Claims> {
    return asking(async () => {
      const tokens = await client.authorizationCodeGrant(config, new URL(this.callbackUrl() + search), {
        pkceCodeVerifier: attempt.verifier,
        expectedState: attempt.state,
        expectedNonce: attempt.nonce,
        idTokenExpected: true,
        ...(attempt.again && { maxAge: FRESH_SIGN_IN_MINUTES * 60 }),
      });
      const claims = Claims.parse(tokens.claims());
      if (claims.email !== undefined || !config.serverMetadata().userinfo_endpoint) return claims;
      const more = Claims.parse(await client.fetchUserInfo(config, tokens.access_token, claims.sub));
      // Of when the person was asked, only the signed token speaks.
      return { ...more, auth_time: claims.auth_time };
    });
  }

  private async personOf(tx: EntityManager, issuer: string, claims: Claims, browser: BrowserFacts): Promise<Found> {
    const [linked] = await queryRows<Found & { disabled_at: Date | null }>(
      tx,
      'select id, org_id, name, disabled_at from people where oidc_issuer = $1 and oidc_subject = $2',
      [issuer, claims.sub],
    );
    if (linked?.disabled_at) throw new ProblemError('sign-in.refused');
    if (linked) return linked;
    // An address that the provider has not checked may be anybody's.
    if (claims.email === undefined || claims.email_verified !== true) throw new ProblemError('sign-in.unknown-person');
    const matching = await queryRows<Found & { oidc_subject: string | null }>(
      tx,
      `select id, org_id, name, oidc_subject from people where lower(email) = lower($1) and disabled_at is null
       order by id limit 2 for update`,
      [claims.email],
    );
    const [person] = matching;
    if (!person || matching.length > 1 || person.oidc_subject !== null)
      throw new ProblemError('sign-in.unknown-person');
    await queryRows(tx, 'update people set oidc_issuer = $2, oidc_subject = $3 where id = $1', [
      person.id,
      issuer,
      claims.sub,
    ]);
    await this.audit.record(tx, {
      orgId: person.org_id,
      actor: { kind: 'system', name: 'sign-in' },
      action: 'person.linked',
      target: { kind: 'person', id: person.id },
      params: { issuer, address: browser.ip },
    });
    return person;
  }

  private callbackUrl(): string {
    return this.addresses.http + CALLBACK_PATH;
  }

  private async provider(): Promise<client.Configuration> {
    const { oidcIssuer, oidcClientId, oidcClientSecret } = this.settings;
    if (oidcIssuer === undefined) throw new ProblemError('sign-in.off', { method: 'OpenID' });
    if (this.known && performance.now() - this.known.readAtMs < DISCOVERY_KEPT_MS) return this.known.config;
    const issuer = new URL(oidcIssuer);
    const config = await asking(() =>
      client.discovery(issuer, oidcClientId!, undefined, client.ClientSecretBasic(oidcClientSecret!), {
        timeout: PROVIDER_TIMEOUT_S,
        // Settings allow http for this machine only.
        ...(isLoopbackHost(issuer.hostname) && { execute: [client.allowInsecureRequests] }),
      }),
    );
    this.known = { config, readAtMs: performance.now() };
    return config;
  }
}

/** @throws ProblemError `sign-in.provider` with what the provider or the library said, never with what was sent. */
async function asking<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    const detail = error instanceof z.ZodError ? 'it names nobody' : String((error as Error).message).slice(0, 200);
    throw new ProblemError('sign-in.provider', { detail }, undefined, { cause: error });
  }
}

/** Whether the provider says that it asked the person lately. */
function isFresh(authTimeS: number | undefined): boolean {
  return authTimeS !== undefined && Date.now() / 1000 - authTimeS < FRESH_SIGN_IN_MINUTES * 60;
}

/** A path of this server; anything else becomes the first page: a link must not send people elsewhere after sign-in. */
export function localPath(given: string): string {
  return /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}$/.test(given) && !given.startsWith('/api/') ? given : '/';
}
