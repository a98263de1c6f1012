/** What the agent asks of the server over HTTP: enrolment, login, root statements, artifact bytes. */
import type { IncomingMessage } from 'node:http';
import {
  EnrolResponse,
  LoginResponse,
  PublicJwk,
  rawPortAgentPath,
  RootStatements,
  signEnvelope,
  type AttemptRef,
  type SigningKey,
} from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import { pinRoot, type AgentState, type Enrolment } from './agent-state.js';
import type { RawPortEnd } from './raw-port-end.js';
import { httpJson, httpOpen, HttpStatusError, readBody, requireSafeUrl } from './http-client.js';

const TIMEOUT_MS = 15_000;
const MAX_REDIRECTS = 3;

/**
 * Hands the token and the gateway's public key to the server, once.
 * @throws DrydockError `enrolment.token` when the server refuses the token.
 */
export async function enrol(options: {
  readonly serverUrl: string;
  readonly token: string;
  readonly name?: string;
  readonly state: AgentState;
  readonly agentVersion: string;
  readonly allowPlaintext: boolean;
}): Promise<Enrolment> {
  const base = requireSafeUrl(options.serverUrl, '--server', options.allowPlaintext);
  const response = await httpJson(
    {
      method: 'POST',
      url: agentUrl(base, 'enrol'),
      body: {
        token: options.token,
        ...(options.name && { name: options.name }),
        publicKey: PublicJwk.parse(options.state.key),
        agentVersion: options.agentVersion,
      },
      timeoutMs: TIMEOUT_MS,
    },
    EnrolResponse,
  ).catch((error: unknown) => {
    if (error instanceof HttpStatusError && error.problemCode === 'enrolment.token') {
      throw new DrydockError('enrolment.token', {}, { cause: error });
    }
    throw error;
  });
  const root = await pinRoot(response.rootStatements);
  return {
    serverUrl: base.href,
    server: response.server,
    org: response.org,
    site: response.site,
    gateway: response.gateway,
    topicPrefix: response.topicPrefix,
    broker: response.broker,
    releaseKeys: response.releaseKeys,
    root,
  };
}

/** Login tokens are used until this share of their life is over. */
const TOKEN_SHARE = 0.8;

export class ServerHttp {
  readonly #clock: Clock;
  readonly #base: URL;
  #token: { readonly text: string; readonly goodUntilMs: number } | undefined;

  constructor(
    private readonly enrolment: Enrolment,
    private readonly key: SigningKey,
    private readonly epoch: string,
    clock: Clock,
    allowPlaintext: boolean,
  ) {
    this.#clock = clock;
    this.#base = requireSafeUrl(enrolment.serverUrl, 'serverUrl', allowPlaintext);
  }

  /** Shows that the gateway has its key. @returns the token, where the broker is, and a signed time. */
  async login(nonce: string): Promise<LoginResponse> {
    const envelope = await signEnvelope(
      {
        v: 1,
        purpose: 'login',
        server: this.enrolment.server,
        gateway: this.enrolment.gateway.id,
        epoch: this.epoch,
        bodyVersion: 1,
        body: { nonce },
      },
      this.key,
    );
    const sentMs = this.#clock.bootMs();
    const response = await httpJson(
      { method: 'POST', url: agentUrl(this.#base, 'login'), body: { envelope }, timeoutMs: TIMEOUT_MS },
      LoginResponse,
    );
    this.#token = { text: response.token, goodUntilMs: sentMs + response.expiresInMs * TOKEN_SHARE };
    return response;
  }

  async rootStatements(after: number): Promise<readonly string[]> {
    const url = agentUrl(this.#base, 'root');
    url.searchParams.set('after', String(after));
    return (await httpJson({ method: 'GET', url, timeoutMs: TIMEOUT_MS }, RootStatements)).rootStatements;
  }

  /**
   * Opens an artifact from an offset on. Redirects (presigned links of a store) are followed; the token
   * goes to our own server only.
   */
  async openArtifact(
    sha256: string,
    offset: number,
    signal: AbortSignal,
    nonce: () => string,
  ): Promise<IncomingMessage> {
    for (let tries = 0; ; tries += 1) {
      const token = await this.#freshToken(nonce);
      const response = await this.#follow(agentUrl(this.#base, `artifacts/${sha256}`), token, offset, signal);
      if (response.statusCode !== 401 || tries > 0) return response;
      await readBody(response, 64 * 1024).catch(() => undefined);
      this.#token = undefined;
    }
  }

  /**
   * The agent's end of a raw port, for an attempt that this gateway holds.
   * @returns undefined while no tool waits for it.
   * @throws HttpStatusError when the server refuses; DrydockError `server.unavailable`
   */
  async openRawPort(ref: AttemptRef, signal: AbortSignal, nonce: () => string): Promise<RawPortEnd | undefined> {
    const { connectRawPort } = await import('./raw-port-end.js');
    const url = new URL(rawPortAgentPath(ref), withSlash(this.#base));
    for (let tries = 0; ; tries += 1) {
      try {
        return await connectRawPort(url, await this.#freshToken(nonce), signal);
      } catch (error) {
        if (error instanceof HttpStatusError && error.problemCode === 'request.not-found') return undefined;
        if (!(error instanceof HttpStatusError) || error.status !== 401 || tries > 0) throw error;
        this.#token = undefined;
      }
    }
  }

  async #follow(first: URL, token: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
    let url = first;
    for (let hops = 0; ; hops += 1) {
      const response = await httpOpen({
        method: 'GET',
        url,
        headers: {
          ...(url.origin === first.origin && { authorization: `Bearer ${token}` }),
          ...(offset > 0 && { range: `bytes=${offset}-` }),
        },
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      const location = response.headers.location;
      if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) return response;
      response.destroy();
      if (hops >= MAX_REDIRECTS) throw new DrydockError('gateway.download', { detail: 'too many redirects' });
      const next = new URL(location, url);
      if (next.protocol !== url.protocol && next.protocol !== 'https:') {
        throw new DrydockError('gateway.download', { detail: `redirected to ${next.protocol}` });
      }
      url = next;
    }
  }

  async #freshToken(nonce: () => string): Promise<string> {
    if (!this.#token || this.#clock.bootMs() > this.#token.goodUntilMs) await this.login(nonce());
    return this.#token!.text;
  }
}

/**
 * The broker's address as the agent uses it.
 * A relative one, `mqtt://:1883`, means the host of the server's HTTP address.
 */
export function brokerUrl(text: string, serverUrl: string, allowPlaintext: boolean): string {
  const relative = /^(mqtts?|wss?):\/\/:(\d{1,5})(\/.*)?$/.exec(text);
  const full = relative ? `${relative[1]}://${new URL(serverUrl).hostname}:${relative[2]}${relative[3] ?? ''}` : text;
  requireSafeUrl(full, 'broker.url', allowPlaintext);
  return full;
}

export function agentUrl(base: URL, leaf: string): URL {
  return new URL(`agent/v1/${leaf}`, withSlash(base));
}

const withSlash = (base: URL): string => (base.href.endsWith('/') ? base.href : `${base.href}/`);
