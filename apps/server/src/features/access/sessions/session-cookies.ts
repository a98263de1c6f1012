/** The cookies of browsers (RFC 6265bis): not readable by scripts, not sent by other sites, over TLS only where there is any. */
import { Inject, Injectable } from '@nestjs/common';
import { parse } from 'cookie';
import type { Request, Response } from 'express';
import { ADDRESSES, type Addresses } from '../../../adapters/addresses.js';
import { LIFE_DAYS } from './session-life.js';

/** How long a browser may take on its way to an OpenID provider and back. */
export const OIDC_ATTEMPT_MS = 10 * 60_000;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

@Injectable()
export class SessionCookies {
  constructor(@Inject(ADDRESSES) private readonly addresses: Addresses) {}

  /** @returns the session's secret, or undefined where no cookie of that form came. */
  secretOf(request: Pick<Request, 'header'>): string | undefined {
    return this.read(request, this.name('session'));
  }

  give(response: Response, secret: string): void {
    response.cookie(this.name('session'), secret, this.attributes('strict', LIFE_DAYS * 86_400_000));
  }

  take(response: Response): void {
    response.clearCookie(this.name('session'), this.attributes('strict'));
  }

  /** Ties the answer of an OpenID provider to the browser that asked: it must be sent when the provider sends the browser back. */
  oidcOf(request: Pick<Request, 'header'>): string | undefined {
    return this.read(request, this.name('oidc'));
  }

  giveOidc(response: Response, secret: string): void {
    response.cookie(this.name('oidc'), secret, this.attributes('lax', OIDC_ATTEMPT_MS));
  }

  takeOidc(response: Response): void {
    response.clearCookie(this.name('oidc'), this.attributes('lax'));
  }

  private get secure(): boolean {
    return this.addresses.http.startsWith('https:');
  }

  /** With the prefix a browser refuses a cookie of that name from a sub-domain or without TLS. */
  private name(what: 'session' | 'oidc'): string {
    return `${this.secure ? '__Host-' : ''}drydock-${what}`;
  }

  private attributes(sameSite: 'strict' | 'lax', maxAge?: number) {
    return { httpOnly: true, secure: this.secure, sameSite, path: '/', ...(maxAge !== undefined && { maxAge }) };
  }

  private read(request: Pick<Request, 'header'>, name: string): string | undefined {
    const found = parse(request.header('cookie') ?? '')[name];
    return found !== undefined && SECRET.test(found) ? found : undefined;
  }
}
