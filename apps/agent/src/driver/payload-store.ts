/**
 * The artifact's bytes on their way to the device (design, P6).
 *
 * The whole file is checked against its digest when the store is made, before anything is touched.
 * Each block is then checked again in the moment it is handed out, so that a byte which changed in
 * between never leaves.
 */
import { createHash } from 'node:crypto';
import { blocksOf, DrydockError, sourceOf, wholeOf, type ByteSource, type Protocol } from '@drydock/dfu-core';

const BLOCK_BYTES = 4096;

interface Payload {
  readonly bytes: ByteSource;
  readonly digests: readonly Buffer[];
}

export class PayloadStore {
  readonly #payloads = new Map<string, Payload>();
  readonly #first: string | undefined;

  /**
   * @param file the artifact as downloaded.
   * @param sha256 lower-case hex, from the order or from the description.
   * @param payloads the parts that sessions read by name, as the protocol takes the file apart.
   * @throws DrydockError `artifact.digest`
   */
  constructor(file: Uint8Array | ByteSource, sha256: string, payloads: ReadonlyMap<string, Uint8Array | ByteSource>) {
    const hash = createHash('sha256');
    for (const block of blocksOf(sourceOf(file))) hash.update(block);
    const actual = hash.digest('hex');
    if (actual !== sha256) throw new DrydockError('artifact.digest', { field: 'file', expected: sha256, actual });
    for (const [name, payload] of payloads) {
      const bytes = sourceOf(payload);
      this.#payloads.set(name, { bytes, digests: digestsOf(bytes) });
    }
    this.#first = this.#payloads.keys().next().value;
  }

  /** Bytes of all payloads together: what a transfer has to carry. */
  get totalBytes(): number {
    let total = 0;
    for (const { bytes } of this.#payloads.values()) total += bytes.length;
    return total;
  }

  /**
   * @param source name of a payload; without one, the first.
   * @returns at most `length` bytes; fewer at the end.
   * @throws DrydockError `artifact.digest` when the bytes changed since they were checked;
   *   `internal.invariant` for a name or a range that does not exist.
   */
  read(source: string | undefined, offset: number, length: number): Uint8Array {
    const name = source ?? this.#first;
    const payload = name === undefined ? undefined : this.#payloads.get(name);
    if (!payload || offset < 0 || length < 0 || offset > payload.bytes.length) {
      throw new DrydockError('internal.invariant', { detail: `read of ${name ?? 'nothing'} at ${offset}` });
    }
    const end = Math.min(offset + length, payload.bytes.length);
    const first = Math.floor(offset / BLOCK_BYTES);
    const from = first * BLOCK_BYTES;
    const to = Math.min(Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES, payload.bytes.length);
    // Read once: what was checked is what is handed out.
    const bytes = payload.bytes.read(from, Math.max(0, to - from));
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = first + at / BLOCK_BYTES;
      if (!digestOf(bytes.subarray(at, at + BLOCK_BYTES)).equals(payload.digests[block]!)) {
        throw new DrydockError('artifact.digest', { field: `${name} block ${block}` });
      }
    }
    return bytes.subarray(offset - from, end - from);
  }
}

/** What sessions read of a file: by ranges where the protocol can, else from memory. @throws ArtifactError */
export function payloadsOf(
  protocol: Pick<Protocol, 'payloads' | 'sources'>,
  file: ByteSource,
): ReadonlyMap<string, Uint8Array | ByteSource> {
  return protocol.sources?.(file) ?? protocol.payloads(wholeOf(file));
}

function digestsOf(bytes: ByteSource): Buffer[] {
  const digests: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    digests.push(digestOf(bytes.read(at, Math.min(BLOCK_BYTES, bytes.length - at))));
  }
  return digests;
}

function digestOf(block: Uint8Array): Buffer {
  return createHash('sha256').update(block).digest();
}
