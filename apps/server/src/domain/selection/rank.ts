/**
 * The rank of a device within a campaign: stable, reproducible from the seed alone, and spread like chance.
 *
 * h(d) = the first 8 bytes of SHA-256(seed ":" deviceId) as a big-endian signed 64-bit number; in SQL
 * `('x' || encode(substring(sha256(convert_to(seed || ':' || id, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint`.
 * Not Postgres' hashtext, whose results may change with any release.
 */
import { InvariantError } from '@drydock/dfu-core';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** @param seed of the campaign; holds no ":". @throws InvariantError for a seed that does. */
export function rankOf(seed: string, deviceId: string): bigint {
  if (seed.includes(':')) throw new InvariantError('a selection seed holds a colon');
  const digest = sha256(utf8ToBytes(`${seed}:${deviceId}`));
  return new DataView(digest.buffer, digest.byteOffset, 8).getBigInt64(0, false);
}

/** The order in which a stratum is filled: smallest rank first, ties by id. */
export function compareRanked(
  a: { readonly rank: bigint; readonly deviceId: string },
  b: { readonly rank: bigint; readonly deviceId: string },
): number {
  if (a.rank !== b.rank) return a.rank < b.rank ? -1 : 1;
  if (a.deviceId === b.deviceId) return 0;
  return a.deviceId < b.deviceId ? -1 : 1;
}
