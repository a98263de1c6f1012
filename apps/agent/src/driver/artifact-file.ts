/**
 * A firmware file on disk, read by ranges: a gateway with little memory never holds the whole of it.
 *
 * Reads are synchronous on purpose: they are short, from a file that was just written or just checked, and a session's
 * bytes are wanted before its next effect.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DrydockError, type ByteSource } from '@drydock/dfu-core';

export class ArtifactFile implements ByteSource {
  readonly length: number;
  readonly #path: string;
  #fd: number | undefined;

  private constructor(path: string, fd: number, length: number) {
    this.#path = path;
    this.#fd = fd;
    this.length = length;
  }

  /** The caller closes it. What was opened stays readable when the name is taken away. @throws NodeJS.ErrnoException */
  static open(path: string): ArtifactFile {
    const fd = openSync(path, 'r');
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile()) throw new Error('no file');
      return new ArtifactFile(path, fd, facts.size);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @throws DrydockError `gateway.download` when the file became shorter, or the disk fails. */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let at = 0;
    try {
      while (this.#fd !== undefined && at < length) {
        const count = readSync(this.#fd, bytes, at, length - at, offset + at);
        if (count === 0) break;
        at += count;
      }
    } catch (error) {
      throw new DrydockError('gateway.download', { detail: `${this.#path}: ${(error as Error).message}` });
    }
    if (at < length) {
      throw new DrydockError('gateway.download', { detail: `${this.#path} ends before byte ${offset + length}` });
    }
    return bytes;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
