/** Builds messages field by field. */
export class ByteWriter {
  #parts: number[] = [];

  u8(value: number): this {
    this.#parts.push(value & 0xff);
    return this;
  }
  u16le(value: number): this {
    return this.u8(value).u8(value >>> 8);
  }
  u16be(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }
  u32le(value: number): this {
    return this.u16le(value).u16le(value >>> 16);
  }
  u32be(value: number): this {
    return this.u16be(value >>> 16).u16be(value);
  }
  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#parts.push(byte);
    return this;
  }
  finish(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}
