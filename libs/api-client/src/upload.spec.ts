import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { ApiProblemError, ApiUnreachableError } from './api-errors.js';
import { uploadArtifact } from './upload.js';

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

interface Came {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

/** Answers the nth request with the nth status; 0 breaks off. */
async function serve(...statuses: number[]): Promise<{ baseUrl: string; came: Came[] }> {
  const came: Came[] = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      came.push({ request, body: Buffer.concat(chunks) });
      const status = statuses[Math.min(came.length, statuses.length) - 1]!;
      if (status === 0) return void request.socket.destroy();
      const body =
        status < 300
          ? { sha256: 'x' }
          : { type: 'x', title: 'x', status, detail: 'x', code: 'artifact.malformed', params: {} };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, came };
}

const BYTES = new Uint8Array(200_000).map((_, index) => index % 251);
function fileOf(bytes = BYTES, sizeBytes = bytes.length) {
  return {
    name: 'a"b\r\n.zip',
    sizeBytes,
    open: async function* () {
      for (let at = 0; at < bytes.length; at += 64_000) yield await Promise.resolve(bytes.subarray(at, at + 64_000));
    },
  };
}

it('sends fields and file as a stream of known length, and says how much has left', async () => {
  const { baseUrl, came } = await serve(201);
  const sent: number[] = [];
  const answer = await uploadArtifact({
    baseUrl,
    token: () => 'dd_x',
    file: fileOf(),
    fields: { model: 'm' },
    onProgress: (bytes) => sent.push(bytes),
  });
  expect(answer.isNew).toBe(true);
  expect(sent).toEqual([64_000, 128_000, 192_000, 200_000]);
  const { headers } = came[0]!.request;
  expect(headers).toMatchObject({ authorization: 'Bearer dd_x', 'content-length': String(came[0]!.body.length) });
  // The platform's own reader of multipart bodies takes it apart.
  const form = await new Response(Uint8Array.from(came[0]!.body), {
    headers: { 'content-type': headers['content-type']! },
  }).formData();
  const file = form.get('file') as File;
  expect(form.get('model')).toBe('m');
  expect(file.size).toBe(BYTES.length);
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(hash(new Uint8Array(await file.arrayBuffer()))).toBe(hash(BYTES));
});

it('reads the file anew for a repeat, and tells what was stored already', async () => {
  const { baseUrl, came } = await serve(0, 503, 200);
  const answer = await uploadArtifact({ baseUrl, file: fileOf(), fields: {} });
  expect(answer.isNew).toBe(false);
  expect(came.map(({ body }) => body.length > BYTES.length)).toEqual([true, true, true]);
});

it('does not repeat what is refused, nor a file that cannot be read', async () => {
  const { baseUrl, came } = await serve(422);
  await expect(uploadArtifact({ baseUrl, file: fileOf(), fields: {} })).rejects.toBeInstanceOf(ApiProblemError);
  expect(came).toHaveLength(1);
  const shorter = fileOf(BYTES.subarray(0, 1000), 2000);
  await expect(uploadArtifact({ baseUrl, file: shorter, fields: {} })).rejects.toThrow('changed while it was sent');
});

it('gives up in time', async () => {
  const { baseUrl, came } = await serve(0);
  await expect(uploadArtifact({ baseUrl, file: fileOf(), fields: {}, tries: 2 })).rejects.toBeInstanceOf(
    ApiUnreachableError,
  );
  expect(came).toHaveLength(2);
});

it('says that nothing has changed where there was never a connection', async () => {
  const { baseUrl } = await serve(201);
  await new Promise((resolve) => server!.close(resolve));
  server = undefined;
  await expect(uploadArtifact({ baseUrl, file: fileOf(), fields: {}, tries: 1 })).rejects.toMatchObject({
    outcome: 'unchanged',
  });
});
