/**
 * What the sight of a module after its update is worth. Proven is only: Melody answers, on the same module, names the
 * version of the file, did not do so before, and no other file could make it say so.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { isSameMelody, readMelodyVersion } from '../../image/csr-dfu/melody-version.js';
import type { Identification, UnprovenReason, UpdateRequest } from '../../session/protocol.js';

export type Verdict =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly params: ErrorParams };

const unproven = (reason: UnprovenReason): Verdict => ({ outcome: 'unproven', reason });
const failed = (code: ErrorCode, params: ErrorParams): Verdict => ({ outcome: 'failed', code, params });

/** Whether both spellings name the same Melody; unknown spellings must be equal. */
export function isSameVersion(left: string, right: string): boolean {
  const [one, other] = [readMelodyVersion(left), readMelodyVersion(right)];
  return one && other ? isSameMelody(one, other) : left === right;
}

export function judge(
  before: Identification | undefined,
  after: Identification,
  request: Pick<UpdateRequest, 'artifact' | 'expectIdentity' | 'expectVersion' | 'versionProves'>,
): Verdict {
  if (after.mode === 'bootloader') return failed('target.in-bootloader', { detail: 'Melody did not start' });
  const known = request.expectIdentity ?? (before?.mode === 'application' ? before.identity : undefined);
  if (known?.kind === after.identity.kind && known.value !== after.identity.value) {
    return failed('target.wrong-identity', { expected: known.value, actual: after.identity.value });
  }
  const version = after.running[0]?.version;
  const expected = request.expectVersion ?? request.artifact.images[0]?.version;
  if (version === undefined) return unproven('version-not-readable');
  if (expected === undefined) return unproven('version-ambiguous');
  if (!isSameVersion(version, expected)) return failed('target.wrong-image-runs', { actual: version, expected });
  if (known && known.kind !== after.identity.kind && known.kind !== 'port-path')
    return unproven('identity-not-readable');
  // Found without application: the one that runs now cannot have been there.
  const ran = before?.running[0]?.version;
  if (!before) return unproven('did-not-see-it-leave');
  if (ran !== undefined && isSameVersion(ran, version)) return unproven('version-unchanged');
  if (!request.versionProves) return unproven('version-ambiguous');
  return { outcome: 'proven' };
}
