/**
 * What differs between releases of Nordic's legacy bootloader.
 *
 * Source: nRF5 SDK 4.4.2 to 11: `ble_dfu.c`, `dfu_transport_ble.c`, `dfu_dual_bank.c`, `dfu_init_template.c`;
 * Adafruit_nRF52_Bootloader, `lib/sdk11`.
 */
export type LegacySdk = '4.4' | '5.2' | '6.0' | '6.1' | '7' | '8' | '9' | '11' | 'adafruit';

export interface LegacyRules {
  /** What the revision characteristic of the bootloader reads; undefined: it has none. */
  readonly revision: number | undefined;
  /** What that of the application reads; `none`: without characteristic; undefined: it has no way into the bootloader. */
  readonly applicationRevision: number | 'none' | undefined;
  /** Start packets of 4 bytes (application only), of 12, or either. */
  readonly sizes: 'four' | 'either' | 'twelve';
  /** A CRC that may be left out, or the full init packet. */
  readonly init: 'crc' | 'full';
  readonly initBufferBytes: number;
  /** Bits of the receipt counter that mean something. */
  readonly receiptBits: 16 | 32;
  readonly plusOneWithoutPeer: boolean;
  readonly inactivityMs: number;
  /** Limit of the packet characteristic; undefined: what the MTU allows. */
  readonly packetBytes: number | undefined;
  /** Device type that every init packet must name. */
  readonly deviceType: number | undefined;
  readonly name: string;
}

export function legacyRules(sdk: LegacySdk, banks: 'single' | 'dual'): LegacyRules {
  const release = sdk === 'adafruit' ? 11 : Number.parseFloat(sdk);
  const isAdafruit = sdk === 'adafruit';
  return {
    revision: release >= 9 ? 8 : release >= 8 ? 6 : release >= 7 ? 5 : undefined,
    applicationRevision: release >= 7 ? 1 : sdk === '6.1' ? 'none' : undefined,
    sizes: release >= 7 ? 'twelve' : sdk === '6.1' ? 'either' : 'four',
    init: release >= 7 ? 'full' : 'crc',
    initBufferBytes: isAdafruit || (release >= 9 && banks === 'dual') ? 128 : 64,
    receiptBits: sdk === '5.2' ? 16 : 32,
    plusOneWithoutPeer: release >= 8,
    inactivityMs: isAdafruit ? 360_000 : release <= 6 ? 60_000 : 120_000,
    packetBytes: isAdafruit ? undefined : 20,
    deviceType: isAdafruit ? 0x0052 : undefined,
    name: isAdafruit ? 'AdaDFU' : 'DfuTarg',
  };
}
