/** What every blob store has to do; run against the folder in `npm test` and against S3 in the scaled lane. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BlobStore } from './blob-store.port.js';

/** @param open makes the store to test, and what undoes it. */
export function blobStoreConformance(
  name: string,
  open: () => Promise<{ store: BlobStore; close: () => Promise<void> }>,
): void {
  describe(`blob store: ${name}`, () => {
    let store: BlobStore;
    let close: () => Promise<void>;
    beforeAll(async () => ({ store, close } = await open()));
    afterAll(async () => close?.());

    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const put = async (bytes: Buffer, chunkBytes = bytes.length || 1): Promise<string> => {
      const pending = await store.begin();
      for (let at = 0; at < bytes.length; at += chunkBytes) await pending.write(bytes.subarray(at, at + chunkBytes));
      const hash = sha256(bytes);
      await pending.commit(hash);
      return hash;
    };

    it('gives back what was put, whole and in ranges', async () => {
      // More than one part of an S3 upload.
      const bytes = randomBytes(9 * 1024 * 1024 + 17);
      const hash = await put(bytes, 65_536);
      expect(await store.has(hash)).toBe(true);
      expect((await store.readAll(hash))?.equals(bytes)).toBe(true);
      const part = await store.open(hash, { start: 1000, end: 70_000 });
      const chunks: Buffer[] = [];
      for await (const chunk of part!.stream) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).equals(bytes.subarray(1000, 70_001))).toBe(true);
      expect(part!.sizeBytes).toBe(bytes.length);
    });

    it('takes an empty blob and a caller that uses its buffer again', async () => {
      const empty = await put(Buffer.alloc(0));
      expect((await store.readAll(empty))?.length).toBe(0);
      const pending = await store.begin();
      const buffer = Buffer.from('first');
      await pending.write(buffer);
      buffer.fill('x');
      await pending.commit(sha256(Buffer.from('first')));
      expect((await store.readAll(sha256(Buffer.from('first'))))?.toString()).toBe('first');
    });

    it('shows nothing before the commit, and nothing after a discard', async () => {
      const bytes = randomBytes(1000);
      const pending = await store.begin();
      await pending.write(bytes);
      expect(await store.has(sha256(bytes))).toBe(false);
      await pending.discard();
      expect(await store.readAll(sha256(bytes))).toBeUndefined();
      expect(await store.open(sha256(bytes))).toBeUndefined();
    });

    it('keeps one blob when the same bytes come twice at once', async () => {
      const bytes = randomBytes(5000);
      const [a, b] = await Promise.all([put(bytes), put(bytes, 100)]);
      expect(a).toBe(b);
      expect((await store.readAll(a))?.equals(bytes)).toBe(true);
      await store.remove(a);
      expect(await store.has(a)).toBe(false);
      await store.remove(a);
    });

    it('never makes a path of a name that is no hash', async () => {
      for (const name of ['../../etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(63)}/`]) {
        await expect(async () => store.readAll(name)).rejects.toThrow('not a SHA-256');
      }
      await store.check();
    });
  });
}
