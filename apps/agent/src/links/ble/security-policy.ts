/** What a site asks of the links to a device, and who may pair with it. */
import type { SecurityLevel } from './pairing/bond.js';
import type { Passkey } from './pairing/passkey.js';

/** How far a link is secured. `encrypted`: nobody listens; `authenticated`: nobody was in between when it was paired. */
export type LinkLevel = 'unencrypted' | SecurityLevel;

/**
 * - `by-hand`: a person, by `drydock-agent bond make`.
 * - `when-lost`: also the agent, with a device whose bond is here and that has lost its half.
 * - `when-needed`: also the agent, where the level asks for a bond and there is none that is good enough.
 */
export type PairingRule = 'by-hand' | 'when-lost' | 'when-needed';

export interface SecurityPolicy {
  /** The least that is taken before anything is said to the device. */
  readonly level: LinkLevel;
  readonly pairing: PairingRule;
  /** What the device has on its label or in its firmware. */
  readonly passkey?: Passkey | undefined;
}

/** A device of which nobody has said anything: its links are encrypted if there is a bond, and it decides what that is worth. */
export const NO_DEMANDS: SecurityPolicy = { level: 'unencrypted', pairing: 'by-hand' };

/** What became of a link that was to be secured. */
export interface SecuredLink {
  readonly level: LinkLevel;
  /** There is a bond here, and the device has lost its half. */
  readonly bondLost: boolean;
}

const ORDER: readonly LinkLevel[] = ['unencrypted', 'encrypted', 'authenticated'];

export function isAtLeast(level: LinkLevel, wanted: LinkLevel): boolean {
  return ORDER.indexOf(level) >= ORDER.indexOf(wanted);
}

/** @returns what a link is worth that is encrypted with the bond; without one it is not. */
export function levelOf(bond: { readonly authenticated: boolean } | undefined): LinkLevel {
  if (!bond) return 'unencrypted';
  return bond.authenticated ? 'authenticated' : 'encrypted';
}
