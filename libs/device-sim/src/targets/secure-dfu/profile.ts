/**
 * What differs between releases of the nRF5 SDK's secure bootloader.
 *
 * Source: nRF5 SDK 12.3 to 17.0.2, `nrf_dfu_req_handler.c`, `nrf_dfu_validation.c`, `nrf_dfu_ble.c`, `nrf_dfu.c`.
 */
export type SdkProfile = '12' | '13' | '14' | '15.0' | '15.3' | '16' | '17';

export interface SdkRules {
  /** Largest init packet it takes. */
  readonly maxCommandBytes: number;
  /** Reasons as `60 op 0B ext` rather than plain 0x0A. */
  readonly extendedErrors: boolean;
  readonly maxMtu: number;
  /** Versions are judged before the signature. */
  readonly versionsBeforeSignature: boolean;
  /** Progress in RAM survives a lost link. */
  readonly keepsProgressOnDisconnect: boolean;
  /** Settings are written at every executed data object. */
  readonly savesProgress: boolean;
  /** Answer to an object type that does not exist. */
  readonly unknownTypeResult: number;
  readonly hasInactivityTimer: boolean;
  readonly hasAbort: boolean;
  readonly maxSoftDeviceEntries: number;
}

export function sdkRules(profile: SdkProfile): SdkRules {
  const major = Number.parseInt(profile, 10);
  return {
    maxCommandBytes: major >= 16 || profile === '15.3' ? 512 : 256,
    extendedErrors: major >= 13,
    maxMtu: major >= 15 ? 247 : 23,
    versionsBeforeSignature: major <= 14,
    keepsProgressOnDisconnect: major <= 15,
    savesProgress: major <= 14,
    unknownTypeResult: major <= 14 ? 0x07 : 0x05,
    hasInactivityTimer: major >= 14,
    hasAbort: major >= 15,
    maxSoftDeviceEntries: major <= 14 ? 4 : 16,
  };
}

/**
 * The MTU that an SDK 15+ bootloader answers with: payload a multiple of 4 below its maximum of 247.
 * Source: `nrf_dfu_ble.c`, exchange of MTU.
 */
export function agreedMtu(requested: number, maxMtu: number): number {
  if (maxMtu < 247 || requested >= maxMtu) return Math.min(requested, maxMtu);
  const payload = requested - 3;
  if (payload % 4 === 0) return requested;
  return Math.max(23, Math.ceil((payload - 4) / 4) * 4 + 3);
}
