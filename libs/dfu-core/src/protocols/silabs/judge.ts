/**
 * What the sight of a unit after its update is worth.
 *
 * Proven is only: the application answers, on the same unit, calls itself what was expected of this file, was seen to
 * call itself something else before (or had no application then), and no other file could make it say so.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { Identification, UnprovenReason, UpdateRequest } from '../../session/protocol.js';

export type Verdict =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly params: ErrorParams };

/** Facts that belong to the unit and outlive an update, where they can be read. */
const UNIT_FACTS = ['serialNumber', 'address'] as const;

/** @param before undefined when nobody saw the unit before; in bootloader mode when it was found there. */
export function judge(
  before: Identification | undefined,
  after: Identification,
  request: Pick<UpdateRequest, 'expectVersion' | 'versionProves' | 'expectIdentity'>,
): Verdict {
  if (after.mode === 'bootloader') {
    return failed('target.in-bootloader', { detail: 'no application started: the new one is missing or was refused' });
  }
  const stranger = differentUnit(before, after, request.expectIdentity);
  if (stranger) return failed('target.wrong-identity', stranger);
  const version = after.running[0]?.version;
  const expected = request.expectVersion;
  if (version === undefined) return unproven('version-not-readable');
  if (expected === undefined) return unproven('version-ambiguous');
  if (version !== expected) return failed('target.wrong-image-runs', { actual: version, expected });
  for (const fact of UNIT_FACTS) {
    if (before?.hardware[fact] !== undefined && after.hardware[fact] === undefined) {
      return unproven('identity-not-readable');
    }
  }
  if (!before) return unproven('did-not-see-it-leave');
  const was = before.running[0]?.version;
  if (before.mode === 'application' && was === undefined) return unproven('version-unchanged');
  if (was === version) return unproven('version-unchanged');
  if (!request.versionProves) return unproven('version-ambiguous');
  return { outcome: 'proven' };
}

/** @returns what was expected and what was found, when another unit answers. */
export function differentUnit(
  before: Identification | undefined,
  found: Identification,
  expected: UpdateRequest['expectIdentity'],
): { expected: string | number; actual: string | number } | undefined {
  const identity = expected ?? before?.identity;
  if (identity && found.mode === 'application') {
    const readable = identity.kind === 'serial-number' ? found.hardware['serialNumber'] : undefined;
    const same =
      identity.kind === 'serial-number'
        ? readable === undefined || readable === identity.value
        : identity.kind !== found.identity.kind || identity.value === found.identity.value;
    if (!same) {
      return { expected: `${identity.kind} ${identity.value}`, actual: readable ?? found.identity.value };
    }
  }
  for (const fact of UNIT_FACTS) {
    const was = before?.hardware[fact];
    const is = found.hardware[fact];
    if (was !== undefined && is !== undefined && was !== is) return { expected: was, actual: is };
  }
  return undefined;
}

const unproven = (reason: UnprovenReason): Verdict => ({ outcome: 'unproven', reason });
const failed = (code: ErrorCode, params: ErrorParams): Verdict => ({ outcome: 'failed', code, params });
