/** What the server answers where the dashboard lives, and where it must not. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import request from 'supertest';
import { serveDashboard } from './dashboard.js';

const CODE = 'export const answer = 42;\n'.repeat(40);
let folder: string;
let built: Server;
let notBuilt: Server;

function serverOf(siteDir: string): Server {
  const adapter = new ExpressAdapter();
  serveDashboard(adapter as unknown as Pick<NestExpressApplication, 'use'>, siteDir);
  adapter.use((_: unknown, response: { status(code: number): { json(body: unknown): void } }) =>
    response.status(404).json({ from: 'the API' }),
  );
  adapter.initHttpServer({});
  return adapter.getHttpServer() as Server;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-site-'));
  mkdirSync(join(folder, 'site', 'assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.js'), 'not for you');
  writeFileSync(join(folder, 'site', 'index.html'), '<meta content="__DRYDOCK_NONCE__"><div id="root"></div>');
  writeFileSync(join(folder, 'site', 'assets', 'index-a1.js'), CODE);
  writeFileSync(join(folder, 'site', 'assets', 'index-a1.js.br'), brotliCompressSync(CODE));
  built = serverOf(join(folder, 'site'));
  notBuilt = serverOf(join(folder, 'nothing'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('page URLs', () => {
  it.each([
    '/',
    '/campaigns',
    '/campaigns/bc127-6.1.2-europe?q=state==failed',
    '/fleet/devices/1',
    '/sign-in',
    '/set-password',
  ])('%s is the one page, never kept, with a nonce of its own', async (url) => {
    const first = await request(built).get(url).expect(200).expect('content-type', /html/);
    const second = await request(built).get(url);
    const nonce = /content="([^"]+)"/.exec(first.text)![1]!;
    expect(first.headers['cache-control']).toBe('no-store');
    const policy = String(first.headers['content-security-policy']);
    expect(policy).toContain(`'nonce-${nonce}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe-inline');
    expect(second.text).not.toContain(nonce);
  });

  it.each([
    '/api/v1/campaigns',
    '/api',
    '/agent/v1/root',
    '/health',
    '/metrics',
    '/campaignsx',
    '/favicon.ico',
    '/sign-in/x',
  ])('%s is not the page', async (url) => {
    await request(built).get(url).set('accept', 'text/html').expect(404, { from: 'the API' });
  });

  it('answers nothing but reading', async () => {
    await request(built).post('/campaigns').expect(404, { from: 'the API' });
  });

  it('says what to do where nothing was built', async () => {
    const answer = await request(notBuilt).get('/campaigns').expect(503);
    expect(answer.text).toContain('npm run build');
  });
});

describe('assets', () => {
  it('are kept for ever, packed where the browser can unpack them', async () => {
    const packed = await request(built).get('/assets/index-a1.js').set('accept-encoding', 'gzip, br').expect(200);
    expect(packed.headers).toMatchObject({
      'content-encoding': 'br',
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'Accept-Encoding',
    });
    const plain = await request(built).get('/assets/index-a1.js').set('accept-encoding', 'gzip').expect(200);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.text).toBe(CODE);
  });

  it.each([
    '/assets/gone.js',
    '/assets/..%2f..%2fsecret.js',
    '/assets/../../secret.js',
    '/assets/index-a1.js.br',
    '/assets/',
  ])('%s is nothing', async (url) => {
    const answer = await request(built).get(url);
    expect(answer.status).toBe(404);
    expect(answer.text).not.toContain('not for you');
  });
});
