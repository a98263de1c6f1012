/**
 * The GBL parser of a simulated Gecko Bootloader: fed in pieces of any size, it checks tag by tag and hands on what
 * is to be flashed as it comes. Written from the format description, apart from dfu-core.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/parser/gbl/btl_gbl_parser.c (states, errors), btl_gbl_format.h.
 */
import { createDecipheriv, createPublicKey, createVerify, verify, type Decipher, type Verify } from 'node:crypto';
import { crc32 } from '../checksums.js';
import {
  BOOTLOADER,
  CERTIFICATE,
  DEPENDENCY,
  ENCRYPTED,
  ENCRYPTION_INIT,
  END,
  ERASE_PROGRAM,
  HEADER,
  INFO,
  PROGRAM,
  SECURE_ELEMENT,
  SIGNATURE,
  GblError,
  Refused,
  type Tag,
  TagStream,
} from './gbl-tags.js';

export interface GblSink {
  /** @returns false when the range is not the application's. */
  program(address: number, bytes: Uint8Array, erase: boolean): boolean;
  applicationInfo(version: number): void;
  bootloader(version: number): void;
  secureElement(version: number): void;
  /** Installed versions, for dependencies. */
  readonly installed: { readonly application: number; readonly bootloader: number; readonly secureElement: number };
}

export interface GblReaderOptions {
  readonly publicKey?: Uint8Array | undefined;
  readonly aesKey?: Uint8Array | undefined;
  readonly requireEncryption?: boolean | undefined;
}

type Handler = (data: Uint8Array) => void;

export class GblReader {
  readonly #outer: TagStream;
  #inner: TagStream | undefined;
  #decipher: Decipher | undefined;
  #crc = 0;
  /** Fed with all bytes before the signature tag. */
  readonly #verifier: Verify = createVerify('sha256');
  #verifierIsClosed = false;
  #isEncrypted = false;
  #isSigned = false;
  #signatureHolds = false;
  #certificateKey: Uint8Array | undefined;
  #started = false;
  #hasHeader = false;
  #innerHandler: Handler | undefined;
  #done = false;
  #error: GblError | undefined;
  /** Of the tag that is being streamed. */
  #handler: Handler | undefined;

  constructor(
    private readonly sink: GblSink,
    private readonly options: GblReaderOptions,
  ) {
    this.#outer = new TagStream(
      (id, rule, length) => this.#begin(id, rule, length, false),
      (id, bytes, isLast) => this.#piece(id, bytes, isLast),
      (bytes) => this.#account(bytes),
    );
  }

  /** End tag seen, CRC right, signature right where it matters. */
  get isVerified(): boolean {
    return this.#done && this.#error === undefined;
  }

  get error(): GblError | undefined {
    return this.#error;
  }

  get isDone(): boolean {
    return this.#done;
  }

  get isStarted(): boolean {
    return this.#started;
  }

  /** @returns the error of this very call: after it, and after the end, everything is swallowed (`Eof` says so once asked). */
  push(bytes: Uint8Array): GblError | undefined {
    if (this.#error !== undefined) return undefined;
    if (this.#done) return GblError.Eof;
    this.#started ||= bytes.length > 0;
    try {
      this.#outer.push(bytes);
      return undefined;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#error = error.code;
      return error.code;
    }
  }

  #account(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
    if (!this.#verifierIsClosed) this.#verifier.update(bytes);
  }

  #begin(id: number, rule: Tag, length: number, encrypted: boolean): void {
    if (!this.#hasHeader && id !== HEADER) throw new Refused(GblError.FileType);
    if (encrypted ? rule.plain : this.#isEncrypted && !rule.plain && id !== SECURE_ELEMENT) {
      throw new Refused(GblError.Unexpected);
    }
    if (!this.#isEncrypted && (id === ENCRYPTION_INIT || id === ENCRYPTED)) throw new Refused(GblError.Unexpected);
    if (id === SIGNATURE) {
      if (!this.#isSigned) throw new Refused(GblError.Unexpected);
      this.#verifierIsClosed = true;
    }
    this.#handler = this.#handlerOf(id, length);
  }

  #piece(id: number, bytes: Uint8Array, isLast: boolean): void {
    this.#handler?.(bytes);
    if (id === END && isLast) this.#finish(bytes);
  }

  /** What is done with the data of a tag. */
  #handlerOf(id: number, length: number): Handler | undefined {
    switch (id) {
      case HEADER:
        return (data) => this.#header(data);
      case DEPENDENCY:
        return (data) => this.#dependencies(data);
      case ENCRYPTION_INIT:
        return (data) => this.#encryption(data);
      case ENCRYPTED:
        return (data) => void this.#inner?.push(this.#decipher?.update(data) ?? data);
      case INFO:
        if (length !== 28) throw new Refused(GblError.Unexpected);
        return (data) => this.sink.applicationInfo(u32(data, 4));
      case PROGRAM:
      case ERASE_PROGRAM:
        return this.#programmer(id === ERASE_PROGRAM);
      case BOOTLOADER:
        return headed(8, (head) => this.sink.bootloader(u32(head, 0)));
      case SECURE_ELEMENT:
        return headed(8, (head) => this.sink.secureElement(u32(head, 4)));
      case CERTIFICATE:
        if (length !== 136) throw new Refused(GblError.Unexpected);
        return (data) => this.#certificate(data);
      case SIGNATURE:
        if (length !== 64) throw new Refused(GblError.Unexpected);
        return (data) => this.#signature(data);
      default:
        return undefined;
    }
  }

  #header(data: Uint8Array): void {
    if (data.length !== 8) throw new Refused(GblError.Unexpected);
    if (u32(data, 0) >>> 24 !== 3) throw new Refused(GblError.Version);
    const flags = u32(data, 4);
    this.#hasHeader = true;
    this.#isEncrypted = (flags & 1) !== 0;
    this.#isSigned = (flags & 0x100) !== 0;
    if (this.options.publicKey && !this.#isSigned) throw new Refused(GblError.FileType);
    if (this.options.requireEncryption && !this.#isEncrypted) throw new Refused(GblError.FileType);
    if (this.#isEncrypted && !this.options.aesKey) throw new Refused(GblError.Key);
  }

  #dependencies(data: Uint8Array): void {
    const { application, bootloader, secureElement } = this.sink.installed;
    const installed: Readonly<Record<number, number>> = { 1: application, 2: bootloader, 3: secureElement & 0xffffff };
    const results = new Map<number, boolean>();
    for (let at = 0; at + 8 <= data.length; at += 8) {
      const image = data[at] ?? 0;
      const statement = data[at + 1] ?? 0;
      const wanted = u32(data, at + 4);
      const has = installed[image] ?? 0;
      const tests: Readonly<Record<number, boolean>> = {
        0: has < wanted,
        2: has <= wanted,
        4: has === wanted,
        6: has >= wanted,
        8: has > wanted,
      };
      let holds = tests[statement & 0x0e] ?? false;
      if (statement & 0x01) holds = !holds;
      const before = results.get(image) ?? true;
      let result = (statement & 0xe0) === 0x20 ? before || holds : before && holds;
      if (statement & 0x10) result = !result;
      results.set(image, result);
    }
    if ([...results.values()].includes(false)) throw new Refused(GblError.Version);
  }

  #encryption(data: Uint8Array): void {
    const { aesKey } = this.options;
    if (data.length !== 16 || !aesKey) throw new Refused(GblError.Key);
    const block = Buffer.concat([Buffer.of(2), data.subarray(4, 16), Buffer.of(0, 0, 1)]);
    this.#decipher = createDecipheriv('aes-128-ctr', aesKey, block);
    this.#inner = new TagStream(
      (id, rule, length) => {
        if (rule.plain) throw new Refused(GblError.Unexpected);
        this.#innerHandler = this.#handlerOf(id, length);
      },
      (_id, bytes) => this.#innerHandler?.(bytes),
      () => undefined,
    );
  }

  #programmer(erase: boolean): Handler {
    let address: number | undefined;
    const head: number[] = [];
    return (data) => {
      let rest = data;
      while (address === undefined && rest.length > 0) {
        head.push(rest[0] ?? 0);
        rest = rest.subarray(1);
        if (head.length === 4) address = u32(Uint8Array.from(head), 0);
      }
      if (address === undefined || rest.length === 0) return;
      if (!this.sink.program(address, rest, erase)) throw new Refused(GblError.Overlap);
      address += rest.length;
    };
  }

  #certificate(data: Uint8Array): void {
    this.#certificateKey = data.slice(4, 68);
    const { publicKey } = this.options;
    if (publicKey && !signatureHolds(publicKey, data.slice(0, 72), data.slice(72))) {
      throw new Refused(GblError.Signature);
    }
  }

  #signature(data: Uint8Array): void {
    const key = this.#certificateKey ?? this.options.publicKey;
    if (!key) {
      this.#signatureHolds = true; // nobody enforces it
      return;
    }
    if (!this.#streamHolds(key, data)) throw new Refused(GblError.Signature);
    this.#signatureHolds = true;
  }

  #streamHolds(key: Uint8Array, signature: Uint8Array): boolean {
    try {
      return this.#verifier.verify({ key: keyOf(key), dsaEncoding: 'ieee-p1363' }, signature);
    } catch {
      return false; // no point of the curve
    }
  }

  #finish(data: Uint8Array): void {
    if (data.length !== 4 || u32(data, 0) !== this.#crc) throw new Refused(GblError.Crc);
    if (this.options.publicKey && !this.#signatureHolds) throw new Refused(GblError.Signature);
    if (this.#inner?.insideTag) throw new Refused(GblError.Unexpected);
    this.#done = true;
  }
}

/** Calls back once with the first `count` bytes, whatever the pieces. */
function headed(count: number, done: (head: Uint8Array) => void): Handler {
  const head: number[] = [];
  return (data) => {
    if (head.length >= count) return;
    head.push(...data.subarray(0, count - head.length));
    if (head.length === count) done(Uint8Array.from(head));
  };
}

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;

function keyOf(point: Uint8Array): ReturnType<typeof createPublicKey> {
  const [x, y] = [point.subarray(0, 32), point.subarray(32, 64)].map((part) => Buffer.from(part).toString('base64url'));
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
}

function signatureHolds(point: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify('sha256', message, { key: keyOf(point), dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false; // no point of the curve
  }
}
