/** The installation's identity and keys (order key online, root key in a file of its own). */
import type { SigningKey, VerifyingKey } from '@drydock/contracts';

export const SERVER_KEYS = Symbol('ServerKeys');

export interface ServerKeys {
  readonly serverId: string;
  /** Signs orders, acks, time answers, login tokens. */
  readonly orderKey: SigningKey;
  /** Verifies what our own order keys signed (login tokens). */
  resolveOrderKey(kid: string): VerifyingKey | undefined | Promise<VerifyingKey | undefined>;
  /** Root statements, oldest first. */
  rootStatements(): Promise<string[]>;
}
