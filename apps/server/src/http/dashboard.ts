/**
 * The dashboard's files, as `npm run build` leaves them in `apps/dashboard/dist/site`. Page URLs get the one page; nothing
 * here ever answers for `/api`, `/agent`, `/health` or `/metrics`.
 */
import { randomBytes } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';

/** Beside the server in the workspace and in the image; the same from sources and from what was built. */
const SITE = fileURLToPath(new URL('../../../dashboard/dist/site', import.meta.url));

/** First parts of the page's own URLs. A path that is none of them is the API's to answer, mostly with "not found". */
const PAGES =
  /^\/(?:(?:campaigns|fleet|artifacts|advisories|approvals|audit|webhooks|settings)(?:\/.*)?|sign-in|set-password)?$/;
const ASSET = /^\/assets\/[A-Za-z0-9._-]{1,200}$/;
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
};
const YEAR_S = 31_536_000;

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Drydock</title>
<body><h1>The dashboard has not been built</h1>
<p>This server works. Its page is missing: run <code>npm run build</code> where it is installed, then load this address again.</p>
<p>The API is described at <a href="/api/docs">/api/docs</a>.</p></body></html>`;

/** @param siteDir where the built files lie; left out: where the build puts them. */
export function serveDashboard(app: Pick<NestExpressApplication, 'use'>, siteDir: string = SITE): void {
  app.use((request: Request, response: Response, next: NextFunction) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    if (ASSET.test(request.path) || request.path === '/drydock.svg') {
      sendAsset(siteDir, request, response, next).catch(next);
    } else if (PAGES.test(request.path)) {
      sendPage(siteDir, response).catch(next);
    } else next();
  });
}

/** The name of an asset holds a hash of its bytes, so a browser may keep it for ever. */
async function sendAsset(siteDir: string, request: Request, response: Response, next: NextFunction): Promise<void> {
  const file = request.path.slice(1);
  const type = TYPES[file.slice(file.lastIndexOf('.') + 1)];
  if (type === undefined) return next();
  const packed = request.acceptsEncodings('br') === 'br' && (await exists(join(siteDir, `${file}.br`)));
  const sent = packed ? `${file}.br` : file;
  if (!packed && !(await exists(join(siteDir, sent)))) return next();
  response.setHeader('Content-Type', type);
  response.setHeader('Vary', 'Accept-Encoding');
  if (packed) response.setHeader('Content-Encoding', 'br');
  const kept = ASSET.test(request.path) ? `public, max-age=${YEAR_S}, immutable` : 'public, max-age=3600';
  response.setHeader('Cache-Control', kept);
  await new Promise<void>((resolve, reject) =>
    response.sendFile(sent, { root: siteDir, cacheControl: false, etag: false, dotfiles: 'deny' }, (error) =>
      // A browser that went away has what it wants.
      error && !response.headersSent ? reject(error) : resolve(),
    ),
  );
}

/** The one page, with a nonce of its own: only styles that carry it are obeyed, and no script but files of this server. */
async function sendPage(siteDir: string, response: Response): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  response.type('text/html; charset=utf-8');
  const page = await readFile(join(siteDir, 'index.html'), 'utf8').catch(() => undefined);
  if (page === undefined) {
    response.status(503).send(NOT_BUILT);
    return;
  }
  const nonce = randomBytes(18).toString('base64url');
  response.setHeader(
    'Content-Security-Policy',
    [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'self' 'nonce-${nonce}'`,
      "img-src 'self' data:",
      "font-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  response.send(page.replace('__DRYDOCK_NONCE__', nonce));
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
