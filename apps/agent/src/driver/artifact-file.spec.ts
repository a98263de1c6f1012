import { afterAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  describeArtifact,
  makeMcubootImage,
  makeMcubootPackage,
  secureDfu,
  smp,
  type ByteSource,
} from '@drydock/dfu-core';
import { ArtifactFile } from './artifact-file.js';
import { PayloadStore, payloadsOf } from './payload-store.js';

const folder = mkdtempSync(join(tmpdir(), 'drydock-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IMAGE = makeMcubootImage({
  body: Uint8Array.from({ length: 300_000 }, (_, i) => i * 7),
  version: { major: 1, minor: 0, revision: 0, build: 0 },
});
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function written(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The most that was asked for at once. */
function counting(source: ByteSource): ByteSource & { most: number } {
  const counted = {
    length: source.length,
    most: 0,
    read: (offset: number, length: number) => {
      counted.most = Math.max(counted.most, length);
      return source.read(offset, length);
    },
  };
  return counted;
}

describe('a firmware file on disk', () => {
  it.each<[string, Uint8Array]>([
    ['one image', IMAGE],
    ['a package with stored members', makeMcubootPackage([{ image: 0, file: 'app.bin', bytes: IMAGE }])],
  ])('%s: described, checked and handed out in blocks, never as a whole', (name, bytes) => {
    const file = ArtifactFile.open(written(`${name}.bin`, bytes));
    const counted = counting(file);
    expect(describeArtifact(counted)).toEqual(describeArtifact(bytes));
    const store = new PayloadStore(counted, sha256(bytes), payloadsOf(smp, counted));
    expect(store.totalBytes).toBe(IMAGE.length);
    expect(store.read('image:0', 123_456, 5000)).toEqual(IMAGE.subarray(123_456, 128_456));
    expect(store.read('image:0', IMAGE.length - 3, 100)).toEqual(IMAGE.subarray(-3));
    // Tail of the archive, TLVs, blocks of the digest.
    expect(counted.most).toBeLessThan(IMAGE.length / 2);
    file.close();
  });

  it('a byte that changed on disk after the check never leaves (P6)', () => {
    const path = written('changed.bin', IMAGE);
    const file = ArtifactFile.open(path);
    const store = new PayloadStore(file, sha256(IMAGE), payloadsOf(smp, file));
    const spoiled = IMAGE.slice();
    spoiled[200_000]! ^= 1;
    writeFileSync(path, spoiled);
    expect(store.read('image:0', 0, 4096)).toHaveLength(4096);
    expect(() => store.read('image:0', 199_000, 2000)).toThrow(expect.objectContaining({ code: 'artifact.digest' }));
    file.close();
  });

  it('says that it became shorter; stays readable when its name is taken away', () => {
    const path = written('short.bin', IMAGE);
    const file = ArtifactFile.open(path);
    truncateSync(path, 1000);
    expect(() => file.read(990, 20)).toThrow(expect.objectContaining({ code: 'gateway.download' }));
    unlinkSync(path);
    expect(file.read(0, 1000)).toEqual(IMAGE.subarray(0, 1000));
    file.close();
    expect(() => file.read(0, 1)).toThrow(expect.objectContaining({ code: 'gateway.download' }));
    expect(() => ArtifactFile.open(folder)).toThrow('no file');
  });

  it('protocols that want the whole file get it', () => {
    const file = ArtifactFile.open(written('whole.bin', IMAGE));
    expect(() => payloadsOf(secureDfu, file)).toThrow(expect.objectContaining({ code: 'artifact.malformed' }));
    file.close();
  });
});
