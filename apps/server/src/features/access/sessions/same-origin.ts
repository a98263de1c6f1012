/** A request that a browser's session makes comes from a page of this server (OWASP: cross-site request forgery). */
import { Inject, Injectable } from '@nestjs/common';
import { CSRF_HEADER } from '@drydock/contracts';
import type { Request } from 'express';
import { ADDRESSES, type Addresses } from '../../../adapters/addresses.js';
import { ProblemError } from '../../../http/problem-error.js';
import { isCsrfToken } from './session-secret.js';

const READS = new Set(['GET', 'HEAD']);

@Injectable()
export class SameOrigin {
  constructor(@Inject(ADDRESSES) private readonly addresses: Addresses) {}

  /**
   * A reading request passes: nobody else can read its answer. Everything else names the session's CSRF token.
   * @throws ProblemError `request.csrf`
   */
  check(request: Pick<Request, 'method' | 'header'>, secret: string): void {
    if (READS.has(request.method)) return;
    this.checkOrigin(request);
    if (!isCsrfToken(secret, request.header(CSRF_HEADER) ?? '')) throw new ProblemError('request.csrf');
  }

  /** For requests before there is a session: no other site signs a browser in. @throws ProblemError `request.csrf` */
  checkOrigin(request: Pick<Request, 'header'>): void {
    const site = request.header('sec-fetch-site');
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new ProblemError('request.csrf');
    const origin = request.header('origin');
    if (origin === undefined) return;
    const hosts = [request.header('host'), new URL(this.addresses.http).host];
    if (!URL.canParse(origin) || !hosts.includes(new URL(origin).host)) throw new ProblemError('request.csrf');
  }
}
