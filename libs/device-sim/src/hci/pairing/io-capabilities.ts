/**
 * Which way two devices pair, as the specification's table says it.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.1, table 2.8; 3.5.1, table 3.4.
 */
import type { IoTrait } from '../../target.js';

/** `displays`, `inputs`: what the responder does with the passkey. */
export type Method = 'just-works' | 'displays' | 'inputs' | 'compares';

export const IO_CAPABILITY: Readonly<Record<IoTrait, number>> = {
  'display-only': 0,
  'display-yes-no': 1,
  'keyboard-only': 2,
  none: 3,
  'keyboard-display': 4,
};

const J = 'just-works';
const D = 'displays';
const I = 'inputs';
const N = 'compares';

/** By the responder's capability, then by the initiator's. */
const LEGACY: readonly (readonly Method[])[] = [
  [J, J, D, J, D],
  [J, J, D, J, D],
  [I, I, I, J, I],
  [J, J, J, J, J],
  [I, I, D, J, I],
];
const SECURE: readonly (readonly Method[])[] = [
  [J, J, D, J, D],
  [J, N, D, J, N],
  [I, I, I, J, I],
  [J, J, J, J, J],
  [I, N, D, J, N],
];

export function methodOf(initiator: number, responder: number, secureConnections: boolean): Method {
  return (secureConnections ? SECURE : LEGACY)[responder]?.[initiator] ?? J;
}
