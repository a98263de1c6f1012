/**
 * The artifact's bytes on their way to the device (design, P6).
 *
 * The whole file is checked against its digest when the store is made, before anything is touched.
 * Each block is then checked again in the moment it is handed out, so that a byte which changed in
 * between never leaves.
 */
import { createHash } from 'node:crypto';
import { DrydockError } from '@drydock/dfu-core';

const BLOCK_BYTES = 4096;

interface Payload {
  readonly bytes: Uint8Array;
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
  constructor(file: Uint8Array, sha256: string, payloads: ReadonlyMap<string, Uint8Array>) {
    const actual = createHash('sha256').update(file).digest('hex');
    if (actual !== sha256) throw new DrydockError('artifact.digest', { field: 'file', expected: sha256, actual });
    for (const [name, bytes] of payloads) this.#payloads.set(name, { bytes, digests: digestsOf(bytes) });
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
    for (let block = Math.floor(offset / BLOCK_BYTES); block * BLOCK_BYTES < end; block += 1) {
      if (!digestOf(payload.bytes, block).equals(payload.digests[block]!)) {
        throw new DrydockError('artifact.digest', { field: `${name} block ${block}` });
      }
    }
    return payload.bytes.subarray(offset, end);
  }
}

function digestsOf(bytes: Uint8Array): Buffer[] {
  const digests: Buffer[] = [];
  for (let block = 0; block * BLOCK_BYTES < bytes.length; block += 1) digests.push(digestOf(bytes, block));
  return digests;
}

function digestOf(bytes: Uint8Array, block: number): Buffer {
  return createHash('sha256')
    .update(bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))
    .digest();
}
