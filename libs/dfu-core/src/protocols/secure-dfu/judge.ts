/**
 * What the sight of a unit after its update is worth.
 *
 * Proven is only: the application answers, on the same unit, calls itself what this file calls itself, did not do so
 * before, and no other file could make it say so.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { Identification, UnprovenReason, UpdateRequest } from '../../session/protocol.js';

export type Verdict =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly params: ErrorParams };

/**
 * @param before undefined when nobody saw the unit before; in bootloader mode when it was found there.
 * A package that also brought a SoftDevice or a bootloader is never proven: over BLE nobody states what of these runs,
 * and what a bootloader says of itself is no proof.
 *
 * @param applicationAddresses where the application of this very unit answers.
 */
export function judge(
  before: Identification | undefined,
  after: Identification,
  applicationAddresses: readonly string[],
  request: Pick<UpdateRequest, 'artifact' | 'expectVersion' | 'versionProves'>,
): Verdict {
  const verdict = judgeApplication(before, after, applicationAddresses, request);
  const unreadable = request.artifact.images.some(({ kind }) => kind !== 'application');
  return verdict.outcome === 'proven' && unreadable ? unproven('image-not-readable') : verdict;
}

function judgeApplication(
  before: Identification | undefined,
  after: Identification,
  applicationAddresses: readonly string[],
  request: Pick<UpdateRequest, 'artifact' | 'expectVersion' | 'versionProves'>,
): Verdict {
  if (after.mode === 'bootloader') {
    return failed('target.in-bootloader', { detail: 'no application started' });
  }
  if (after.identity.kind === 'ble-address' && !applicationAddresses.includes(after.identity.value)) {
    return failed('target.wrong-identity', {
      expected: applicationAddresses.join(' or '),
      actual: after.identity.value,
    });
  }
  const serialBefore = before?.hardware['serialNumber'];
  const serialAfter = after.hardware['serialNumber'];
  if (serialBefore !== undefined && serialAfter !== undefined && serialBefore !== serialAfter) {
    return failed('target.wrong-identity', { expected: serialBefore, actual: serialAfter });
  }
  if (!request.artifact.images.some(({ kind }) => kind === 'application')) return unproven('image-not-readable');
  const version = after.running[0]?.version;
  const expected = request.expectVersion;
  if (version === undefined) return unproven('version-not-readable');
  if (expected === undefined) return unproven('version-ambiguous');
  if (version !== expected) return failed('target.wrong-image-runs', { actual: version, expected });
  if (serialBefore !== undefined && serialAfter === undefined) return unproven('identity-not-readable');
  if (!before) return unproven('did-not-see-it-leave');
  if (before.running[0]?.version === version) return unproven('version-unchanged');
  if (!request.versionProves) return unproven('version-ambiguous');
  return { outcome: 'proven' };
}

const unproven = (reason: UnprovenReason): Verdict => ({ outcome: 'unproven', reason });
const failed = (code: ErrorCode, params: ErrorParams): Verdict => ({ outcome: 'failed', code, params });
