/**
 * SLIP as Nordic's HCI transport and BCSP use it: a frame begins and ends with C0; C0 and DB inside become DB DC and DB DD.
 *
 * Source: RFC 1055; nRF5 SDK 11, components/libraries/hci/hci_slip.c; BlueZ, tools/ubcsp.c.
 */
const END = 0xc0;
const ESCAPE = 0xdb;
const ESCAPED_END = 0xdc;
const ESCAPED_ESCAPE = 0xdd;

export function encodeSlip(frame: Uint8Array): Uint8Array {
  const bytes: number[] = [END];
  for (const byte of frame) {
    if (byte === END) bytes.push(ESCAPE, ESCAPED_END);
    else if (byte === ESCAPE) bytes.push(ESCAPE, ESCAPED_ESCAPE);
    else bytes.push(byte);
  }
  bytes.push(END);
  return Uint8Array.from(bytes);
}

/** Takes a stream apart, however it is cut. What breaks the rules or grows beyond `maxBytes` is dropped up to the next END. */
export class SlipDecoder {
  #frame: number[] = [];
  #isEscaped = false;
  #isBroken = false;

  constructor(private readonly maxBytes: number) {}

  /** @returns the frames that are complete with these bytes; empty ones are left out. */
  push(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const byte of bytes) {
      if (byte === END) {
        if (!this.#isBroken && !this.#isEscaped && this.#frame.length > 0) frames.push(Uint8Array.from(this.#frame));
        this.reset();
      } else if (!this.#isBroken) this.#take(byte);
    }
    return frames;
  }

  reset(): void {
    this.#frame = [];
    this.#isEscaped = false;
    this.#isBroken = false;
  }

  #take(byte: number): void {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      if (byte === ESCAPED_END) this.#frame.push(END);
      else if (byte === ESCAPED_ESCAPE) this.#frame.push(ESCAPE);
      else this.#isBroken = true;
    } else if (byte === ESCAPE) this.#isEscaped = true;
    else this.#frame.push(byte);
    if (this.#frame.length > this.maxBytes) this.#isBroken = true;
  }
}
