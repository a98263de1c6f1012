import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { SILENT } from '../logger.js';
import { ArtifactCache, type ArtifactCacheOptions } from './artifact-cache.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

const BYTES = randomBytes(200_000);
const ARTIFACT = { sha256: createHash('sha256').update(BYTES).digest('hex'), sizeBytes: BYTES.length };

let dir: string;
let server: Server;
let serve: (request: IncomingMessage, response: ServerResponse, from: number) => void;
let ranges: number[];
const caches: ArtifactCache[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-cache-'));
  ranges = [];
  serve = whole;
  server = createServer((request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    ranges.push(from);
    serve(request, response, from);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const each of caches.splice(0)) await each.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

function whole(_: IncomingMessage, response: ServerResponse, from: number): void {
  head(response, from);
  response.end(BYTES.subarray(from));
}

function head(response: ServerResponse, from: number): void {
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': BYTES.length - from,
    ...(from > 0 && { 'content-range': `bytes ${from}-${BYTES.length - 1}/${BYTES.length}` }),
  });
}

function cache(maxBytes = 10_000_000, pace?: ArtifactCacheOptions['pace']): ArtifactCache {
  const { port } = server.address() as AddressInfo;
  const made = new ArtifactCache({
    dir,
    maxBytes,
    clock: realClock,
    log: SILENT,
    retryMs: 5,
    ...(pace && { pace }),
    openArtifact: (sha256, offset, signal) =>
      new Promise((resolve, reject) => {
        get(
          { port, path: `/${sha256}`, signal, agent: false, headers: offset > 0 ? { range: `bytes=${offset}-` } : {} },
          resolve,
        ).on('error', reject);
      }),
  });
  caches.push(made);
  return made;
}

describe('artifact cache', () => {
  it('downloads once for everybody who waits, and not again', async () => {
    const it = cache();
    const paths = await Promise.all(Array.from({ length: 20 }, () => it.obtain(ARTIFACT, 10_000)));
    expect(new Set(paths)).toEqual(new Set([it.path(ARTIFACT.sha256)]));
    expect((await readFile(paths[0]!)).equals(BYTES)).toBe(true);
    await it.obtain(ARTIFACT, 10_000);
    expect(ranges).toEqual([0]);
    expect(await readdir(dir)).toEqual([ARTIFACT.sha256]);
  });

  it('goes on where it was cut, as often as it takes', async () => {
    serve = (_, response, from) => {
      head(response, from);
      const end = Math.min(from + 30_000, BYTES.length);
      response.write(BYTES.subarray(from, end), () => (end < BYTES.length ? response.destroy() : response.end()));
    };
    const path = await cache().obtain(ARTIFACT, 10_000);
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    expect(ranges.length).toBeGreaterThan(4);
    expect([...ranges].sort((a, b) => a - b)).toEqual(ranges);
  });

  it('begins again where the range is ignored, or answered from elsewhere', async () => {
    await writeFile(join(dir, `${ARTIFACT.sha256}.part`), BYTES.subarray(0, 50_000));
    serve = (_, response) => void response.writeHead(200).end(BYTES);
    await cache().obtain(ARTIFACT, 10_000);
    expect(ranges).toEqual([50_000]);
    await rm(join(dir, ARTIFACT.sha256));

    await writeFile(join(dir, `${ARTIFACT.sha256}.part`), BYTES.subarray(0, 50_000));
    serve = (request, response, from) => {
      if (from === 0) return whole(request, response, from);
      response.writeHead(206, { 'content-range': `bytes 10-99/${BYTES.length}` }).end(BYTES.subarray(10, 100));
    };
    await cache().obtain(ARTIFACT, 10_000);
    expect(ranges).toEqual([50_000, 50_000, 0]);
  });

  it('never hands out wrong bytes', async () => {
    const wrong = Buffer.from(BYTES);
    wrong[1000]! ^= 1;
    serve = (_, response, from) => {
      head(response, from);
      response.end(wrong.subarray(from));
    };
    await expect(cache().obtain(ARTIFACT, 10_000)).rejects.toMatchObject({ code: 'artifact.digest' });
    expect(ranges).toEqual([0, 0]);
    expect(await readdir(dir)).toEqual([]);
  });

  it('takes no more bytes than were announced', async () => {
    let served = 0;
    serve = (_, response) => {
      served += 1;
      response.writeHead(200);
      response.end(served === 1 ? Buffer.concat([BYTES, Buffer.from('more')]) : BYTES);
    };
    await cache().obtain(ARTIFACT, 10_000);
    expect(served).toBe(2);
  });

  it('says that the store has no such bytes, and ends its waits', async () => {
    serve = (_, response) => void response.writeHead(404).end();
    await expect(cache().obtain(ARTIFACT, 10_000)).rejects.toMatchObject({ code: 'server.blob-missing' });
    serve = (_, response) => void response.writeHead(200).write(BYTES.subarray(0, 10));
    await expect(cache().obtain(ARTIFACT, 100)).rejects.toMatchObject({ code: 'gateway.download' });
    serve = (_, response) => void response.writeHead(503).end();
    await expect(cache().obtain(ARTIFACT, 2_500)).rejects.toMatchObject({ code: 'server.unavailable' });
    const abort = new AbortController();
    const waiting = cache().obtain(ARTIFACT, 10_000, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'order.withdrawn' });
  });

  it('evicts what was used longest ago, never what is in use', async () => {
    const it = cache(BYTES.length + 250_000);
    for (const [index, name] of ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)].entries()) {
      await writeFile(join(dir, name), randomBytes(100_000));
      await utimes(join(dir, name), 1000 + index, 1000 + index);
    }
    const release = it.hold('a'.repeat(64));
    await it.obtain(ARTIFACT, 10_000);
    expect((await readdir(dir)).map((name) => name[0]).sort()).toEqual([ARTIFACT.sha256[0], 'a', 'c'].sort());
    release();

    const full = cache(BYTES.length + 10);
    full.hold('a'.repeat(64));
    await full.discard(ARTIFACT.sha256);
    await expect(full.obtain(ARTIFACT, 10_000)).rejects.toMatchObject({ code: 'gateway.disk-full' });
  });

  it('waits for the hours of the site, stops when they end, and goes on from there', async () => {
    let open = false;
    let opened: (() => void) | undefined;
    let taken = 0;
    const it = cache(10_000_000, {
      get isOpen() {
        return open;
      },
      opened: () => new Promise<void>((resolve) => (opened = resolve)),
      take: async (bytes) => {
        if (!open) throw new DrydockError('site.quiet-hours');
        taken += bytes;
        if (taken > 60_000 && ranges.length === 1) open = false;
      },
    });
    // In pieces, so that the end of the hours falls between them.
    serve = (_, response, from) => {
      head(response, from);
      const next = (at: number): void => {
        if (at >= BYTES.length) return void response.end();
        response.write(BYTES.subarray(at, at + 20_000), () => setImmediate(next, at + 20_000));
      };
      next(from);
    };
    const done = it.obtain(ARTIFACT, 60_000);
    await until(() => opened !== undefined);
    expect(ranges).toEqual([]);
    open = true;
    const first = opened;
    first?.();
    await until(() => opened !== first);
    open = true;
    opened?.();
    expect(await readFile(await done)).toEqual(BYTES);
    expect(ranges[0]).toBe(0);
    expect(ranges).toHaveLength(2);
    expect(ranges[1]).toBeGreaterThan(60_000);
  });

  it('says that the hours were the reason when the time is over before they come', async () => {
    const it = cache(10_000_000, {
      isOpen: false,
      opened: (signal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      take: () => Promise.resolve(),
    });
    await expect(it.obtain(ARTIFACT, 50)).rejects.toMatchObject({ code: 'site.quiet-hours' });
    expect(ranges).toEqual([]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
