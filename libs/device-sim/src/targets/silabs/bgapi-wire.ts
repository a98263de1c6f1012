/**
 * BGAPI on the wire, device side: header, robust frames and the receivers of application and bootloader.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common/simple_com/sl_simple_com_robust.c, protocol/bluetooth/inc/sl_bgapi.h,
 * platform/bootloader/communication/bgapi-uart-dfu/btl_comm_bgapi_common.c; jrowberg/bglib, Arduino/BGLib.cpp.
 */

export interface BgapiCommand {
  readonly classId: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** @param type 0 BLE11x, 4 everything else. */
export function bgapiMessage(
  type: number,
  isEvent: boolean,
  classId: number,
  id: number,
  payload: Uint8Array,
): Uint8Array {
  const first = (isEvent ? 0x80 : 0) | (type << 3) | ((payload.length >> 8) & 0x07);
  return Uint8Array.of(first, payload.length & 0xff, classId, id, ...payload);
}

export const u16 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
export const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];

const CRC4 = [0x0, 0x7, 0xe, 0x9, 0x5, 0x2, 0xb, 0xc, 0xa, 0xd, 0x4, 0x3, 0xf, 0x8, 0x1, 0x6];

function crc4(nibbles: readonly number[]): number {
  return nibbles.reduce((crc, nibble) => CRC4[crc ^ nibble] ?? 0, 0xa);
}

/** Polynomial 0x07, start 0, nothing reflected. */
function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}

export function robustFrame(packet: Uint8Array): Uint8Array {
  const low = packet.length & 0xff;
  const high = ((packet.length >> 8) << 1) | 1;
  const check = crc4([low >> 4, low & 0x0f, high]);
  return Uint8Array.of(0x5a, low, (high << 4) | check, ...packet, crc8(packet));
}

/** Takes bytes, gives whole BGAPI packets of one device type. */
export class BgapiReceiver {
  #bytes: number[] = [];

  constructor(
    private readonly type: number,
    private readonly framing: 'plain' | 'packet' | 'robust',
    private readonly take: (packet: Uint8Array) => void,
  ) {}

  push(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
    while (this.#next());
  }

  reset(): void {
    this.#bytes = [];
  }

  #next(): boolean {
    switch (this.framing) {
      case 'robust':
        return this.#robust();
      case 'packet': {
        const length = this.#bytes[0] ?? 0;
        if (this.#bytes.length < length + 1 || this.#bytes.length === 0) return false;
        const packet = this.#bytes.splice(0, length + 1).slice(1);
        if (packet.length >= 4) this.take(Uint8Array.from(packet));
        return true;
      }
      case 'plain':
        return this.#plain();
    }
  }

  #plain(): boolean {
    while (this.#bytes.length > 0 && ((this.#bytes[0] ?? 0) & 0xf8) !== this.type << 3) this.#bytes.shift();
    if (this.#bytes.length < 4) return false;
    const length = 4 + ((((this.#bytes[0] ?? 0) & 0x07) << 8) | (this.#bytes[1] ?? 0));
    if (this.#bytes.length < length) return false;
    this.take(Uint8Array.from(this.#bytes.splice(0, length)));
    return true;
  }

  #robust(): boolean {
    while (this.#bytes.length > 0 && this.#bytes[0] !== 0x5a) this.#bytes.shift();
    if (this.#bytes.length < 3) return false;
    const [, low = 0, second = 0] = this.#bytes;
    if (crc4([low >> 4, low & 0x0f, second >> 4, second & 0x0f]) !== 0) {
      this.#bytes.shift();
      return true;
    }
    const hasCrc = (second & 0x10) !== 0;
    const length = ((second >> 5) << 8) | low;
    const total = 3 + length + (hasCrc ? 1 : 0);
    if (this.#bytes.length < total) return false;
    const frame = this.#bytes.splice(0, total);
    const packet = Uint8Array.from(frame.slice(3, 3 + length));
    if (!hasCrc || crc8(packet) === frame[total - 1]) this.take(packet);
    return true;
  }
}
