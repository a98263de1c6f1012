/**
 * What a command handler answers with, and how it is spelled in either version of the protocol.
 *
 * Source: zephyr `include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h`, `grp/img_mgmt/img_mgmt.h`.
 */
import type { CborMap } from './cbor.js';

export type Reply =
  | { readonly kind: 'ok'; readonly body: CborMap }
  /** A global error: plain `rc` in both versions. */
  | { readonly kind: 'rc'; readonly rc: number; readonly rsn?: string }
  /** An error of a group: `err` in version 2, a translated `rc` in version 1. */
  | { readonly kind: 'group'; readonly group: number; readonly code: number; readonly rsn?: string };

export const GlobalRc = {
  unknown: 1,
  invalid: 3,
  noEntry: 5,
  notSupported: 8,
  corrupt: 9,
  busy: 10,
  tooNew: 13,
} as const;

export const ImageError = {
  hashNotFound: 8,
  noFreeSlot: 9,
  flashOpenFailed: 10,
  flashWriteFailed: 12,
  invalidSlot: 14,
  invalidOffset: 20,
  invalidLength: 21,
  invalidHeader: 22,
  invalidMagic: 23,
  invalidHash: 24,
  invalidFlashAddress: 25,
  currentVersionIsNewer: 27,
  alreadyPending: 28,
  tooLarge: 30,
  dataOverrun: 31,
  testToActiveDenied: 33,
} as const;

/** Version 1 form of image group errors; those not named are 1. */
const IMAGE_RC: Readonly<Record<number, number>> = {
  3: 5,
  4: 5,
  9: 6,
  14: 3,
  15: 2,
  19: 3,
  20: 3,
  21: 3,
  22: 3,
  24: 3,
  25: 3,
  27: 6,
  28: 6,
};

const OS_GROUP = 0;
export const OS_QUERY_NO_ANSWER = 3;
export const OS_RTC_NOT_SET = 4;

export const ok = (body: CborMap = {}): Reply => ({ kind: 'ok', body });
export const rc = (code: number, rsn?: string): Reply => ({ kind: 'rc', rc: code, ...(rsn ? { rsn } : {}) });
export const imageError = (code: number, rsn?: string): Reply => ({
  kind: 'group',
  group: 1,
  code,
  ...(rsn ? { rsn } : {}),
});
export const osError = (code: number): Reply => ({ kind: 'group', group: OS_GROUP, code });

export interface ReplyStyle {
  readonly version: number;
  readonly legacyRc: boolean;
  readonly verbose: boolean;
}

export function bodyOf(reply: Reply, style: ReplyStyle): CborMap {
  if (reply.kind === 'ok') return style.legacyRc ? { rc: 0, ...reply.body } : reply.body;
  const rsn = style.verbose && style.version === 0 && reply.rsn !== undefined ? { rsn: reply.rsn } : {};
  if (reply.kind === 'rc') return { rc: reply.rc, ...rsn };
  if (style.version > 0) return { err: { group: reply.group, rc: reply.code } };
  return { rc: reply.group === 1 ? (IMAGE_RC[reply.code] ?? 1) : 1, ...rsn };
}
