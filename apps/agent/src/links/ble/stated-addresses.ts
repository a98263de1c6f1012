/**
 * Addresses that devices state as their own in their advertisements, beside the one they send from: noble drops them.
 *
 * An AppLoader of Silicon Labs may use another address than the application of the same unit, and is known by this.
 *
 * Source: Bluetooth Core Specification Supplement 9, Part A, 1.16 (LE Bluetooth Device Address); Core 5.2, Vol 4 Part E,
 * 7.7.65.2 (LE Advertising Report).
 */
const REPORTS_AT = 4;
const REPORT_HEADER_BYTES = 9;
const SCAN_RESPONSE = 0x04;
const AD_DEVICE_ADDRESS = 0x1b;
/** Strangers are not remembered without end. */
const MAX_REMEMBERED = 512;

export class StatedAddresses {
  readonly #byAddress = new Map<string, string>();

  /** @returns the address that the device behind this one states as its own; undefined when it states none. */
  of(address: string): string | undefined {
    return this.#byAddress.get(address.toLowerCase());
  }

  /** @param packet a whole LE Advertising Report event in H4; what is cut off is left out. */
  note(packet: Buffer): void {
    const count = packet[REPORTS_AT] ?? 0;
    let at = REPORTS_AT + 1;
    for (let i = 0; i < count && at + REPORT_HEADER_BYTES <= packet.length; i++) {
      const type = packet[at];
      const from = spell(packet.subarray(at + 2, at + 8));
      const length = packet[at + 8] ?? 0;
      const data = packet.subarray(at + REPORT_HEADER_BYTES, at + REPORT_HEADER_BYTES + length);
      // Data and RSSI.
      at += REPORT_HEADER_BYTES + length + 1;
      if (type !== SCAN_RESPONSE) this.#set(from, statedIn(data));
    }
  }

  #set(from: string, stated: string | undefined): void {
    this.#byAddress.delete(from);
    if (stated === undefined) return;
    this.#byAddress.set(from, stated);
    if (this.#byAddress.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#byAddress.keys();
    if (oldest !== undefined) this.#byAddress.delete(oldest);
  }
}

function statedIn(data: Buffer): string | undefined {
  for (let at = 0; at + 1 < data.length;) {
    const length = data[at] ?? 0;
    if (length === 0) return undefined;
    const value = data.subarray(at + 2, at + 1 + length);
    if (data[at + 1] === AD_DEVICE_ADDRESS && value.length === 7) return spell(value.subarray(0, 6));
    at += 1 + length;
  }
  return undefined;
}

/** Six bytes, the lowest first. */
function spell(bytes: Uint8Array): string {
  return [...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');
}
