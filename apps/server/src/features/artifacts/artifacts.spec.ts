import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Artifact, pageOf, Problem } from '@drydock/contracts';
import { crc32, makeMcubootImage, makeNordicPackage, mcubootPublicKeyOf } from '@drydock/dfu-core';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite, query, TestGateway, until, type Answer } from '../fleet/fleet.fixture.js';
import { versionProvesSql } from '../campaigns/version-proves.js';

const MAX_UPLOAD_BYTES = 200_000;
const SIGNING = { kind: 'ed25519', secret: new Uint8Array(32).fill(7) } as const;
const spki = Buffer.from(mcubootPublicKeyOf(SIGNING));
const RELEASE_KEY = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  .export({ type: 'spki', format: 'pem' })
  .toString();

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { DRYDOCK_MAX_UPLOAD_BYTES: String(MAX_UPLOAD_BYTES) } });
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const image = (options: { build?: number; signed?: boolean; bytes?: number } = {}): Uint8Array =>
  makeMcubootImage({
    body: new Uint8Array(options.bytes ?? 2000).fill(options.build ?? 1),
    version: { major: 1, minor: 2, revision: 3, build: options.build ?? 0 },
    ...(options.signed === false ? {} : { key: SIGNING }),
  });
const nordic = (seed: number): Uint8Array =>
  makeNordicPackage({
    application: new Uint8Array(1024).fill(seed),
    hwVersion: 52,
    fwVersion: seed,
    privateKey: new Uint8Array(32).fill(9),
  });

function upload(
  bytes: Uint8Array,
  fields: Record<string, string> = { model: 'sensor-a' },
  name = 'app.bin',
): Promise<Answer> {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', new Blob([Buffer.from(bytes)]), name);
  return call(server, 'POST', '/api/v1/artifacts', { form });
}

/** Every file in the blob store, uploads that were begun included. */
function blobs(): string[] {
  const root = join(server.dataDir, 'blobs');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(root, path)).isFile());
}
async function stored(): Promise<{ rows: number; blobs: number }> {
  const [row] = await query<{ n: string }>(server, 'select count(*) as n from artifacts');
  return { rows: Number(row!.n), blobs: blobs().length };
}
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a good file', () => {
  it('is read, stored once, shown and given back', async () => {
    const bytes = image({ build: 11 });
    const before = await stored();
    const made = await upload(
      bytes,
      { model: 'sensor-a', requires: '{"runningVersions":["1.0.0"]}' },
      '../../evil/app.bin',
    );
    expect(made.status).toBe(201);
    const artifact = made.json(Artifact);
    expect(artifact).toMatchObject({
      sha256: sha(bytes),
      format: 'mcuboot',
      version: '1.2.3+11',
      fileName: 'app.bin',
      signature: 'present',
      requires: { runningVersions: ['1.0.0'] },
    });
    expect(artifact.runningHashes).toHaveLength(1);
    expect(await stored()).toEqual({ rows: before.rows + 1, blobs: before.blobs + 1 });

    const shown = await call(server, 'GET', `/api/v1/artifacts/${artifact.sha256}`);
    expect(shown.json(Artifact)).toEqual(artifact);
    const content = await fetch(`${server.baseUrl}/api/v1/artifacts/${artifact.sha256}/content`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
    });
    expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true);
    const trail = await query<{ action: string }>(server, 'select action from audit where target_id = $1 order by id', [
      artifact.sha256,
    ]);
    expect(trail.map(({ action }) => action)).toEqual(['artifact.uploaded', 'artifact.downloaded']);
  });

  it('comes twice and is one; with other fields it is a conflict', async () => {
    const bytes = image({ build: 12 });
    expect((await upload(bytes)).status).toBe(201);
    const before = await stored();
    const again = await upload(bytes);
    expect(again.status).toBe(200);
    const other = await upload(bytes, { model: 'sensor-b' });
    expect([other.status, other.code]).toEqual([409, 'artifact.conflict']);
    expect(other.json(Problem).params).toEqual({ field: 'model' });
    expect(await stored()).toEqual(before);
  });

  it('comes eight times at once and is one', async () => {
    const bytes = nordic(40);
    const model = freshName('eight');
    // There already: making it would put the uploads into a row of itself.
    await call(server, 'POST', '/api/v1/models', { body: { name: model } });
    const before = await stored();
    const answers = await Promise.all(Array.from({ length: 8 }, () => upload(bytes, { model, version: '4.0.0' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
    expect(await stored()).toEqual({ rows: before.rows + 1, blobs: before.blobs + 1 });
  });

  it('mends a blob that was lost', async () => {
    const bytes = image({ build: 13 });
    await upload(bytes);
    await server.platform.blobStore.remove(sha(bytes));
    expect((await upload(bytes)).status).toBe(200);
    expect(await server.platform.blobStore.has(sha(bytes))).toBe(true);
  });

  it('is listed page by page, newest first, without gaps', async () => {
    for (const build of [14, 15, 16]) await upload(image({ build }), { model: 'paged' });
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const answer = await call(
        server,
        'GET',
        `/api/v1/artifacts?model=paged&limit=2${after ? `&after=${after}` : ''}`,
      );
      const page = answer.json(pageOf(Artifact));
      seen.push(...page.items.map(({ version }) => version));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(['1.2.3+16', '1.2.3+15', '1.2.3+14']);
  });
});

/** Writes a zip by hand, so that headers can lie: names with paths, sizes that are not true. */
function zipOf(members: { name: string; bytes: Uint8Array; claimedBytes?: number }[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, claimedBytes = bytes.length } of members) {
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(bytes.length, 14);
    fields.writeUInt32LE(claimedBytes, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), fields, Buffer.from(name), bytes]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\u0000', 'latin1'), fields, rest, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 0, 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

describe('a bad file', () => {
  const corrupted = () => {
    const bytes = image({ build: 21 });
    bytes[500]! ^= 1;
    return bytes;
  };
  const text = (value: string) => new TextEncoder().encode(value);
  it.each([
    ['truncated MCUboot image', () => image({ build: 20 }).subarray(0, 1500), /^artifact\.(truncated|malformed)$/],
    ['corrupted MCUboot image', corrupted, /^artifact\.digest$/],
    ['truncated package', () => nordic(20).subarray(0, 400), /^artifact\./],
    ['empty file', () => new Uint8Array(), /^artifact\.unknown-format$/],
    ['noise', () => randomBytes(500), /^artifact\.unknown-format$/],
    [
      'path out of the package',
      () =>
        zipOf([
          { name: '../../etc/cron.d/x', bytes: text('x') },
          { name: 'manifest.json', bytes: text('{}') },
        ]),
      /^artifact\.malformed$/,
    ],
    [
      'absolute path in the package',
      () =>
        zipOf([
          { name: '/etc/passwd', bytes: text('x') },
          { name: 'manifest.json', bytes: text('{}') },
        ]),
      /^artifact\.malformed$/,
    ],
    [
      'zip bomb by its own words',
      () => zipOf([{ name: 'manifest.json', bytes: text('{}'), claimedBytes: 0x7fffffff }]),
      /^artifact\.(limit|malformed)$/,
    ],
    [
      'zip bomb that inflates',
      () => makeNordicPackage({ application: new Uint8Array(9 * 1024 * 1024), hwVersion: 52, fwVersion: 1 }),
      /^artifact\.limit$/,
    ],
    [
      'endless list of members',
      () => zipOf(Array.from({ length: 1000 }, (_, n) => ({ name: `f${n}`, bytes: new Uint8Array() }))),
      /^artifact\.limit$/,
    ],
    [
      'endless manifest',
      () => zipOf([{ name: 'manifest.json', bytes: text(`{"manifest":{"a":"${'x'.repeat(100_000)}"}}`) }]),
      /^artifact\.(limit|malformed)$/,
    ],
  ])('%s: refused, nothing stored', async (_, make, code) => {
    const before = await stored();
    const answer = await upload(make(), { model: 'sensor-a', version: '1.0.0' });
    expect(answer.status).toBe(422);
    expect(answer.code).toMatch(code);
    expect(answer.json(Problem).detail).not.toContain('?');
    expect(await stored()).toEqual(before);
  });

  it('every truncation of a file is refused', async () => {
    const bytes = image({ build: 22, bytes: 64 });
    const before = await stored();
    for (let length = 0; length < bytes.length; length += 17) {
      expect((await upload(bytes.subarray(0, length))).status).toBe(422);
    }
    expect(await stored()).toEqual(before);
  });

  it('one byte more than allowed is too large; exactly as much is not', async () => {
    const before = await stored();
    const answer = await upload(new Uint8Array(MAX_UPLOAD_BYTES + 1));
    expect([answer.status, answer.code]).toEqual([413, 'request.too-large']);
    expect(answer.json(Problem).params).toEqual({ limit: MAX_UPLOAD_BYTES });
    expect((await upload(new Uint8Array(MAX_UPLOAD_BYTES))).code).toBe('artifact.unknown-format');
    expect(await stored()).toEqual(before);
  });

  it.each([
    ['no model', {}],
    ['a strange field', { model: 'sensor-a', colour: 'red' }],
    ['requires that is no JSON', { model: 'sensor-a', requires: '{' }],
    ['a version that contradicts the file', { model: 'sensor-a', version: '9.9.9' }],
  ])('%s: refused, nothing stored', async (_, fields) => {
    const before = await stored();
    const answer = await upload(image({ build: 23 }), fields as Record<string, string>);
    expect([answer.status, answer.code]).toEqual([422, 'request.invalid']);
    expect(await stored()).toEqual(before);
  });

  it('no file, two files, no form', async () => {
    const none = new FormData();
    none.append('model', 'sensor-a');
    expect((await call(server, 'POST', '/api/v1/artifacts', { form: none })).code).toBe('request.invalid');
    const two = new FormData();
    two.append('model', 'sensor-a');
    for (const build of [24, 25]) two.append('file', new Blob([Buffer.from(image({ build }))]), 'a.bin');
    const before = await stored();
    expect((await call(server, 'POST', '/api/v1/artifacts', { form: two })).code).toBe('request.invalid');
    expect((await call(server, 'POST', '/api/v1/artifacts', { body: {} })).status).toBe(415);
    expect(await stored()).toEqual(before);
  });

  it('an upload that is cut off leaves nothing', async () => {
    const before = await stored();
    const { port } = new URL(server.baseUrl);
    const socket = connectTcp(Number(port), '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write(
      'POST /api/v1/artifacts HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000\r\n' +
        `Authorization: Bearer ${server.adminToken}\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxxxx`,
    );
    await until(() => blobs().some((path) => path.includes('incoming')));
    socket.destroy();
    await until(async () => JSON.stringify(await stored()) === JSON.stringify(before));
  });
});

describe('models', () => {
  it('that require a signature take only files signed by a release key', async () => {
    const model = freshName('signed');
    const made = await call(server, 'POST', '/api/v1/models', {
      body: { name: model, requiresSignature: true, releaseKeys: [RELEASE_KEY] },
    });
    expect(made.status).toBe(201);
    const before = await stored();
    expect((await upload(image({ build: 31, signed: false }), { model })).code).toBe('artifact.unsigned');
    const foreign = makeMcubootImage({
      body: new Uint8Array(100),
      version: { major: 1, minor: 0, revision: 0, build: 31 },
      key: { kind: 'ed25519', secret: new Uint8Array(32).fill(8) },
    });
    expect((await upload(foreign, { model })).code).toBe('artifact.signature');
    expect((await upload(nordic(31), { model, version: '1' })).code).toBe('artifact.signature');
    expect(await stored()).toEqual(before);
    expect((await upload(image({ build: 32 }), { model })).json(Artifact).signature).toBe('verified');
  });

  it('verify Nordic packages by a P-256 key', async () => {
    const { p256Pem, secret } = p256Key();
    const model = freshName('nordic');
    await call(server, 'POST', '/api/v1/models', {
      body: { name: model, requiresSignature: true, releaseKeys: [RELEASE_KEY, p256Pem] },
    });
    const bytes = makeNordicPackage({
      application: new Uint8Array(64),
      hwVersion: 52,
      fwVersion: 77,
      privateKey: secret,
    });
    expect((await upload(bytes, { model })).json(Artifact)).toMatchObject({ signature: 'verified', version: '77' });
  });

  it('of other hardware or format refuse the file', async () => {
    const model = freshName('strict');
    await call(server, 'POST', '/api/v1/models', {
      body: { name: model, hardware: { hwVersion: 51 }, formats: ['nordic-secure-zip'] },
    });
    const before = await stored();
    expect((await upload(nordic(33), { model })).code).toBe('artifact.wrong-hardware');
    expect((await upload(image({ build: 33 }), { model })).code).toBe('artifact.wrong-model');
    expect(await stored()).toEqual(before);
  });

  it('whose rule nothing could satisfy, or whose key is none, are refused', async () => {
    const body = { name: freshName('bad'), requiresSignature: true };
    expect((await call(server, 'POST', '/api/v1/models', { body })).code).toBe('request.invalid');
    const pem = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';
    expect((await call(server, 'POST', '/api/v1/models', { body: { ...body, releaseKeys: [pem] } })).code).toBe(
      'request.invalid',
    );
  });
});

describe('an artifact', () => {
  it('goes only by hand, and never while a campaign names it', async () => {
    const kept = (await upload(image({ build: 51 }), { model: 'gone' })).json(Artifact);
    const free = (await upload(image({ build: 52 }), { model: 'gone' })).json(Artifact);
    await insertCampaign(kept.id);
    const refused = await call(server, 'DELETE', `/api/v1/artifacts/${kept.sha256}`);
    expect([refused.status, refused.code]).toEqual([409, 'request.conflict']);
    expect((await call(server, 'DELETE', `/api/v1/artifacts/${free.sha256}`)).status).toBe(204);
    expect(await server.platform.blobStore.has(free.sha256)).toBe(false);
    expect(await server.platform.blobStore.has(kept.sha256)).toBe(true);
    expect((await call(server, 'GET', `/api/v1/artifacts/${free.sha256}`)).status).toBe(404);
  });

  it('is proven by its running version only when no other artifact of the model carries it', async () => {
    const model = freshName('versions');
    const one = (await upload(nordic(61), { model, version: '1.0', runningVersion: 'v1' })).json(Artifact);
    const proves = async (): Promise<unknown> =>
      (await query(server, `select ${versionProvesSql('a')} as proves from artifacts a where id = $1`, [one.id]))[0]![
        'proves'
      ];
    expect(await proves()).toBe(true);
    await upload(nordic(62), { model: 'another', version: '1.0', runningVersion: 'v1' });
    expect(await proves()).toBe(true);
    await upload(nordic(63), { model, version: '1.1', runningVersion: 'v2' });
    expect(await proves()).toBe(true);
    // Nobody said what it calls itself: it may well be the version that it was uploaded under.
    const two = (await upload(nordic(64), { model, version: 'v1' })).json(Artifact);
    expect(await proves()).toBe(false);
    await call(server, 'DELETE', `/api/v1/artifacts/${two.sha256}`);
    expect(await proves()).toBe(true);
    await upload(nordic(65), { model, version: '1.2', runningVersion: 'v1' });
    expect(await proves()).toBe(false);
  });

  it('is fetched by the gateway whose deployment names it, in parts, and by no other', async () => {
    const bytes = image({ build: 71, bytes: 50_000 });
    const artifact = (await upload(bytes, { model: 'fetched' })).json(Artifact);
    const other = (await upload(image({ build: 72 }), { model: 'fetched' })).json(Artifact);
    const site = await makeSite(server);
    const gateway = await TestGateway.enrol(server, site);
    const stranger = await TestGateway.enrol(server, site);
    await insertDeployment(await insertCampaign(artifact.id), site, gateway.id, 'downloading');
    const token = await gateway.token();
    const path = `/agent/v1/artifacts/${artifact.sha256}`;
    const get = (headers: Record<string, string> = {}, bearer = token) =>
      fetch(server.baseUrl + path, { headers: { authorization: `Bearer ${bearer}`, ...headers } });

    const whole = await get();
    expect([whole.status, whole.headers.get('etag'), whole.headers.get('accept-ranges')]).toEqual([
      200,
      `"${artifact.sha256}"`,
      'bytes',
    ]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);

    // Cut off after 10 000 bytes, then the rest.
    const first = await get({ range: 'bytes=0-9999' });
    expect([first.status, first.headers.get('content-range')]).toEqual([206, `bytes 0-9999/${bytes.length}`]);
    const rest = await get({ range: 'bytes=10000-', 'if-range': `"${artifact.sha256}"` });
    expect(rest.status).toBe(206);
    expect(
      Buffer.concat([Buffer.from(await first.arrayBuffer()), Buffer.from(await rest.arrayBuffer())]).equals(bytes),
    ).toBe(true);

    const stale = await get({ range: 'bytes=10000-', 'if-range': '"another"' });
    expect(stale.status).toBe(200);
    await stale.arrayBuffer();
    const behind = await get({ range: `bytes=${bytes.length}-` });
    expect([behind.status, behind.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
    await behind.text();

    expect((await get({}, await stranger.token())).status).toBe(404);
    expect((await call(server, 'GET', `/agent/v1/artifacts/${other.sha256}`, { token })).status).toBe(404);
    expect((await call(server, 'GET', path, { token: null })).status).toBe(401);
    expect((await call(server, 'GET', path)).status).toBe(401);

    await server.platform.blobStore.remove(artifact.sha256);
    const missing = await get();
    expect(missing.status).toBe(503);
    await missing.text();
    await query(server, `update deployments set state = 'proven' where gateway_id = $1`, [gateway.id]);
    expect((await get()).status).toBe(404);
  });

  it('is fetched ahead when the order that is out names it', async () => {
    const artifact = (await upload(image({ build: 81 }), { model: 'ahead' })).json(Artifact);
    const gateway = await TestGateway.enrol(server, await makeSite(server));
    const token = await gateway.token();
    const path = `/agent/v1/artifacts/${artifact.sha256}`;
    expect((await call(server, 'GET', path, { token })).status).toBe(404);
    const order = {
      reign: 0,
      revision: 1,
      issuedAtMs: 1,
      grants: [],
      prefetch: [{ sha256: artifact.sha256, sizeBytes: 1, format: 'mcuboot' }],
    };
    await query(
      server,
      'insert into orders (gateway_id, revision, jws) values ($1, 1, $2) on conflict (gateway_id) do update set jws = excluded.jws',
      [gateway.id, await gateway.sign('orders', order)],
    );
    expect((await call(server, 'GET', path, { token })).status).toBe(200);
  });
});

async function insertCampaign(artifactId: string): Promise<string> {
  const [row] = await query<{ id: string }>(
    server,
    `insert into campaigns (org_id, name, artifact_id, selector, policy) select org_id, $1, id, '{}', '{}' from artifacts where id = $2 returning id`,
    [freshName('campaign'), artifactId],
  );
  return row!.id;
}
async function insertDeployment(campaign: string, site: string, gateway: string, state: string): Promise<void> {
  await query(
    server,
    `with v as (insert into devices (org_id, site_id, gateway_id, identity_kind, identity_value)
       select org_id, id, $3, 'chip-id', gen_random_uuid()::text from sites where id = $2 returning id, org_id)
     insert into deployments (org_id, campaign_id, stage_idx, device_id, position, state, gateway_id)
     select org_id, $1, 0, id, 0, $4, $3 from v`,
    [campaign, site, gateway, state],
  );
}
function p256Key(): { p256Pem: string; secret: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = new Uint8Array(Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
  return { p256Pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), secret };
}
