/**
 * How carefully to send. A good link is kept full; a target that loses packets gets time and is asked more often.
 *
 * Over BLE: level 0: no pauses; one receipt per object, and the object is executed without waiting for it.
 * Level 1: a flash page's erase time after each create (packets that arrive meanwhile need buffers, and small links have
 * few), checksum before execute. Level 2: 400 ms, as Nordic's hosts. Level 3: also a receipt every 8 packets, the
 * buffers that every bootloader has. Level 4: a receipt for each packet.
 *
 * A serial bootloader has three buffers and no radio beside it; its line is slower than its flash but while a page is erased.
 *
 * Sources: Android-DFU-Library issues 78 and 208; nRF5 SDK 17, NRF_DFU_BLE_BUFFERS; nRF52832 product specification,
 * page erase 89.7 ms at most.
 */
interface Level {
  readonly pauseAfterCreateMs: number;
  readonly waitEveryPackets?: number;
}

export const BLE_LEVELS: readonly Level[] = [
  { pauseAfterCreateMs: 0 },
  { pauseAfterCreateMs: 100 },
  { pauseAfterCreateMs: 400 },
  { pauseAfterCreateMs: 400, waitEveryPackets: 8 },
  { pauseAfterCreateMs: 400, waitEveryPackets: 1 },
];
export const SERIAL_LEVELS: readonly Level[] = [
  { pauseAfterCreateMs: 0 },
  { pauseAfterCreateMs: 100 },
  { pauseAfterCreateMs: 100, waitEveryPackets: 3 },
  { pauseAfterCreateMs: 100, waitEveryPackets: 1 },
];
const FEWEST_CLEAN_OBJECTS = 16;
const MOST_CLEAN_OBJECTS = 4096;

export class Pace {
  #level = 0;
  #cleanObjects = 0;
  #cleanObjectsNeeded = FEWEST_CLEAN_OBJECTS / 4;

  constructor(private readonly levels: readonly Level[]) {}

  get pauseAfterCreateMs(): number {
    return this.#now.pauseAfterCreateMs;
  }

  get checksumBeforeExecute(): boolean {
    return this.#level > 0;
  }

  /** Packets after which to wait for a receipt; undefined: do not wait within an object. */
  get waitEveryPackets(): number | undefined {
    return this.#now.waitEveryPackets;
  }

  get #now(): Level {
    return this.levels[this.#level]!;
  }

  /** Bytes were lost or changed: go on one level more carefully, and longer than the last time. */
  slowDown(): void {
    this.#level = Math.min(this.#level + 1, this.levels.length - 1);
    this.#cleanObjects = 0;
    this.#cleanObjectsNeeded = Math.min(this.#cleanObjectsNeeded * 4, MOST_CLEAN_OBJECTS);
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
