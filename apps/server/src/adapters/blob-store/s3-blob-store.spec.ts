/** The S3 store against a small S3 of our own, and against a real service where the scaled lane names one. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { blobStoreConformance } from './blob-store.conformance.js';
import { S3BlobStore } from './s3-blob-store.js';
import { S3Service } from './s3-service.fixture.js';

const storeOf = (endpoint: string, bucket = 'artifacts', createBucket = false) =>
  new S3BlobStore({
    bucket,
    createBucket,
    prefix: 'drydock/',
    region: 'us-east-1',
    endpoint,
    credentials: {
      accessKeyId: process.env.DRYDOCK_LANE_S3_ACCESS_KEY_ID ?? 'test',
      secretAccessKey: process.env.DRYDOCK_LANE_S3_SECRET_ACCESS_KEY ?? 'test-secret',
    },
  });

blobStoreConformance('S3, in memory', async () => {
  const service = new S3Service('artifacts');
  const store = storeOf(await service.listen());
  await store.start();
  return {
    store,
    close: async () => {
      store.stop();
      await service.close();
    },
  };
});

const laneEndpoint = process.env.DRYDOCK_LANE_S3_ENDPOINT;
if (laneEndpoint) {
  blobStoreConformance('S3, outside', async () => {
    const store = storeOf(laneEndpoint, process.env.DRYDOCK_LANE_S3_BUCKET);
    await store.start();
    return { store, close: async () => store.stop() };
  });
}

describe('S3', () => {
  let service: S3Service;
  let endpoint: string;
  let store: S3BlobStore;
  beforeAll(async () => {
    service = new S3Service('artifacts');
    endpoint = await service.listen();
    store = storeOf(endpoint);
  });
  afterAll(async () => {
    store.stop();
    await service.close();
  });

  it('leaves no half upload behind', async () => {
    const pending = await store.begin();
    await pending.write(Buffer.alloc(9 * 1024 * 1024));
    expect(service.uploads.size).toBe(1);
    await pending.discard();
    expect(service.uploads.size).toBe(0);
    const untouched = await store.begin();
    await untouched.discard();
    expect(service.objects.size).toBe(0);
  });

  it('gives a link that works without our credentials', async () => {
    const hash = 'a'.repeat(64);
    const pending = await store.begin();
    await pending.write(Buffer.from('bytes'));
    await pending.commit(hash);
    expect([...service.objects.keys()]).toEqual([`drydock/aa/aa/${hash}`]);
    const link = await store.presign(hash, 60);
    expect(link).toContain('X-Amz-Expires=60');
    expect(await (await fetch(link)).text()).toBe('bytes');
  });

  it('makes a bucket that is missing only where that is wanted, also with another server beside it', async () => {
    const empty = new S3Service('artifacts', false);
    const address = await empty.listen();
    const careful = storeOf(address);
    await expect(careful.start()).rejects.toThrow('artifacts');
    const both = [storeOf(address, 'artifacts', true), storeOf(address, 'artifacts', true)];
    await Promise.all(both.map((store) => store.start()));
    await careful.start();
    for (const store of [careful, ...both]) store.stop();
    await empty.close();
  });

  it('says at start that the bucket is missing', async () => {
    const wrong = storeOf(endpoint, 'missing');
    await expect(wrong.start()).rejects.toThrow('missing');
    wrong.stop();
  });
});
