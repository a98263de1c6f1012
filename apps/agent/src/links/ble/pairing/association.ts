/**
 * Which way of pairing two devices have to take, by what each can show and take in.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.1 (tables 2.6 and 2.8).
 */

/** What a side can show and take in (3.5.1). */
export const IoCapability = {
  DisplayOnly: 0,
  DisplayYesNo: 1,
  KeyboardOnly: 2,
  NoInputNoOutput: 3,
  KeyboardDisplay: 4,
} as const;

/** `enter-passkey`: the device has it (or takes the same in); `show-passkey`: the device takes in what we show. */
export type Association = 'just-works' | 'enter-passkey' | 'show-passkey' | 'compare';

/** @param ours the initiator's, @param theirs the responder's capability; one that is unknown can do nothing. */
export function associationOf(ours: number, theirs: number, secureConnections: boolean): Association {
  const { DisplayOnly, DisplayYesNo, KeyboardOnly, KeyboardDisplay } = IoCapability;
  const weCompare = ours === DisplayYesNo || ours === KeyboardDisplay;
  const theyCompare = theirs === DisplayYesNo || theirs === KeyboardDisplay;
  if (secureConnections && weCompare && theyCompare) return 'compare';

  const weEnter = ours === KeyboardOnly || ours === KeyboardDisplay;
  const theyEnter = theirs === KeyboardOnly || theirs === KeyboardDisplay;
  const weShow = ours !== IoCapability.NoInputNoOutput && ours !== KeyboardOnly;
  const theyShow = theirs === DisplayOnly || theyCompare;
  // Who can do both leaves the keys to the responder.
  if (weShow && theyEnter) return 'show-passkey';
  if (weEnter && (theyShow || theyEnter)) return 'enter-passkey';
  return 'just-works';
}
