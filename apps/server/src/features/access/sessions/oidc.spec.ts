/** Sign-in through a real OpenID provider (oidc-provider) on this machine. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { OwnSession, Person, SignInMethods } from '@drydock/contracts';
import { Provider, type AccountClaims } from 'oidc-provider';
import { startTestServer, type TestServer } from '../../../testing.js';
import { call, freshName, query } from '../../fleet/fleet.fixture.js';
import { localPath } from './oidc.service.js';
import { TestBrowser } from './browser.fixture.js';

jest.setTimeout(120_000);

/** What the provider says of its accounts. */
const accounts = new Map<string, AccountClaims>();
let http: Server;
let issuer: string;
let server: TestServer;

beforeAll(async () => {
  http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  server = await startTestServer({
    settings: {
      DRYDOCK_OIDC_ISSUER: issuer,
      DRYDOCK_OIDC_CLIENT_ID: 'drydock',
      DRYDOCK_OIDC_CLIENT_SECRET: 'a secret of this test',
      DRYDOCK_OIDC_NAME: 'Plant login',
    },
  });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'drydock',
        client_secret: 'a secret of this test',
        redirect_uris: [`${server.baseUrl}/api/v1/session/oidc/callback`],
      },
    ],
    claims: { email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['only for this test'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => accounts.get(id) ?? { sub: id } }),
  });
  http.on('request', provider.callback());
});
afterAll(async () => {
  await server.stop();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

/** Follows the provider's own pages as a person would: names an account, agrees. @returns the address of our callback. */
async function throughProvider(browser: TestBrowser, start: string, account: string): Promise<string> {
  let url = start;
  for (let step = 0; step < 12; step++) {
    if (url.startsWith(`${server.baseUrl}/api/v1/session/oidc/callback`)) return url;
    const answer = await browser.ask('GET', url);
    const location = answer.headers.get('location');
    if (location !== null) {
      url = new URL(location, url).href;
      continue;
    }
    const action = /action="([^"]+)"/.exec(answer.text)?.[1];
    if (action === undefined) throw new Error(`no form at ${url}: ${answer.text.slice(0, 300)}`);
    const prompt = /name="prompt" value="([^"]+)"/.exec(answer.text)![1]!;
    const sent = await browser.ask('POST', new URL(action, url).href, {
      form: { prompt, ...(prompt === 'login' && { login: account, password: 'any' }) },
    });
    url = new URL(sent.headers.get('location')!, url).href;
  }
  throw new Error(`the provider did not come to an end: ${url}`);
}

async function begin(browser: TestBrowser, returnTo = '/campaigns?q=state==running'): Promise<string> {
  const answer = await browser.ask('GET', `/api/v1/session/oidc?${new URLSearchParams({ returnTo }).toString()}`);
  expect(answer.status).toBe(303);
  return answer.headers.get('location')!;
}

async function signIn(account: string, browser = new TestBrowser(server.baseUrl)) {
  const back = await throughProvider(browser, await begin(browser), account);
  const answer = await browser.ask('GET', back);
  return { browser, back, status: answer.status, location: answer.headers.get('location') ?? '' };
}

async function makePerson(): Promise<Person & { email: string }> {
  const body = { name: freshName('person'), email: `${freshName('p')}@example.org`, roles: ['operator'] };
  return (await call(server, 'POST', '/api/v1/people', { body })).json(Person) as Person & { email: string };
}

const reasonOf = (location: string) => new URL(location, server.baseUrl).searchParams.get('error');

describe('sign-in through an OpenID provider', () => {
  it('recognizes a person by the address once, and by the subject from then on', async () => {
    expect((await call(server, 'GET', '/api/v1/session/methods')).json(SignInMethods).oidc).toBe('Plant login');
    const person = await makePerson();
    accounts.set('acc-1', { sub: 'acc-1', email: person.email.toUpperCase(), email_verified: true });
    const first = await signIn('acc-1');
    expect([first.status, first.location]).toEqual([303, '/campaigns?q=state==running']);
    const session = OwnSession.parse((await first.browser.ask('GET', '/api/v1/session')).body);
    expect([session.person.id, session.hasPassword]).toEqual([person.id, false]);
    // The address moves on to somebody else: who was recognized stays who they are.
    accounts.set('acc-1', { sub: 'acc-1', email: 'other@example.org', email_verified: true });
    const again = await signIn('acc-1');
    expect(OwnSession.parse((await again.browser.ask('GET', '/api/v1/session')).body).person.id).toBe(person.id);
    // Another account with the address of somebody who is linked is a stranger.
    accounts.set('acc-2', { sub: 'acc-2', email: person.email, email_verified: true });
    expect(reasonOf((await signIn('acc-2')).location)).toBe('sign-in.unknown-person');
    const linked = await query(server, `select 1 from audit where action = 'person.linked' and target_id = $1`, [
      person.id,
    ]);
    expect(linked).toHaveLength(1);
    await call(server, 'PATCH', `/api/v1/people/${person.id}`, {
      body: { disabled: true },
      headers: { 'if-match': '*' },
    });
    expect(reasonOf((await signIn('acc-1')).location)).toBe('sign-in.refused');
  });

  it('proves afresh who somebody is only where the provider asked them themselves', async () => {
    const person = await makePerson();
    accounts.set('acc-7', { sub: 'acc-7', email: person.email, email_verified: true });
    const browser = new TestBrowser(server.baseUrl);
    const confirmedAfter = async (query: string) => {
      const start = await browser.ask('GET', `/api/v1/session/oidc?returnTo=%2F${query}`);
      const asked = new URL(start.headers.get('location')!).searchParams;
      await browser.ask('GET', await throughProvider(browser, start.headers.get('location')!, 'acc-7'));
      const { confirmedAt } = OwnSession.parse((await browser.ask('GET', '/api/v1/session')).body);
      return [asked.get('prompt'), confirmedAt === null];
    };
    expect(await confirmedAfter('')).toEqual([null, true]);
    expect(await confirmedAfter('&again=1')).toEqual(['login', false]);
  });

  it('lets nobody in whom no admin has added, or whose address the provider has not checked', async () => {
    const person = await makePerson();
    accounts.set('acc-3', { sub: 'acc-3', email: person.email, email_verified: false });
    accounts.set('acc-4', { sub: 'acc-4', email: person.email });
    accounts.set('acc-5', { sub: 'acc-5', email: 'nobody@example.org', email_verified: true });
    for (const account of ['acc-3', 'acc-4', 'acc-5', 'acc-without-address']) {
      const { browser, location } = await signIn(account);
      expect([account, reasonOf(location)]).toEqual([account, 'sign-in.unknown-person']);
      expect(browser.cookie('drydock-session')).toBeUndefined();
    }
  });

  it('takes an answer once, and only in the browser that asked', async () => {
    const person = await makePerson();
    accounts.set('acc-6', { sub: 'acc-6', email: person.email, email_verified: true });
    const { browser, back } = await signIn('acc-6');
    expect(reasonOf((await browser.ask('GET', back)).headers.get('location')!)).toBe('sign-in.provider');

    // Somebody lures another browser to the address that ends their own sign-in.
    const lurer = new TestBrowser(server.baseUrl);
    const bait = await throughProvider(lurer, await begin(lurer), 'acc-6');
    const victim = new TestBrowser(server.baseUrl);
    expect(reasonOf((await victim.ask('GET', bait)).headers.get('location')!)).toBe('sign-in.provider');
    await begin(victim);
    expect(reasonOf((await victim.ask('GET', bait)).headers.get('location')!)).toBe('sign-in.provider');
    expect(victim.cookie('drydock-session')).toBeUndefined();

    const late = new TestBrowser(server.baseUrl);
    const lateBack = await throughProvider(late, await begin(late), 'acc-6');
    await query(server, 'update oidc_attempts set expires_at = now()');
    expect(reasonOf((await late.ask('GET', lateBack)).headers.get('location')!)).toBe('sign-in.provider');
    const refused = new TestBrowser(server.baseUrl);
    await begin(refused);
    const denied = await refused.ask('GET', '/api/v1/session/oidc/callback?error=access_denied');
    expect(reasonOf(denied.headers.get('location')!)).toBe('sign-in.provider');
  });

  it('leads to pages of this server only', () => {
    for (const bad of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      '/a\\b',
      '/api/v1/me',
      '',
      '/a\nb',
    ]) {
      expect([bad, localPath(bad)]).toEqual([bad, '/']);
    }
    expect(localPath('/fleet/devices?q=model==BC127-A#x')).toBe('/fleet/devices?q=model==BC127-A#x');
  });

  it('says so when the provider is away', async () => {
    const away = await startTestServer({
      settings: {
        DRYDOCK_OIDC_ISSUER: 'http://127.0.0.1:9',
        DRYDOCK_OIDC_CLIENT_ID: 'drydock',
        DRYDOCK_OIDC_CLIENT_SECRET: 'a secret of this test',
      },
    });
    try {
      const answer = await new TestBrowser(away.baseUrl).ask('GET', '/api/v1/session/oidc');
      expect([answer.status, new URL(answer.headers.get('location')!, away.baseUrl).searchParams.get('error')]).toEqual(
        [303, 'sign-in.provider'],
      );
    } finally {
      await away.stop();
    }
  });
});
