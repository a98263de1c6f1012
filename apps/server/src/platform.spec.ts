/** The whole server, once: what every route promises, people and tokens, the audit trail, health, the queue. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Module, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { AuditPage, CreatedApiToken, Me, PeoplePage, Person, Problem } from '@drydock/contracts';
import { AccessGuard, mayAct } from './features/access/access.guard.js';
import { PUBLIC_KEY, ROLES_KEY } from './features/access/actor.js';
import { isCredentialLive, SignIn } from './features/access/sign-in.js';
import { FailureLimiter } from './http/failure-limiter.js';
import { startTestServer, type TestServer } from './testing.js';

jest.setTimeout(60_000);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { DRYDOCK_METRICS_TOKEN: 'metrics-token-of-this-test' } });
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

interface CallOptions {
  /** null: no Authorization header. Left out: the admin's token. */
  token?: string | null;
  body?: unknown;
  headers?: Record<string, string>;
}

async function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const token = options.token === undefined ? server.adminToken : options.token;
  const body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
  const response = await fetch(server.baseUrl + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
  return { status: response.status, headers: response.headers, body: json ? (JSON.parse(text) as unknown) : text };
}

/** The problem of an answer, checked to be one. */
function problemOf(answer: Answer): Problem {
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  const problem = Problem.parse(answer.body);
  expect(problem.status).toBe(answer.status);
  return problem;
}

let counter = 0;
async function makePerson(roles: string[]): Promise<{ person: Person; token: string }> {
  const created = await call('POST', '/api/v1/people', { body: { name: `person ${++counter}`, roles } });
  expect(created.status).toBe(201);
  const person = Person.parse(created.body);
  const token = CreatedApiToken.parse(
    (await call('POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'test' } })).body,
  );
  return { person, token: token.token };
}

interface Route {
  name: string;
  method: string;
  path: string;
  roles: readonly string[] | undefined;
  isPublic: boolean;
}

/** Every handler of every controller, as Nest knows them. */
function allRoutes(): Route[] {
  const reflector = server.app.get(Reflector);
  const scanner = new MetadataScanner();
  const found: Route[] = [];
  for (const module of server.app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      const controller = metatype as new () => object;
      for (const key of scanner.getAllMethodNames(controller.prototype as object)) {
        const handler = (controller.prototype as Record<string, unknown>)[key] as () => void;
        if (Reflect.getMetadata(PATH_METADATA, handler) === undefined) continue;
        const bases = [Reflect.getMetadata(PATH_METADATA, controller) as string | string[]].flat();
        const paths = [Reflect.getMetadata(PATH_METADATA, handler) as string | string[]].flat();
        const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number]!;
        for (const base of bases) {
          for (const path of paths) {
            found.push({
              name: `${controller.name}.${key}`,
              method,
              path: `/${base}/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1'),
              roles: reflector.getAllAndOverride<readonly string[] | undefined>(ROLES_KEY, [handler, controller]),
              isPublic: reflector.getAllAndOverride<boolean | undefined>(PUBLIC_KEY, [handler, controller]) ?? false,
            });
          }
        }
      }
    }
  }
  return found;
}

/**
 * Routes without a person: health and metrics for machines, `/agent/v1` where an envelope or token is the authority, and
 * those by which somebody signs in.
 */
const PUBLIC_ROUTES =
  /^\/(?:health(?:\/live|\/ready)?|metrics|agent\/v1\/.+|api\/v1\/(?:password|session|session\/(?:methods|oidc|oidc\/callback)))$/;

describe('every route', () => {
  it('states who may use it, and only machines and the sign-in need no person', () => {
    const routes = allRoutes();
    expect(routes.length).toBeGreaterThan(10);
    for (const route of routes) {
      expect([route.name, route.isPublic || (route.roles?.length ?? 0) > 0]).toEqual([route.name, true]);
      if (route.isPublic) expect([route.name, PUBLIC_ROUTES.test(route.path)]).toEqual([route.name, true]);
    }
  });

  it('asks for a token before anything else', async () => {
    for (const route of allRoutes().filter((candidate) => !candidate.isPublic)) {
      const path = route.path.replace(/:\w+/g, 'nothing');
      const answer = await call(route.method, path, { token: null });
      expect([route.name, answer.status]).toEqual([route.name, 401]);
      expect(problemOf(answer).code).toBe('request.unauthenticated');
    }
  });

  it('refuses a route that states nothing, even to an admin', async () => {
    @Controller('api/v1/forgotten')
    class ForgottenController {
      @Get()
      all(): string {
        return 'secret';
      }
    }
    @Module({ controllers: [ForgottenController] })
    class ForgottenModule {}
    void ForgottenModule;
    const guard = new AccessGuard(server.app.get(Reflector), server.app.get(SignIn));
    const context = {
      getHandler: () => ForgottenController.prototype.all,
      getClass: () => ForgottenController,
      switchToHttp: () => ({ getRequest: () => ({ header: () => `Bearer ${server.adminToken}` }) }),
    };
    await expect(guard.canActivate(context as never)).rejects.toMatchObject({ code: 'request.forbidden' });
  });

  it('gives an id to every request, and takes a harmless one', async () => {
    expect((await call('GET', '/health/live', { token: null })).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const given = await call('GET', '/nowhere', { headers: { 'x-request-id': 'trace-12345' } });
    expect(given.headers.get('x-request-id')).toBe('trace-12345');
    expect(problemOf(given).instance).toBe('urn:drydock:request:trace-12345');
    const bad = await call('GET', '/health/live', { headers: { 'x-request-id': 'a b;<script>' } });
    expect(bad.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('carries headers that browsers obey', async () => {
    const { headers } = await call('GET', '/api/v1/me');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('is described by OpenAPI', async () => {
    const document = (await call('GET', '/api/openapi.json', { token: null })).body as {
      openapi: string;
      components: { schemas: Record<string, { properties: object }> };
      paths: Record<
        string,
        Record<string, { requestBody?: unknown; parameters?: { name: string }[]; responses: object }>
      >;
    };
    expect(document.openapi).toMatch(/^3\./);
    for (const route of allRoutes()) {
      if (route.path === '/metrics' || route.path.startsWith('/api/v1/session/oidc')) continue;
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      expect([path, Object.keys(document.paths[path] ?? {})]).toEqual([
        path,
        expect.arrayContaining([route.method.toLowerCase()]),
      ]);
    }
    const change = document.paths['/api/v1/people/{id}']!.patch!;
    expect(JSON.stringify(change.requestBody)).toContain('#/components/schemas/ChangePerson');
    expect(Object.keys(document.components.schemas.ChangePerson!.properties)).toContain('disabled');
    expect(change.parameters!.map((parameter) => parameter.name).sort()).toEqual(['If-Match', 'id']);
    expect(Object.keys(change.responses)).toEqual(['200', '4XX', '5XX']);
    expect((await call('GET', '/api/docs', { token: null })).status).toBe(200);
  });
});

describe('bad requests', () => {
  it('get every wrong place at once', async () => {
    const answer = await call('POST', '/api/v1/people', { body: { name: 7, roles: ['viewer', 'king'], extra: 1 } });
    expect(answer.status).toBe(422);
    const problem = problemOf(answer);
    expect(problem.code).toBe('request.invalid');
    expect(problem.errors!.map((error) => error.path).sort()).toEqual(['body', 'body.name', 'body.roles.1']);
  });

  it.each<[string, string, CallOptions, number, string]>([
    ['/api/v1/people', 'POST', { body: '{"name":' }, 400, 'request.invalid'],
    ['/api/v1/people', 'POST', {}, 422, 'request.invalid'],
    ['/api/v1/people', 'POST', { body: { name: 'x'.repeat(1_100_000) } }, 413, 'request.too-large'],
    ['/api/v1/people?limit=0', 'GET', {}, 422, 'request.invalid'],
    ['/api/v1/people?after=bm90aGluZw', 'GET', {}, 422, 'request.invalid'],
    ['/api/v1/people/17', 'GET', {}, 404, 'request.invalid'],
    ['/api/v1/people/6b1d3ac8-6f3c-4a52-9e0b-0c7d57c3a000', 'GET', {}, 404, 'request.not-found'],
    ['/api/v1/nothing', 'GET', {}, 404, 'request.not-found'],
  ])('%s %s is a problem', async (path, method, options, status, code) => {
    const answer = await call(method, path, options);
    expect([answer.status, problemOf(answer).code]).toEqual([status, code]);
  });
});

describe('people and tokens', () => {
  it('knows who asks', async () => {
    const me = Me.parse((await call('GET', '/api/v1/me')).body);
    expect([me.person.name, me.person.roles, me.org.slug]).toEqual(['admin', ['admin'], 'default']);
  });

  it('keeps only a hash', async () => {
    const { token } = await makePerson(['viewer']);
    const dump = JSON.stringify(
      await server.dataSource.query('select *, encode(token_hash, $1) from api_tokens', ['hex']),
    );
    expect(dump).not.toContain(token);
    expect(dump).not.toContain(server.adminToken);
    expect(token).toMatch(/^dd_[A-Za-z0-9_-]{43}$/);
  });

  it('lets each role do its part and no more', async () => {
    const { person, token } = await makePerson(['operator']);
    expect((await call('GET', '/api/v1/me', { token })).status).toBe(200);
    const refused = await call('GET', '/api/v1/people', { token });
    expect([refused.status, problemOf(refused).params.role]).toEqual([403, 'admin']);
    const nobody = await makePerson([]);
    expect((await call('GET', '/api/v1/me', { token: nobody.token })).status).toBe(403);
    const own = await call('POST', `/api/v1/people/${person.id}/tokens`, { token, body: { name: 'second' } });
    expect(own.status).toBe(201);
    const foreign = await call('POST', `/api/v1/people/${nobody.person.id}/tokens`, { token, body: { name: 'theft' } });
    expect(foreign.status).toBe(403);
    expect((await call('GET', `/api/v1/people/${nobody.person.id}/tokens`, { token })).status).toBe(403);
    expect(mayAct(['approver'], ['operator'])).toBe(false);
    expect(mayAct(['approver'], ['operator', 'approver'])).toBe(true);
    expect(mayAct(['admin'], ['approver'])).toBe(true);
  });

  it('ends a token when it is revoked, its time is over, or its person is disabled', async () => {
    const { person, token } = await makePerson(['viewer']);
    const works = async (text: string) => (await call('GET', '/api/v1/me', { token: text })).status === 200;
    const second = CreatedApiToken.parse(
      (await call('POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'b', expiresInDays: 1 } })).body,
    );
    expect(await works(second.token)).toBe(true);
    await server.dataSource.query('update api_tokens set expires_at = now() where id = $1', [second.id]);
    expect(await works(second.token)).toBe(false);

    const list = (await call('GET', `/api/v1/people/${person.id}/tokens`, { token })).body as {
      items: { id: string; name: string }[];
    };
    const firstId = list.items.find((item) => item.name === 'test')!.id;
    // What outlives its request asks again: a stream of events ends with its token.
    expect(await isCredentialLive(server.dataSource, { kind: 'token', id: second.id })).toBe(false);
    expect(await isCredentialLive(server.dataSource, { kind: 'token', id: firstId })).toBe(true);
    const stranger = await makePerson(['operator']);
    expect((await call('DELETE', `/api/v1/tokens/${firstId}`, { token: stranger.token })).status).toBe(404);
    expect(await works(token)).toBe(true);
    expect((await call('DELETE', `/api/v1/tokens/${firstId}`, { token })).status).toBe(204);
    expect(await works(token)).toBe(false);
    expect(await isCredentialLive(server.dataSource, { kind: 'token', id: firstId })).toBe(false);

    expect(await works(stranger.token)).toBe(true);
    const disabled = await call('PATCH', `/api/v1/people/${stranger.person.id}`, {
      body: { disabled: true },
      headers: { 'if-match': '"1"' },
    });
    expect(Person.parse(disabled.body).disabledAt).not.toBeNull();
    expect(await works(stranger.token)).toBe(false);
  });

  it('does not refuse a good token for what others guess behind the same address', async () => {
    const { token } = await makePerson(['viewer']);
    const guesses = await Promise.all(
      Array.from({ length: 40 }, () => call('GET', '/api/v1/me', { token: `dd_${'x'.repeat(43)}` })),
    );
    expect(new Set(guesses.map((guess) => guess.status))).toEqual(new Set([401, 429]));
    expect((await call('GET', '/api/v1/me', { token })).status).toBe(200);
  });

  it('refuses a lost update, and wants to know what was seen', async () => {
    const { person } = await makePerson(['viewer']);
    const path = `/api/v1/people/${person.id}`;
    expect((await call('GET', path)).headers.get('etag')).toBe('"1"');
    expect((await call('PATCH', path, { body: { name: 'a' } })).status).toBe(428);
    const first = await call('PATCH', path, { body: { roles: ['approver'] }, headers: { 'if-match': '"1"' } });
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"2"']);
    const late = await call('PATCH', path, { body: { roles: ['operator'] }, headers: { 'if-match': '"1"' } });
    expect([late.status, problemOf(late).params]).toEqual([412, { actual: 2, expected: 1 }]);
    expect((await call('PATCH', path, { body: { email: 'a@example.org' }, headers: { 'if-match': '*' } })).status).toBe(
      200,
    );
    const audit = await call('GET', `/api/v1/audit?action=person.changed&targetId=${person.id}`);
    expect(JSON.stringify(audit.body)).toContain('"email":"changed"');
    expect(JSON.stringify(audit.body)).not.toContain('example.org');
  });

  it('never leaves itself without an admin', async () => {
    const me = Me.parse((await call('GET', '/api/v1/me')).body);
    for (const body of [{ roles: ['operator'] }, { disabled: true }]) {
      const answer = await call('PATCH', `/api/v1/people/${me.person.id}`, { body, headers: { 'if-match': '*' } });
      expect([answer.status, problemOf(answer).code]).toEqual([409, 'request.conflict']);
    }
    expect((await call('GET', '/api/v1/people')).status).toBe(200);
  });

  it('refuses a name that is taken', async () => {
    const answer = await call('POST', '/api/v1/people', { body: { name: 'admin' } });
    expect(problemOf(answer).code).toBe('request.conflict');
  });

  it('lists people in pages that meet without gap or overlap', async () => {
    for (let i = 0; i < 5; i++) await call('POST', '/api/v1/people', { body: { name: `page ${i}` } });
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = PeoplePage.parse(
        (await call('GET', `/api/v1/people?limit=2${after ? `&after=${after}` : ''}`)).body,
      );
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map((item) => item.name));
      after = page.next;
    } while (after);
    const all = (await server.dataSource.query('select name from people order by name')) as { name: string }[];
    expect(seen).toEqual(all.map((row) => row.name));
  });

  it('slows an address down that keeps guessing, and forgets it after a minute', () => {
    let now = 0;
    const limiter = new FailureLimiter({ maxFailures: 30, windowMs: 60_000 }, () => now);
    for (let i = 0; i < 30; i++) {
      limiter.check('a');
      limiter.failed('a');
    }
    expect(() => limiter.check('a')).toThrow('Too many requests; come back in 60000 ms.');
    limiter.check('b');
    now = 60_000;
    limiter.check('a');
  });
});

describe('idempotency keys', () => {
  const post = (key: string, body: unknown, token?: string) =>
    call('POST', '/api/v1/people', { body, headers: { 'idempotency-key': key }, ...(token ? { token } : {}) });

  it('do a thing once and answer twice the same', async () => {
    const first = await post('key-1', { name: 'once' });
    const second = await post('key-1', { name: 'once' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect([first.headers.get('idempotency-replayed'), second.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    const rows = (await server.dataSource.query(`select 1 from people where name = 'once'`)) as unknown[];
    expect(rows).toHaveLength(1);
  });

  it('hold when both requests come at once', async () => {
    const answers = await Promise.all([post('key-2', { name: 'twins' }), post('key-2', { name: 'twins' })]);
    const statuses = answers.map((answer) => answer.status).sort();
    // The second either waited long enough to be answered the same, or is told that the first is under way.
    expect([
      [201, 201],
      [201, 409],
    ]).toContainEqual(statuses);
    const rows = (await server.dataSource.query(`select 1 from people where name = 'twins'`)) as unknown[];
    expect(rows).toHaveLength(1);
  });

  it('belong to one request and one person, and are free again after a refusal', async () => {
    await post('key-3', { name: 'third' });
    expect(problemOf(await post('key-3', { name: 'other' })).code).toBe('request.invalid');
    const other = await makePerson(['admin']);
    expect((await post('key-3', { name: 'fourth' }, other.token)).status).toBe(201);
    expect((await post('key-4', { name: 'admin' })).status).toBe(409);
    expect((await post('key-4', { name: 'admin 2' })).status).toBe(201);
  });

  it('never keep a secret', async () => {
    const me = Me.parse((await call('GET', '/api/v1/me')).body);
    const make = () =>
      call('POST', `/api/v1/people/${me.person.id}/tokens`, {
        body: { name: 'k' },
        headers: { 'idempotency-key': 'key-5' },
      });
    const first = CreatedApiToken.parse((await make()).body);
    expect(problemOf(await make()).code).toBe('request.conflict');
    const dump = JSON.stringify(await server.dataSource.query('select response from idempotency_keys'));
    expect(dump).not.toContain(first.token);
  });
});

describe('audit', () => {
  it('tells who did what to what, when and from where, newest first, in pages', async () => {
    const { person } = await makePerson(['viewer']);
    await call('PATCH', `/api/v1/people/${person.id}`, {
      body: { name: 'renamed' },
      headers: { 'if-match': '*', 'x-request-id': 'audit-test-1' },
    });
    const query = `/api/v1/audit?targetKind=person&targetId=${person.id}`;
    const page = AuditPage.parse((await call('GET', query)).body);
    expect(page.items.map((item) => item.action)).toEqual(['person.changed', 'person.created']);
    expect(page.items[0]).toMatchObject({
      actor: { kind: 'person', name: 'admin' },
      target: { kind: 'person', id: person.id },
      params: { name: 'renamed' },
      requestId: 'audit-test-1',
    });
    expect(page.items[0]!.ip).toContain('127.0.0.1');
    const first = AuditPage.parse((await call('GET', `${query}&limit=1`)).body);
    const second = AuditPage.parse((await call('GET', `${query}&limit=1&after=${first.next}`)).body);
    expect([...first.items, ...second.items]).toEqual(page.items);
    expect(second.next).toBeUndefined();
  });

  it('holds no secret', async () => {
    const { token } = await makePerson(['viewer']);
    const dump = JSON.stringify(await server.dataSource.query('select * from audit'));
    expect(dump).not.toContain(token);
    expect(dump).toContain('token.created');
  });
});

describe('health and metrics', () => {
  it('says yes or no per part, without secrets', async () => {
    const answer = await call('GET', '/health', { token: null });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      status: 'ok',
      parts: {
        database: { ok: true, kind: 'outside' },
        broker: { ok: true, kind: 'embedded' },
        queue: { ok: true, kind: 'postgres' },
        blobStore: { ok: true, kind: 'folder' },
      },
    });
  });

  it('are open to this machine, and elsewhere to the token only', async () => {
    const local = await call('GET', '/metrics', { token: null });
    expect(local.body).toContain('drydock_http_request_seconds_count{method="GET",route="/api/v1/me",status="2xx"}');
    expect(local.body).toContain('drydock_queue_jobs{queue="housekeeping",state="delayed"}');
    // As a proxy on this machine would send it.
    const proxied = { 'x-forwarded-for': '203.0.113.7' };
    expect((await call('GET', '/metrics', { token: null, headers: proxied })).status).toBe(401);
    expect((await call('GET', '/metrics', { headers: proxied })).status).toBe(401);
    expect((await call('GET', '/metrics', { token: 'metrics-token-of-this-test', headers: proxied })).status).toBe(200);
  });

  it('never put a path or an id into a label', async () => {
    const { person } = await makePerson(['viewer']);
    await call('GET', `/api/v1/people/${person.id}`);
    expect((await call('GET', '/metrics')).body).not.toContain(person.id);
  });
});
