/**
 * Tags of a GBL file as a simulated bootloader meets them: ids, order, and the stream that takes them apart.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/parser/gbl/btl_gbl_format.h, btl_gbl_format.c, api/btl_errorcode.h.
 */

export const GblError = {
  Unexpected: 0x1001,
  Key: 0x1004,
  Crc: 0x1005,
  Signature: 0x1006,
  Eof: 0x1007,
  UnknownTag: 0x1008,
  Version: 0x1009,
  FileType: 0x100a,
  Rejected: 0x100c,
  Overlap: 0x100d,
  TagOrder: 0x100e,
} as const;
export type GblError = (typeof GblError)[keyof typeof GblError];

export interface Tag {
  readonly order: number;
  readonly single: boolean;
  readonly plain: boolean;
  /** Taken as a whole; others are streamed. */
  readonly whole: boolean;
}

const tag = (order: number, single: boolean, plain: boolean, whole: boolean): Tag => ({ order, single, plain, whole });
export const HEADER = 0x03a617eb;
export const DEPENDENCY = 0x76a617eb;
export const ENCRYPTION_INIT = 0xfa0606fa;
export const INFO = 0xf40a0af4;
export const SECURE_ELEMENT = 0x5ea617eb;
export const BOOTLOADER = 0xf50909f5;
const METADATA = 0xf60808f6;
export const PROGRAM = 0xfe0101fe;
export const ERASE_PROGRAM = 0xfd0303fd;
export const ENCRYPTED = 0xf90707f9;
export const CERTIFICATE = 0xf30b0bf3;
export const SIGNATURE = 0xf70a0af7;
export const END = 0xfc0404fc;

/** Compressed and delta programs are unknown to a bootloader that was not built with them, as this one. */
const TAGS: ReadonlyMap<number, Tag> = new Map([
  [HEADER, tag(1, true, true, true)],
  [DEPENDENCY, tag(2, false, true, true)],
  [ENCRYPTION_INIT, tag(4, true, true, true)],
  [INFO, tag(5, true, false, true)],
  [SECURE_ELEMENT, tag(6, true, false, false)],
  [BOOTLOADER, tag(7, true, false, false)],
  [METADATA, tag(8, false, false, false)],
  [PROGRAM, tag(8, false, false, false)],
  [ERASE_PROGRAM, tag(8, false, false, false)],
  [ENCRYPTED, tag(9, false, true, false)],
  [CERTIFICATE, tag(10, true, true, true)],
  [SIGNATURE, tag(11, true, true, true)],
  [END, tag(12, true, true, true)],
]);
/** A whole tag is kept in a buffer of the bootloader's. */
const MAX_WHOLE_BYTES = 512;

export class Refused extends Error {
  constructor(readonly code: GblError) {
    super(`GBL 0x${code.toString(16)}`);
  }
}

/** One level of tags: the file, or the stream inside its encrypted data. */
export class TagStream {
  #head: number[] = [];
  #left = 0;
  #whole: number[] = [];
  #id = 0;
  #order = 0;
  #single = false;

  constructor(
    private readonly begin: (id: number, tag: Tag, length: number) => void,
    private readonly piece: (id: number, bytes: Uint8Array, isLast: boolean) => void,
    private readonly raw: (bytes: Uint8Array) => void,
  ) {}

  get insideTag(): boolean {
    return this.#head.length > 0 || this.#left > 0;
  }

  /** @returns bytes that were used: all, unless the end tag was met. */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        this.#head.push(bytes[at] ?? 0);
        at += 1;
        if (this.#head.length === 8) this.#openTag();
        continue;
      }
      const take = bytes.subarray(at, at + this.#left);
      at += take.length;
      this.#left -= take.length;
      this.#take(take);
      if (this.#id === END && this.#left === 0) return at;
    }
    return at;
  }

  #openTag(): void {
    const view = new DataView(Uint8Array.from(this.#head).buffer);
    const headBytes = Uint8Array.from(this.#head);
    this.#head = [];
    this.#id = view.getUint32(0, true);
    const length = view.getUint32(4, true);
    const found = TAGS.get(this.#id);
    if (!found) throw new Refused(GblError.UnknownTag);
    const early = this.#id === SECURE_ELEMENT && this.#order < 3;
    const order = early ? 3 : found.order;
    if (order < this.#order || (order === this.#order && (this.#single || found.single))) {
      throw new Refused(GblError.TagOrder);
    }
    this.#order = order;
    this.#single = found.single;
    if (found.whole && length > MAX_WHOLE_BYTES) throw new Refused(GblError.Unexpected);
    this.begin(this.#id, found, length);
    this.raw(headBytes);
    this.#left = length;
    this.#whole = [];
    if (length === 0) this.piece(this.#id, new Uint8Array(), true);
  }

  #take(bytes: Uint8Array): void {
    const isLast = this.#left === 0;
    if (!TAGS.get(this.#id)?.whole) {
      this.piece(this.#id, bytes, isLast);
      this.raw(bytes);
      return;
    }
    this.#whole.push(...bytes);
    // The CRC runs up to the data of the end tag, which it is compared with.
    if (this.#id !== END) this.raw(bytes);
    if (isLast) this.piece(this.#id, Uint8Array.from(this.#whole), true);
  }
}
