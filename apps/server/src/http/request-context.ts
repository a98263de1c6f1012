/** What every request gets before anything else: an id, and headers that browsers obey. */
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

export interface RequestWithId extends Request {
  requestId: string;
}

/** Takes the caller's `X-Request-Id` when it is harmless, makes one otherwise, and gives it back. */
export function requestIds(request: Request, response: Response, next: NextFunction): void {
  const given = request.header('x-request-id');
  const id = given !== undefined && /^[A-Za-z0-9._-]{8,64}$/.test(given) ? given : randomUUID();
  (request as RequestWithId).requestId = id;
  response.setHeader('X-Request-Id', id);
  next();
}

/** The API renders nothing; the API's page and the dashboard load only what this server serves. */
export function securityHeaders(tls: boolean) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const api = /^\/(?:api\/v1|agent|health|metrics)(?:\/|$)/.test(request.path);
    const page =
      "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
      "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    // The API's page writes its settings into an inline script.
    const docs = page.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'");
    const policy = request.path.startsWith('/api/docs') ? docs : page;
    response.setHeader('Content-Security-Policy', api ? "default-src 'none'; frame-ancestors 'none'" : policy);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    if (api) response.setHeader('Cache-Control', 'no-store');
    if (tls) response.setHeader('Strict-Transport-Security', 'max-age=15552000');
    next();
  };
}
