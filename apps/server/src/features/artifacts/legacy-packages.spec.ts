/** Legacy packages of Nordic at upload: described, matched with the model, and their rare signatures checked. */
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Artifact } from '@drydock/contracts';
import { joinLegacyFiles, makeLegacyInitPacket, makeLegacyPackage } from '@drydock/dfu-core';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, type Answer } from '../fleet/fleet.fixture.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const application = (seed: number): Uint8Array => new Uint8Array(1024).fill(seed);

function upload(bytes: Uint8Array, fields: Record<string, string>): Promise<Answer> {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', new Blob([Buffer.from(bytes)]), 'app.zip');
  return call(server, 'POST', '/api/v1/artifacts', { form });
}

describe('a legacy package', () => {
  it('is stored, with its format and version', async () => {
    const bytes = makeLegacyPackage({ application: application(1), applicationVersion: 7, softdevices: [0x64] });
    const answer = await upload(bytes, { model: freshName('legacy') });
    expect(answer.status).toBe(201);
    expect(answer.json(Artifact)).toMatchObject({ format: 'nordic-legacy-zip', version: '7' });
  });

  it('for another device type than the model has is refused', async () => {
    const model = freshName('legacy');
    await call(server, 'POST', '/api/v1/models', { body: { name: model, hardware: { deviceType: 82 } } });
    const foreign = makeLegacyPackage({ application: application(2), deviceType: 83 });
    expect((await upload(foreign, { model, version: '1' })).code).toBe('artifact.wrong-hardware');
    const own = makeLegacyPackage({ application: application(2), deviceType: 82 });
    expect((await upload(own, { model, version: '1' })).status).toBe(201);
  });

  it('whose init packet belongs to other firmware is refused', async () => {
    const bytes = joinLegacyFiles(application(3), makeLegacyInitPacket(application(4)));
    expect((await upload(bytes, { model: freshName('legacy'), version: '1' })).code).toBe('artifact.digest');
  });

  it('is verified by a P-256 release key, if it is signed at all', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const secret = new Uint8Array(Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'));
    const model = freshName('signed');
    await call(server, 'POST', '/api/v1/models', {
      body: { name: model, requiresSignature: true, releaseKeys: [pem] },
    });
    const signed = makeLegacyPackage({ application: application(4), privateKey: secret });
    expect((await upload(signed, { model, version: '2' })).json(Artifact).signature).toBe('verified');
    const foreign = makeLegacyPackage({ application: application(5), privateKey: new Uint8Array(32).fill(3) });
    expect((await upload(foreign, { model, version: '3' })).code).toBe('artifact.signature');
    const unsigned = makeLegacyPackage({ application: application(6) });
    expect((await upload(unsigned, { model, version: '4' })).code).toBe('artifact.unsigned');
  });
});
