/**
 * The four messages of link establishment, on channel 1, unreliable.
 *
 * Source: BlueZ, tools/ubcsp.c and tools/hciattach.c; NetBSD, sys/dev/bluetooth/bcsp.c.
 */
export type LinkMessage = 'sync' | 'sync-response' | 'conf' | 'conf-response';

const MESSAGES: Readonly<Record<LinkMessage, readonly number[]>> = {
  sync: [0xda, 0xdc, 0xed, 0xed],
  'sync-response': [0xac, 0xaf, 0xef, 0xee],
  conf: [0xad, 0xef, 0xac, 0xed],
  'conf-response': [0xde, 0xad, 0xd0, 0xd0],
};

export function encodeLinkMessage(message: LinkMessage): Uint8Array {
  return Uint8Array.from(MESSAGES[message]);
}

/** @returns undefined for anything else: it is ignored in every state. */
export function decodeLinkMessage(payload: Uint8Array): LinkMessage | undefined {
  if (payload.length !== 4) return undefined;
  for (const [message, bytes] of Object.entries(MESSAGES) as [LinkMessage, readonly number[]][]) {
    if (bytes.every((byte, index) => payload[index] === byte)) return message;
  }
  return undefined;
}
