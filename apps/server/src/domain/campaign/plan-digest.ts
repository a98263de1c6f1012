/** What an approval is of: one text for one plan, whatever the order in which its parts were written. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './canonical-json.js';

/** @returns SHA-256 over artifact, devices and policy, hex. */
export function planDigest(plan: {
  readonly artifactSha256: string;
  readonly selector: unknown;
  readonly policy: unknown;
}): string {
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(plan))));
}
