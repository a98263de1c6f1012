/** What a gateway keeps of a device that it paired with, and what that is worth. */

export interface Bond {
  /** Long term key, 16 bytes, as it goes over the air. */
  readonly ltk: Uint8Array;
  /** Which of the device's keys it is; zero for Secure Connections. */
  readonly ediv: number;
  /** 8 bytes, as they go over the air. */
  readonly rand: Uint8Array;
  /** Agreed by LE Secure Connections; otherwise by legacy pairing. */
  readonly secureConnections: boolean;
  /** By a passkey or a comparison: nobody was in between. */
  readonly authenticated: boolean;
  /** Identity resolving key, 16 bytes, of a device that changes its address. */
  readonly irk?: Uint8Array;
  /** Kind of the address that the bond is kept under. */
  readonly addressType?: 'public' | 'random';
}

/** How a link has to be: `encrypted` with any bond, or `authenticated`, with one that nobody was in between of. */
export type SecurityLevel = 'encrypted' | 'authenticated';

/** What a device says of its own: the address that stays, and the key of those that do not. */
export interface PeerIdentity {
  readonly irk: Uint8Array;
  /** 6 bytes, least significant first. */
  readonly address: Uint8Array;
  readonly isRandom: boolean;
}

/** In a word for people. */
export function describeBond({ authenticated, secureConnections }: Bond): string {
  return `${authenticated ? 'authenticated' : 'encrypted'}, by ${secureConnections ? 'Secure Connections' : 'legacy pairing'}`;
}
