/**
 * How carefully to send. A good link is kept full; a target that loses packets gets time and is asked more often.
 *
 * Level 0: no pauses; one receipt per object, and the object is executed without waiting for it.
 * Level 1: 400 ms after each create (flash erase starves the buffers of SDK 15-17), checksum before execute.
 * Level 2: also a receipt every 8 packets, the buffers that every bootloader has. Level 3: a receipt for each packet.
 *
 * Sources: Android-DFU-Library issues 78 and 208; nRF5 SDK 17, NRF_DFU_BLE_BUFFERS.
 */
const ERASE_PAUSE_MS = 400;
const FEW_PACKETS = 8;
const TOP_LEVEL = 3;
const MOST_CLEAN_OBJECTS = 1024;

export class Pace {
  #level = 0;
  #cleanObjects = 0;
  #cleanObjectsNeeded = 8;

  get pauseAfterCreateMs(): number {
    return this.#level >= 1 ? ERASE_PAUSE_MS : 0;
  }

  get checksumBeforeExecute(): boolean {
    return this.#level >= 1;
  }

  /** Packets after which to wait for a receipt; undefined: do not wait within an object. */
  get waitEveryPackets(): number | undefined {
    if (this.#level < 2) return undefined;
    return this.#level === 2 ? FEW_PACKETS : 1;
  }

  /** Bytes were lost or changed: go on one level more carefully, and longer than the last time. */
  slowDown(): void {
    this.#level = Math.min(this.#level + 1, TOP_LEVEL);
    this.#cleanObjects = 0;
    this.#cleanObjectsNeeded = Math.min(this.#cleanObjectsNeeded * 2, MOST_CLEAN_OBJECTS);
  }

  /** An object went through at the first try. */
  wentWell(): void {
    if (this.#level === 0) return;
    this.#cleanObjects += 1;
    if (this.#cleanObjects < this.#cleanObjectsNeeded) return;
    this.#level -= 1;
    this.#cleanObjects = 0;
  }
}
