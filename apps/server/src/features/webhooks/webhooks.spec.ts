/** Webhooks end to end: a change, its event, a signed delivery to a real receiver, retries, the log. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  CreatedApiToken,
  PauseAnswer,
  Person,
  Webhook,
  WEBHOOK_EVENTS,
  WebhookBody,
  WebhookDelivery,
  WebhookDeliveryDetail,
  WebhookWithSecret,
  pageOf,
  type WebhookEventKind,
} from '@drydock/contracts';
import { removeOldEvents } from '../../housekeeping.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite, query, TestGateway, until } from '../fleet/fleet.fixture.js';
import {
  act,
  draftOf,
  makeScene,
  startCampaign,
  ended,
  touched,
  type ScriptedDevice,
} from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: WebhookBody;
}

let server: TestServer;
let receiver: Server;
let url: string;
const received: Received[] = [];
let answers: number[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      received.push({ headers: request.headers, body, event: WebhookBody.parse(JSON.parse(body)) });
      response.writeHead(answers.shift() ?? 200).end('thanks');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  server = await startTestServer({ settings: { DRYDOCK_WEBHOOK_ALLOW: '127.0.0.1' } });
}, 60_000);
afterEach(async () => {
  received.length = 0;
  answers = [];
  await query(server, 'delete from webhook_endpoints');
});
afterAll(async () => {
  await server?.stop();
  receiver?.closeAllConnections();
  await new Promise((resolve) => receiver?.close(resolve));
});

async function endpoint(kinds: WebhookEventKind[] = []): Promise<WebhookWithSecret> {
  const answer = await call(server, 'POST', '/api/v1/webhooks', { body: { name: freshName('hook'), url, kinds } });
  expect(answer.status).toBe(201);
  return answer.json(WebhookWithSecret);
}
const path = (id: string, rest = ''): string => `/api/v1/webhooks/${id}${rest}`;
const deliveries = async (id: string) =>
  (await call(server, 'GET', path(id, '/deliveries'))).json(pageOf(WebhookDelivery)).items;
const detail = async (id: string, delivery: string) =>
  (await call(server, 'GET', path(id, `/deliveries/${delivery}`))).json(WebhookDeliveryDetail);
/** The specification's own recipe, with Node's crypto. */
function signatureOf(secret: string, one: Received): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const text = `${String(one.headers['webhook-id'])}.${String(one.headers['webhook-timestamp'])}.${one.body}`;
  return `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
}
const due = () =>
  query(server, `update webhook_deliveries set next_at = now(), leased_until = null where state = 'waiting'`);

describe('setting up', () => {
  it('shows the secret once, and is for admins alone', async () => {
    const made = await endpoint();
    expect(made.secret).toMatch(/^whsec_/);
    const shown = await call(server, 'GET', path(made.id));
    expect(shown.text).not.toContain(made.secret);
    expect((await call(server, 'GET', '/api/v1/webhooks')).text).not.toContain(made.secret);
    const person = (
      await call(server, 'POST', '/api/v1/people', { body: { name: freshName('op'), roles: ['operator', 'approver'] } })
    ).json(Person);
    const { token } = (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } })).json(
      CreatedApiToken,
    );
    expect((await call(server, 'GET', '/api/v1/webhooks', { token })).code).toBe('request.forbidden');
    const [audited] = await query(
      server,
      `select params from audit where action = 'webhook.created' and target_id = $1`,
      [made.id],
    );
    expect(JSON.stringify(audited)).not.toContain(made.secret);
  });

  it('does not repeat a secret for a repeated request', async () => {
    const body = { name: freshName('hook'), url };
    const headers = { 'idempotency-key': freshName('key') };
    expect((await call(server, 'POST', '/api/v1/webhooks', { body, headers })).status).toBe(201);
    expect((await call(server, 'POST', '/api/v1/webhooks', { body, headers })).code).toBe('request.conflict');
  });

  it('refuses what it may not reach, naming the field', async () => {
    for (const bad of [
      'https://10.0.0.1/',
      'http://example.com/',
      'https://169.254.169.254/latest',
      'https://[::1]/',
    ]) {
      const answer = await call(server, 'POST', '/api/v1/webhooks', { body: { name: freshName('hook'), url: bad } });
      expect(answer.status).toBe(422);
      expect(answer.text).toContain('body.url');
    }
  });

  it('is changed only by somebody who has seen what it is now', async () => {
    const made = await endpoint();
    const patch = (revision: number, body: object) =>
      call(server, 'PATCH', path(made.id), { body, headers: { 'if-match': String(revision) } });
    expect((await patch(1, { kinds: ['campaign.halted'] })).json(Webhook).kinds).toEqual(['campaign.halted']);
    expect((await patch(1, { enabled: false })).code).toBe('request.stale');
    expect((await patch(2, { enabled: false })).json(Webhook)).toMatchObject({
      enabled: false,
      disabledReason: 'disabled by admin',
    });
    expect((await call(server, 'DELETE', path(made.id), { headers: { 'if-match': '3' } })).status).toBe(204);
    expect((await call(server, 'GET', path(made.id))).status).toBe(404);
  });
});

describe('telling', () => {
  it('brings a campaign’s life to the receiver, signed, in the stated form', async () => {
    const hook = await endpoint();
    const { artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    await act(server, campaign.id, 'pause', PauseAnswer, { reason: 'lunch' });
    await until(() => received.some(({ event }) => event.type === 'campaign.paused'));
    const kinds = received.map(({ event }) => event.type);
    expect(kinds).toContain('campaign.started');
    for (const one of received) {
      expect(one.headers['webhook-signature']).toBe(signatureOf(hook.secret, one));
      expect(Math.abs(Date.now() / 1000 - Number(one.headers['webhook-timestamp']))).toBeLessThan(60);
      expect(() => WEBHOOK_EVENTS[one.event.type as WebhookEventKind].parse(one.event.data)).not.toThrow();
    }
    const paused = received.find(({ event }) => event.type === 'campaign.paused')!;
    expect(paused.event).toMatchObject({
      subject: { kind: 'campaign', id: campaign.id },
      data: { campaign: campaign.id, name: campaign.name, from: 'running', reason: 'lunch', by: 'admin' },
    });
    await until(async () => (await deliveries(hook.id)).every(({ state }) => state === 'delivered'));
    const [newest] = await deliveries(hook.id);
    expect((await detail(hook.id, newest!.id)).log).toMatchObject([
      { attempt: 1, outcome: 'delivered', responseCode: 200, responseBody: 'thanks' },
    ]);
  });

  it('gathers the failures of many devices into one event', async () => {
    const hook = await endpoint(['deployment.failed']);
    const { artifact, gateway, devices } = await makeScene(server, 3);
    const campaign = await startCampaign(server, draftOf(artifact));
    const failure = async (device: ScriptedDevice) => {
      const grant = await gateway.grantOf(device);
      return [
        touched(grant),
        ended(grant, 'failed', { code: 'target.refused-image', params: {}, identity: grant.identity }),
      ];
    };
    await gateway.report(...(await failure(devices[0]!)));
    await gateway.report(...(await failure(devices[1]!)), ...(await failure(devices[2]!)));
    const open = () =>
      query<{ payload: { count: number; codes: Record<string, number>; devices: string[] } }>(
        server,
        `select payload from events where kind = 'deployment.failed' and subject_id = $1`,
        [campaign.id],
      );
    await until(async () => (await open())[0]?.payload.count === 3);
    expect(received).toEqual([]);
    await query(server, `update events set batch_until = now() where subject_id = $1 and batch_until is not null`, [
      campaign.id,
    ]);
    await until(() => received.length === 1);
    const { data } = received[0]!.event;
    expect(data).toMatchObject({ count: 3, codes: { 'target.refused-image': 3 } });
    expect([...(data['devices'] as string[])].sort()).toEqual(devices.map(({ id }) => id).sort());
    expect(await deliveries(hook.id)).toHaveLength(1);
  });

  it('says nothing of a change that was rolled back', async () => {
    await endpoint();
    const gateway = await TestGateway.enrol(server, await makeSite(server));
    const quarantine = (revision: string) =>
      call(server, 'POST', `/api/v1/gateways/${gateway.id}/quarantine`, {
        body: { note: 'odd' },
        headers: { 'if-match': revision },
      });
    expect((await quarantine('77')).code).toBe('request.stale');
    expect((await quarantine('*')).status).toBe(200);
    await until(() => received.length > 0);
    expect(received.map(({ event }) => event)).toMatchObject([
      { type: 'gateway.quarantined', data: { gateway: gateway.id, note: 'odd' } },
    ]);
    expect(
      await query(server, `select 1 from events where subject_id = $1 and kind = 'gateway.quarantined'`, [gateway.id]),
    ).toHaveLength(1);
  });
});

describe('when the receiver fails', () => {
  const quarantined = async () => {
    const gateway = await TestGateway.enrol(server, await makeSite(server));
    await call(server, 'POST', `/api/v1/gateways/${gateway.id}/quarantine`, {
      body: { note: 'odd' },
      headers: { 'if-match': '*' },
    });
  };

  it('tries again with the same id, later, and remembers every attempt', async () => {
    answers = [500, 503];
    const hook = await endpoint(['gateway.quarantined']);
    await quarantined();
    await until(async () => (await deliveries(hook.id))[0]?.attempts === 1 && received.length === 1);
    await until(async () => (await call(server, 'GET', path(hook.id))).json(Webhook).failures === 1);
    const [waiting] = await deliveries(hook.id);
    expect(waiting!.state).toBe('waiting');
    expect(Date.parse(waiting!.nextAt!)).toBeGreaterThan(Date.now());
    for (const attempts of [2, 3]) {
      await due();
      await until(() => received.length === attempts);
      await until(async () => (await detail(hook.id, waiting!.id)).log.length === attempts);
    }
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const log = await detail(hook.id, waiting!.id);
    expect(log.state).toBe('delivered');
    expect(log.log.map(({ responseCode }) => responseCode)).toEqual([500, 503, 200]);
    expect((await call(server, 'GET', path(hook.id))).json(Webhook)).toMatchObject({ failures: 0, failingSince: null });
  });

  it('is disabled after days of failures, with an entry in the trail, and begins anew when a person says so', async () => {
    answers = [500];
    const hook = await endpoint(['gateway.quarantined']);
    await query(
      server,
      `update webhook_endpoints set failures = 50, failing_since = now() - interval '6 days' where id = $1`,
      [hook.id],
    );
    await quarantined();
    await until(async () => !(await call(server, 'GET', path(hook.id))).json(Webhook).enabled);
    const disabled = (await call(server, 'GET', path(hook.id))).json(Webhook);
    expect(disabled.disabledReason).toBe('no success for 5 days');
    expect(
      await query(server, `select actor_kind from audit where action = 'webhook.disabled' and target_id = $1`, [
        hook.id,
      ]),
    ).toEqual([{ actor_kind: 'rule' }]);
    expect((await deliveries(hook.id)).map(({ state }) => state)).toEqual(['failed']);
    await quarantined();
    await call(server, 'PATCH', path(hook.id), { body: { enabled: true }, headers: { 'if-match': '*' } });
    expect((await call(server, 'GET', path(hook.id))).json(Webhook)).toMatchObject({ failures: 0, failingSince: null });
  });

  it('a receiver that is gone (410) is left alone at once', async () => {
    answers = [410];
    const hook = await endpoint(['gateway.quarantined']);
    await quarantined();
    await until(async () => !(await call(server, 'GET', path(hook.id))).json(Webhook).enabled);
  });

  it('is sent again by hand, under the same id', async () => {
    answers = [410];
    const hook = await endpoint(['gateway.quarantined']);
    await quarantined();
    await until(async () => (await deliveries(hook.id))[0]?.state === 'failed');
    const [first] = await deliveries(hook.id);
    const again = await call(server, 'POST', path(hook.id, `/deliveries/${first!.id}/redeliver`));
    expect(again.status).toBe(202);
    await until(async () => (await deliveries(hook.id)).some(({ state }) => state === 'delivered'));
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([first!.event, first!.event]);
    expect(received[0]!.body).toBe(received[1]!.body);
  });

  it('a lease that ran out, as after a crash, is taken over', async () => {
    const hook = await endpoint(['gateway.quarantined']);
    await query(
      server,
      `insert into webhook_deliveries (org_id, endpoint_id, event_id, kind, body, attempts, leased_until)
       select org_id, id, gen_random_uuid(), 'webhook.ping', $2, 1, now() - interval '1 second' from webhook_endpoints where id = $1`,
      [
        hook.id,
        JSON.stringify({
          type: 'webhook.ping',
          timestamp: new Date().toISOString(),
          org: hook.id,
          subject: { kind: 'x', id: 'x' },
          data: {},
        }),
      ],
    );
    await until(async () => (await deliveries(hook.id))[0]?.state === 'delivered');
    expect((await deliveries(hook.id))[0]!.attempts).toBe(2);
  });
});

describe('the rest', () => {
  it('a test message tells at once what came of it', async () => {
    const hook = await endpoint(['campaign.halted']);
    answers = [404];
    const failed = (await call(server, 'POST', path(hook.id, '/ping'))).json(WebhookDeliveryDetail);
    expect(failed).toMatchObject({ state: 'failed', kind: 'webhook.ping', log: [{ responseCode: 404 }] });
    const good = (await call(server, 'POST', path(hook.id, '/ping'))).json(WebhookDeliveryDetail);
    expect(good.state).toBe('delivered');
    expect((await call(server, 'GET', path(hook.id))).json(Webhook).failures).toBe(0);
  });

  it('two secrets sign for a day after a change', async () => {
    const hook = await endpoint();
    const fresh = (await call(server, 'POST', path(hook.id, '/secret'), { headers: { 'if-match': '1' } })).json(
      WebhookWithSecret,
    );
    expect(fresh.secret).not.toBe(hook.secret);
    await call(server, 'POST', path(hook.id, '/ping'));
    const [one] = received;
    expect(String(one!.headers['webhook-signature']).split(' ')).toEqual([
      signatureOf(fresh.secret, one!),
      signatureOf(hook.secret, one!),
    ]);
    await query(server, `update webhook_endpoints set previous_secret_until = now() where id = $1`, [hook.id]);
    await call(server, 'POST', path(hook.id, '/ping'));
    expect(received[1]!.headers['webhook-signature']).toBe(signatureOf(fresh.secret, received[1]!));
  });

  it('what is past its days goes', async () => {
    const hook = await endpoint();
    await call(server, 'POST', path(hook.id, '/ping'));
    await call(server, 'POST', path(hook.id, '/ping'));
    const [newest, older] = await deliveries(hook.id);
    await query(server, `update webhook_deliveries set created_at = now() - interval '31 days' where id = $1`, [
      older!.id,
    ]);
    await removeOldEvents(server.dataSource, 30);
    expect((await deliveries(hook.id)).map(({ id }) => id)).toEqual([newest!.id]);
    expect(await query(server, 'select 1 from webhook_attempts where delivery_id = $1', [older!.id])).toEqual([]);
  });
});
