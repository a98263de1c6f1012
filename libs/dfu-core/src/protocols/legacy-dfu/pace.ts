/**
 * How far to send ahead of the receipts.
 *
 * Bootloaders keep eight packets of at most 32 bytes while flash is busy; one more is refused with status 6 and the whole
 * transfer is lost. The link itself brings about one packet each 0.7 ms, flash takes 0.2 ms for it, so there is room
 * unless the radio holds up the flash. Level 0 keeps the link full and trusts in that; a transfer that was lost this way
 * comes again more carefully. Targets that are known to need it start on level 1.
 *
 * Sources: nRF5 SDK 11, hci_mem_pool_internal.h; Android-DFU-Library, LegacyDfuImpl.java (at most 10 before SDK 7);
 * Adafruit_nRF52_Bootloader README (at most 8).
 */
export interface PaceLevel {
  /** Packets for which one receipt is asked. */
  readonly receiptEvery: number;
  /** Packets that may be out without receipt. */
  readonly windowPackets: number;
}

const LEVELS: readonly PaceLevel[] = [
  { receiptEvery: 10, windowPackets: 60 },
  { receiptEvery: 8, windowPackets: 8 },
  { receiptEvery: 4, windowPackets: 4 },
  { receiptEvery: 1, windowPackets: 1 },
];

export class Pace {
  #level = 0;

  /** @param window greatest number of packets without receipt, where a person set one. */
  constructor(private readonly window?: number) {}

  /** For a target that is known to lose packets when it gets more than its buffers hold. */
  beCareful(): void {
    this.#level = Math.max(this.#level, 1);
  }

  /** A transfer was lost: go on one level more carefully. */
  slowDown(): void {
    this.#level = Math.min(this.#level + 1, LEVELS.length - 1);
  }

  get now(): PaceLevel {
    const level = LEVELS[this.#level]!;
    if (this.window === undefined || this.window >= level.windowPackets) return level;
    const windowPackets = Math.max(1, Math.floor(this.window));
    return { receiptEvery: Math.min(level.receiptEvery, windowPackets), windowPackets };
  }
}
