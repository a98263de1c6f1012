import { createHmac } from 'node:crypto';
import { createServer, type Server, type ServerResponse, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AllowedHosts, faultOfUrl, isPublicAddress } from './address-guard.js';
import { signedHeaders, WebhookSender } from './webhook-sender.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function receiver(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const message = (url: string) => ({ url, id: 'msg_1', body: '{"a":1}', secrets: [SECRET], sentAt: new Date() });

describe('signature', () => {
  it('is that of the published vector of the Standard Webhooks specification', () => {
    const headers = signedHeaders({
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      body: '{"test": 2432232314}',
      secrets: [SECRET],
      sentAt: new Date(1_614_265_330_000),
    });
    expect(headers).toMatchObject({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('stands once for each secret that is good', () => {
    const second = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    const sentAt = new Date(1_700_000_000_000);
    const signatures = signedHeaders({ id: 'x', body: 'y', secrets: [SECRET, second], sentAt })['webhook-signature']!;
    const expected = [Buffer.from(SECRET.slice(6), 'base64'), Buffer.alloc(24, 9)].map(
      (key) => `v1,${createHmac('sha256', key).update('x.1700000000.y').digest('base64')}`,
    );
    expect(signatures.split(' ')).toEqual(expected);
  });
});

describe('where webhooks may go', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'not an address',
  ])('%s is no public address', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])('%s is', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    ['http://example.com/', 'plain http'],
    ['https://127.0.0.1/', 'no public address'],
    ['https://2130706433/', 'no public address'],
    ['https://0x7f.1/', 'no public address'],
    ['https://[::1]/', 'no public address'],
    ['https://[::ffff:7f00:1]/', 'no public address'],
    ['https://me:secret@example.com/', 'user name'],
    ['ftp://example.com/', 'only https'],
    ['nothing', 'no URL'],
  ])('%s is refused: %s', (url, why) => expect(faultOfUrl(url, new AllowedHosts(''))).toContain(why));

  it('lets through what is allowed by name, with its port or with any', () => {
    const allowed = new AllowedHosts('hooks.internal, 10.0.0.5:8080, ::1');
    expect(faultOfUrl('http://hooks.internal:99/x', allowed)).toBeUndefined();
    expect(faultOfUrl('http://10.0.0.5:8080/', allowed)).toBeUndefined();
    expect(faultOfUrl('https://10.0.0.5/', allowed)).toContain('no public address');
    expect(faultOfUrl('https://[::1]/', allowed)).toBeUndefined();
    expect(faultOfUrl('https://example.com/', allowed)).toBeUndefined();
  });
});

describe('sending', () => {
  it('looks at the address a name resolves to, and sends nothing to one that is private', async () => {
    let called = 0;
    const port = await receiver((_, response) => {
      called += 1;
      response.end();
    });
    const result = await new WebhookSender('').send(message(`https://localhost:${port}/`));
    expect(result).toMatchObject({ outcome: 'refused', responseCode: null });
    expect(result.detail).toContain('no public address');
    expect(called).toBe(0);
  });

  it('delivers to an allowed host and keeps the first KiB of an answer that has no end', async () => {
    const port = await receiver((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    const result = await new WebhookSender(`127.0.0.1:${port}`).send(message(`http://127.0.0.1:${port}/`));
    expect(result).toMatchObject({ outcome: 'delivered', responseCode: 200, detail: null });
    expect(result.responseBody).toHaveLength(1024);
  });

  it('follows no redirect', async () => {
    const seen: string[] = [];
    const port = await receiver((request, response) => {
      seen.push(request.url!);
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    const result = await new WebhookSender('127.0.0.1').send(message(`http://127.0.0.1:${port}/first`));
    expect(result).toMatchObject({ outcome: 'failed', responseCode: 302 });
    expect(seen).toEqual(['/first']);
  });

  it('gives up a receiver that does not answer, and says what a receiver asks for', async () => {
    const silent = await receiver(() => undefined);
    const waited = await new WebhookSender('127.0.0.1', 100).send(message(`http://127.0.0.1:${silent}/`));
    expect(waited).toMatchObject({ outcome: 'failed', detail: 'no answer within 100 ms' });
    const busy = await receiver((_, response) => response.writeHead(429, { 'retry-after': '7' }).end());
    const asked = await new WebhookSender('127.0.0.1').send(message(`http://127.0.0.1:${busy}/`));
    expect(asked).toMatchObject({ outcome: 'failed', responseCode: 429, retryAfterMs: 7000 });
  });

  it('says when nobody is there', async () => {
    const port = await receiver(() => undefined);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const result = await new WebhookSender('127.0.0.1').send(message(`http://127.0.0.1:${port}/`));
    expect(result.outcome).toBe('failed');
    expect(result.detail).toContain('ECONNREFUSED');
  });
});
