/** The bootloader's settings page: what survives a reset. Written as a whole, with a backup, so it never tears. */
export interface BankState {
  readonly sizeBytes: number;
  readonly crc32: number;
}

export interface DfuSettings {
  /** The application in bank 0; undefined when it was erased or never there. */
  readonly bank0: BankState | undefined;
  /** An image that waits to be copied to its place at the next boot. */
  readonly pending:
    | { readonly type: number; readonly fromBytes: number; readonly bank: BankState; readonly fwVersion?: number }
    | undefined;
  readonly applicationVersion: number;
  readonly bootloaderVersion: number;
  readonly softDeviceFwid: number | undefined;
  /** Version word of its info struct, 7002000 for 7.2.0. */
  readonly softDeviceVersion: number;
  /** A bonded peer was handed over by the application: address kept, DFU characteristics behind encryption. */
  readonly peerData: boolean;
  /** The init packet that was accepted, remembered as valid. */
  readonly init: Uint8Array;
  readonly initIsValid: boolean;
  /** Offset and CRC up to the last executed object, when the release saves them. */
  readonly savedBytes: number;
  readonly savedCrc32: number;
  /** Advertised name for the next DFU session (buttonless request 02). */
  readonly advertisedName: string | undefined;
}
