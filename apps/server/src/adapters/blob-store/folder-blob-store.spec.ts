import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { blobStoreConformance } from './blob-store.conformance.js';
import { FolderBlobStore } from './folder-blob-store.js';

blobStoreConformance('folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-blobs-'));
  const store = new FolderBlobStore(folder);
  await store.start();
  return { store, close: async () => rmSync(folder, { recursive: true }) };
});

it('removes uploads that a killed server left, but none that may be under way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-blobs-'));
  try {
    const store = new FolderBlobStore(folder);
    await store.start();
    writeFileSync(join(folder, 'incoming', 'old'), 'x');
    writeFileSync(join(folder, 'incoming', 'new'), 'x');
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    utimesSync(join(folder, 'incoming', 'old'), twoDaysAgo, twoDaysAgo);
    await store.start();
    expect(readdirSync(join(folder, 'incoming'))).toEqual(['new']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
