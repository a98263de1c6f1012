/** Sign-in of browsers, over the whole server. */
import { scryptSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CreatedApiToken, OwnSession, PasswordLink, Person, SessionRows, SignInMethods } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../../testing.js';
import { call, freshName, query } from '../../fleet/fleet.fixture.js';
import { removeOldSignIns } from './sessions.service.js';
import { TestBrowser } from './browser.fixture.js';

jest.setTimeout(120_000);

const PASSWORD = 'correct horse battery';
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { DRYDOCK_TRUST_PROXY: 'loopback' } });
});
afterAll(() => server.stop());

async function makePerson(roles: string[] = ['operator'], email: string | undefined = `${freshName('p')}@example.org`) {
  const answer = await call(server, 'POST', '/api/v1/people', { body: { name: freshName('person'), email, roles } });
  expect(answer.status).toBe(201);
  return answer.json(Person);
}

async function linkFor(personId: string): Promise<string> {
  const answer = await call(server, 'POST', `/api/v1/people/${personId}/password-link`);
  expect(answer.status).toBe(201);
  return new URL(answer.json(PasswordLink).url).hash.slice(1);
}

/** Kept at a lower cost than the server would, so that many can sign in here. */
const CHEAP_HASH = `scrypt$10$8$1$${Buffer.from('salt of sixteen.').toString('base64url')}$${scryptSync(
  PASSWORD,
  'salt of sixteen.',
  32,
  { N: 1024, r: 8, p: 1 },
).toString('base64url')}`;

async function withPassword(roles?: string[]): Promise<Person & { email: string }> {
  const person = await makePerson(roles);
  await query(server, 'update people set password_hash = $2 where id = $1', [person.id, CHEAP_HASH]);
  return { ...person, email: person.email! };
}

const byPassword = (browser: TestBrowser, email: string, password = PASSWORD, headers: Record<string, string> = {}) =>
  browser.ask('POST', '/api/v1/session', { body: { with: 'password', email, password }, headers });

async function signedIn(person: { email: string }): Promise<{ browser: TestBrowser; session: OwnSession }> {
  const browser = new TestBrowser(server.baseUrl);
  const answer = await byPassword(browser, person.email);
  expect(answer.status).toBe(201);
  return { browser, session: OwnSession.parse(answer.body) };
}

const works = async (browser: TestBrowser) => (await browser.ask('GET', '/api/v1/me')).status === 200;

describe('a session by password', () => {
  it('is a cookie that no script reads and no other site sends', async () => {
    const person = await withPassword();
    const browser = new TestBrowser(server.baseUrl);
    const answer = await byPassword(browser, person.email.toUpperCase());
    const [cookie] = answer.headers.getSetCookie();
    expect(cookie).toMatch(
      /^drydock-session=[\w-]{43}; Max-Age=604800; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
    );
    const session = OwnSession.parse(answer.body);
    expect(session.person.id).toBe(person.id);
    expect(session.hasPassword).toBe(true);
    const hours = (text: string) => Math.round((Date.parse(text) - Date.now()) / 3_600_000);
    expect([hours(session.idleEndsAt), hours(session.endsAt)]).toEqual([12, 168]);
    expect(OwnSession.parse((await browser.ask('GET', '/api/v1/session')).body).csrfToken).toBe(session.csrfToken);
    const kept = JSON.stringify(await query(server, `select s.*, encode(token_hash, 'hex') from sessions s`));
    expect(kept).not.toContain(browser.cookie('drydock-session')!);
  });

  it('changes something only with the token that its page knows, and from this origin', async () => {
    const { browser, session } = await signedIn(await withPassword(['admin']));
    const make = (headers: Record<string, string>) =>
      browser.ask('POST', '/api/v1/people', { body: { name: freshName('x') }, headers });
    const good = { 'x-drydock-csrf': session.csrfToken };
    for (const headers of [
      {},
      { 'x-drydock-csrf': 'A'.repeat(43) },
      { ...good, origin: 'https://elsewhere.example' },
      { ...good, origin: 'null' },
      { ...good, 'sec-fetch-site': 'cross-site' },
      { ...good, 'sec-fetch-site': 'same-site' },
    ]) {
      const answer = await make(headers as Record<string, string>);
      expect([headers, answer.status, answer.body['code']]).toEqual([headers, 403, 'request.csrf']);
    }
    expect((await make({ ...good, origin: server.baseUrl, 'sec-fetch-site': 'same-origin' })).status).toBe(201);
    // Another session's token is none.
    const other = await signedIn(await withPassword(['admin']));
    expect((await make({ 'x-drydock-csrf': other.session.csrfToken })).status).toBe(403);
  });

  it('gives the rights of its person as they are now', async () => {
    const person = await withPassword(['admin']);
    const { browser, session } = await signedIn(person);
    expect((await browser.ask('GET', '/api/v1/people')).status).toBe(200);
    await call(server, 'PATCH', `/api/v1/people/${person.id}`, {
      body: { roles: ['viewer'] },
      headers: { 'if-match': '*' },
    });
    expect((await browser.ask('GET', '/api/v1/people')).status).toBe(403);
    await call(server, 'PATCH', `/api/v1/people/${person.id}`, {
      body: { disabled: true },
      headers: { 'if-match': '*' },
    });
    expect(await works(browser)).toBe(false);
    expect((await byPassword(new TestBrowser(server.baseUrl), person.email)).body['code']).toBe('sign-in.refused');
    expect(session.person.roles).toEqual(['admin']);
  });

  it('ends by sign-out, by time, from the list, and when the password changes', async () => {
    const person = await withPassword();
    const a = await signedIn(person);
    const csrf = { 'x-drydock-csrf': a.session.csrfToken };
    expect((await a.browser.ask('DELETE', '/api/v1/session', { headers: csrf })).status).toBe(204);
    expect(a.browser.cookie('drydock-session')).toBeUndefined();

    const idle = await signedIn(person);
    const old = idle.browser.cookie('drydock-session')!;
    await query(server, `update sessions set seen_at = now() - interval '13 hours' where id = $1`, [idle.session.id]);
    expect(await works(idle.browser)).toBe(false);
    const past = await signedIn(person);
    await query(server, 'update sessions set ends_at = now() where id = $1', [past.session.id]);
    expect(await works(past.browser)).toBe(false);
    a.browser.setCookie('drydock-session', old);
    expect(await works(a.browser)).toBe(false);

    const [b, c] = [await signedIn(person), await signedIn(person)];
    const list = SessionRows.parse((await b.browser.ask('GET', `/api/v1/people/${person.id}/sessions`)).body).items;
    expect(list.map((row) => [row.id, row.own]).sort()).toEqual(
      [
        [b.session.id, true],
        [c.session.id, false],
      ].sort(),
    );
    const stranger = await signedIn(await withPassword());
    const endC = (who: typeof b) =>
      who.browser.ask('DELETE', `/api/v1/sessions/${c.session.id}`, {
        headers: { 'x-drydock-csrf': who.session.csrfToken },
      });
    expect((await endC(stranger)).status).toBe(404);
    expect((await stranger.browser.ask('GET', `/api/v1/people/${person.id}/sessions`)).status).toBe(403);
    expect(await works(c.browser)).toBe(true);
    expect((await endC(b)).status).toBe(204);
    expect(await works(c.browser)).toBe(false);

    const d = await signedIn(person);
    const change = (current: string | undefined, password: string) =>
      b.browser.ask('PUT', '/api/v1/me/password', {
        body: { ...(current !== undefined && { current }), password },
        headers: { 'x-drydock-csrf': b.session.csrfToken },
      });
    expect((await change('not the present one', 'another long password')).body['code']).toBe('sign-in.refused');
    expect((await change(undefined, 'another long password')).body['code']).toBe('sign-in.refused');
    expect((await change(PASSWORD, 'short')).status).toBe(422);
    expect((await change(PASSWORD, 'aaaaaaaaaaaaaaaaaa')).status).toBe(422);
    expect((await change(PASSWORD, 'another long password')).status).toBe(204);
    expect([await works(b.browser), await works(d.browser)]).toEqual([true, false]);
    expect((await byPassword(new TestBrowser(server.baseUrl), person.email)).status).toBe(401);
    expect((await byPassword(new TestBrowser(server.baseUrl), person.email, 'another long password')).status).toBe(201);
  });

  it('is one of at most twenty of a person', async () => {
    const person = await withPassword();
    const first = await signedIn(person);
    await query(
      server,
      `insert into sessions (org_id, person_id, token_hash, method, ends_at, address, user_agent)
       select org_id, person_id, decode(md5(i::text), 'hex'), method, ends_at, address, user_agent
       from sessions, generate_series(1, 19) i where id = $1`,
      [first.session.id],
    );
    expect(await works(first.browser)).toBe(true);
    await query(server, `update sessions set seen_at = now() - interval '1 hour' where id = $1`, [first.session.id]);
    await signedIn(person);
    expect(await works(first.browser)).toBe(false);
  });
});

describe('guessing', () => {
  it('meets one answer for a wrong password, an unknown address, a shared one, and a person without a password', async () => {
    const person = await withPassword();
    const without = await makePerson();
    const shared = await withPassword();
    await query(server, 'update people set email = $2 where id = $1', [(await makePerson()).id, shared.email]);
    const browser = new TestBrowser(server.baseUrl);
    const tries: [string, string][] = [
      [person.email, 'wrong password'],
      ['nobody@example.org', PASSWORD],
      [without.email!, PASSWORD],
      [shared.email, PASSWORD],
    ];
    for (const [email, password] of tries) {
      const answer = await byPassword(browser, email, password);
      expect([email, answer.status, answer.body['code']]).toEqual([email, 401, 'sign-in.refused']);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    const [entry] = await query<{ params: unknown }>(
      server,
      `select params from audit where action = 'sign-in.failed' and target_id = $1`,
      [person.id],
    );
    expect(entry!.params).toMatchObject({ method: 'password' });
  });

  it('at one account is refused after ten, known or not, and a token still opens the door', async () => {
    const person = await withPassword();
    for (const email of [person.email, `${freshName('ghost')}@example.org`]) {
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => byPassword(new TestBrowser(server.baseUrl), email, 'a wrong password')),
      );
      const count = (status: number) => answers.filter((answer) => answer.status === status).length;
      expect([email, count(401), count(429)]).toEqual([email, 10, 2]);
    }
    expect((await byPassword(new TestBrowser(server.baseUrl), person.email)).status).toBe(429);
    const token = (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'way in' } })).json(
      CreatedApiToken,
    );
    const browser = new TestBrowser(server.baseUrl);
    const answer = await browser.ask('POST', '/api/v1/session', { body: { with: 'token', token: token.token } });
    expect(answer.status).toBe(201);
    // A session does not outlive the token that opened it.
    expect(await works(browser)).toBe(true);
    await call(server, 'DELETE', `/api/v1/tokens/${token.id}`);
    expect(await works(browser)).toBe(false);
  });

  it('from one address is refused after thirty, and an API token is not', async () => {
    const browser = new TestBrowser(server.baseUrl);
    const guess = () =>
      browser.ask('POST', '/api/v1/password', { body: { token: 'x'.repeat(43), password: PASSWORD } });
    const answers = await Promise.all(Array.from({ length: 35 }, guess));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(30).fill(422), ...Array(5).fill(429)]);
    const bearer = { authorization: `Bearer ${server.adminToken}` };
    expect((await browser.ask('GET', '/api/v1/me', { headers: bearer })).status).toBe(200);
  });
});

describe('a link that sets a password', () => {
  it('is made by admins, works once and within its time, and a new one takes its place', async () => {
    const person = await makePerson();
    const browser = new TestBrowser(server.baseUrl);
    const set = (token: string, password = PASSWORD) =>
      browser.ask('POST', '/api/v1/password', { body: { token, password } });
    const first = await linkFor(person.id);
    const second = await linkFor(person.id);
    expect((await set(first)).body['code']).toBe('password.link');
    expect((await set(second, 'short')).status).toBe(422);
    expect((await set(second)).status).toBe(204);
    expect((await set(second)).body['code']).toBe('password.link');
    const late = await linkFor(person.id);
    await query(server, 'update password_links set expires_at = now() where person_id = $1', [person.id]);
    expect((await set(late)).body['code']).toBe('password.link');
    await removeOldSignIns(server.dataSource);
    expect(await query(server, 'select 1 from password_links where person_id = $1', [person.id])).toEqual([]);
    const { browser: viewer, session } = await signedIn({ email: person.email! });
    const refused = await viewer.ask('POST', `/api/v1/people/${person.id}/password-link`, {
      headers: { 'x-drydock-csrf': session.csrfToken },
    });
    expect(refused.status).toBe(403);
  });

  it('is refused for a person without an address or who is disabled', async () => {
    const bare = (await call(server, 'POST', '/api/v1/people', { body: { name: freshName('bare') } })).json(Person);
    const answer = await call(server, 'POST', `/api/v1/people/${bare.id}/password-link`);
    expect([answer.status, answer.code]).toEqual([409, 'request.conflict']);
  });

  it('says who did what in the audit trail, and nothing of the secret', async () => {
    const person = await makePerson();
    const body = { token: await linkFor(person.id), password: PASSWORD };
    expect((await new TestBrowser(server.baseUrl).ask('POST', '/api/v1/password', { body })).status).toBe(204);
    await signedIn({ email: person.email! });
    const entries = await query<{ action: string }>(
      server,
      `select action, params::text from audit where target_id = $1 or params->>'person' = $1 order by id`,
      [person.id],
    );
    expect(entries.map(({ action }) => action)).toEqual(['person.created', 'password-link.created', 'password.set']);
    const all = JSON.stringify(await query(server, 'select * from audit'));
    expect(all).not.toContain(PASSWORD);
  });
});

describe('what the sign-in page offers', () => {
  it('is asked without a session', async () => {
    const answer = await call(server, 'GET', '/api/v1/session/methods', { token: null });
    expect(answer.json(SignInMethods)).toEqual({ password: true, oidc: null });
    const away = await new TestBrowser(server.baseUrl).ask('GET', '/api/v1/session/oidc');
    expect([away.status, away.headers.get('location')?.split('&')[0]]).toEqual([303, '/sign-in?error=sign-in.off']);
  });

  it('a script’s token is no session', async () => {
    expect((await call(server, 'GET', '/api/v1/session')).status).toBe(409);
  });
});
