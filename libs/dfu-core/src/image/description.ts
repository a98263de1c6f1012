/**
 * What the core reads from an uploaded file: the same shape for every format.
 * The server stores it, the agent reads it again from the bytes and compares.
 */

export interface ImageDescription {
  /** Which image of a multi-image unit; 0 for units with one. */
  readonly image: number;
  /** What it is, in the vendor's word: `application`, `softdevice`, `bootloader`, `softdevice-bootloader`. */
  readonly kind: string;
  /** As the file states it; for Nordic packages the decimal number of the init packet. */
  readonly version?: string;
  readonly sizeBytes: number;
  /** The hash by which a device names this image while it runs (MCUboot image hash), lower-case hex. */
  readonly runningHash?: string;
  /** SHA-256 of the image bytes, lower-case hex. */
  readonly sha256: string;
  /** Path inside a package; absent when the file is the image. */
  readonly member?: string;
  /**
   * Direct-XIP: the slot (0 or 1) that this image is linked for. Several of one number are the same firmware, of which
   * the one for the slot that does not run is delivered.
   */
  readonly slot?: number;
  /** Versions that other images of the unit must have at least (MCUboot's DEPENDENCY). */
  readonly dependencies?: readonly { readonly image: number; readonly minimum: string }[];
  /** Padded to its slot, so that it starts without being asked for: only direct-XIP with revert wants that. */
  readonly padded?: boolean;
  /** Nordic: length of the init packet that is sent before the image. */
  readonly initPacketBytes?: number;
}

export interface SignatureDescription {
  readonly scheme:
    'ecdsa-p256-sha256' | 'ecdsa-p384-sha384' | 'ed25519' | 'rsa-2048-pss-sha256' | 'rsa-3072-pss-sha256';
  /** Image or init packet it covers. */
  readonly covers: string;
  /** SHA-256 of the public key, if the file names it, lower-case hex. */
  readonly keyHash?: string;
}

export interface ArtifactDescription {
  /**
   * `nordic-secure-zip`, `nordic-legacy-zip`, `mcuboot`, `mcuboot-hex`, `mcuboot-zip`, `ti-oad`, `ti-oad-classic-on-chip`,
   * `ti-oad-classic-off-chip`, `ti-mcuboot-slot`, `silabs-gbl`, `silabs-gbl-set`, `silabs-ebl`, `bluegiga-ble11x`,
   * `bluegiga-bt12x`, `csr-dfu`, `drydock-agent-bundle`.
   */
  readonly format: string;
  /** Folder name of the protocol(s) that can deliver it. */
  readonly protocols: readonly string[];
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly images: readonly ImageDescription[];
  readonly signatures: readonly SignatureDescription[];
  /** Facts to match with `Identification.hardware`, flat: `{ hwVersion: 52 }`. */
  readonly hardware: Readonly<Record<string, string | number>>;
  /** Things a person should see: debug flag, SoftDevice list, unusual TLVs. */
  readonly notes: readonly string[];
}
