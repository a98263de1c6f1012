/**
 * SLIP: frames on a serial line, parted by END; END and ESC inside become two bytes each.
 *
 * Source: RFC 1055; nRF5 SDK 17, components/libraries/slip/slip.c; nRF5 SDK 11, components/libraries/hci/hci_slip.c;
 * pc-nrfutil, nordicsemi/dfu/dfu_transport_serial.py.
 */
const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/**
 * One END behind the frame and none before it, as Nordic's secure bootloaders want it: a leading one makes them process
 * an empty packet.
 * @returns the frame as it goes over the line.
 */
export function encodeSlip(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...escape(frame), END]);
}

/** END before the frame as well, which ends what noise has begun: HCI transports want it. */
export function encodeSlipBetweenEnds(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([END, ...escape(frame), END]);
}

function escape(frame: Uint8Array): number[] {
  const bytes: number[] = [];
  for (const byte of frame) {
    if (byte === END) bytes.push(ESC, ESC_END);
    else if (byte === ESC) bytes.push(ESC, ESC_ESC);
    else bytes.push(byte);
  }
  return bytes;
}

/**
 * Cuts a stream into frames. Empty ones, those with an escape that is none, and those longer than the limit are
 * dropped up to the next END, as the target does; nothing is ever thrown.
 */
export class SlipDecoder {
  #frame: number[] = [];
  #escaped = false;
  #broken = false;

  constructor(private readonly maxFrameBytes: number) {}

  /** @returns the frames that these bytes complete. */
  push(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const byte of bytes) {
      if (byte === END) {
        if (!this.#broken && !this.#escaped && this.#frame.length > 0) frames.push(Uint8Array.from(this.#frame));
        this.reset();
      } else if (!this.#broken) this.#take(byte);
    }
    return frames;
  }

  /** Forgets what has begun. */
  reset(): void {
    this.#frame = [];
    this.#escaped = false;
    this.#broken = false;
  }

  #take(byte: number): void {
    if (byte === ESC && !this.#escaped) {
      this.#escaped = true;
      return;
    }
    if (this.#escaped && byte !== ESC_END && byte !== ESC_ESC) {
      this.#broken = true;
      return;
    }
    this.#frame.push(this.#escaped ? (byte === ESC_END ? END : ESC) : byte);
    this.#escaped = false;
    if (this.#frame.length > this.maxFrameBytes) this.#broken = true;
  }
}
