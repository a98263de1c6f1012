/**
 * Messages of the security channel: numbers, features, reasons of failure.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 3.3 (commands), 3.5 (pairing), 3.6 (key distribution).
 */

export const SmpCode = {
  PairingRequest: 0x01,
  PairingResponse: 0x02,
  PairingConfirm: 0x03,
  PairingRandom: 0x04,
  PairingFailed: 0x05,
  EncryptionInformation: 0x06,
  CentralIdentification: 0x07,
  IdentityInformation: 0x08,
  IdentityAddressInformation: 0x09,
  SecurityRequest: 0x0b,
  PublicKey: 0x0c,
  DhKeyCheck: 0x0d,
  KeypressNotification: 0x0e,
} as const;

/** Authentication requirements (3.5.1). */
export const AuthBit = { Bonding: 0x01, Mitm: 0x04, SecureConnections: 0x08 } as const;
const BONDING_FIELD = 0x03;

/** Keys to distribute (3.6.1). */
export const KeyBit = { Encryption: 0x01, Identity: 0x02 } as const;

/** Reasons of Pairing Failed (3.5.5). */
export const Failure = {
  PasskeyEntry: 0x01,
  AuthenticationRequirements: 0x03,
  ConfirmValue: 0x04,
  KeySize: 0x06,
  Unspecified: 0x08,
  Parameters: 0x0a,
  DhKeyCheck: 0x0b,
  Comparison: 0x0c,
} as const;

export const KEY_BYTES = 16;

/** The body of a pairing request or response. */
export interface PairingFeatures {
  readonly ioCapability: number;
  readonly hasOobData: boolean;
  readonly auth: number;
  readonly maxKeyBytes: number;
  readonly initiatorKeys: number;
  readonly responderKeys: number;
}

/** The whole message, 7 bytes. */
export function encodeFeatures(code: number, features: PairingFeatures): Buffer {
  const { ioCapability, hasOobData, auth, maxKeyBytes, initiatorKeys, responderKeys } = features;
  return Buffer.from([code, ioCapability, hasOobData ? 1 : 0, auth, maxKeyBytes, initiatorKeys, responderKeys]);
}

/** @param body the message without its code, 6 bytes. */
export function decodeFeatures(body: Buffer): PairingFeatures {
  const [ioCapability = 0, oob = 0, auth = 0, maxKeyBytes = 0, initiatorKeys = 0, responderKeys = 0] = body;
  return { ioCapability, hasOobData: oob !== 0, auth, maxKeyBytes, initiatorKeys, responderKeys };
}

/** What f6 takes of a pairing message: IO capability, OOB flag, requirements; least significant byte first. */
export function ioCapOf(message: Buffer): Buffer {
  return message.subarray(1, 4);
}

export const wantsBonding = (auth: number): boolean => (auth & BONDING_FIELD) === AuthBit.Bonding;
