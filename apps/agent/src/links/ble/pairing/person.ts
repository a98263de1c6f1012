/** Who or what stands in for a person while two devices pair. The signal says that nobody waits for an answer any more. */
import type { Passkey } from './passkey.js';

export interface PairingPerson {
  /** The digits that the device has. Asked for in the middle of the pairing; the device waits at most 30 s. */
  enterPasskey(signal: AbortSignal): Promise<Passkey>;
  /** Only somebody who sits there and sees the device. */
  readonly present?: {
    /** Shows the digits; the person enters them at the device. */
    showPasskey(digits: string): void;
    /** Asks whether the device shows the same digits. */
    compare(digits: string, signal: AbortSignal): Promise<boolean>;
  };
}

/** A passkey that is known beforehand: from a label, a site file. */
export function personWith(passkey: Passkey): PairingPerson {
  return { enterPasskey: () => Promise.resolve(passkey) };
}
