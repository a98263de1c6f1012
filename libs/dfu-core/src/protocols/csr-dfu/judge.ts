/**
 * What the sight of a module after its update is worth. Proven is only: Melody answers, on the same module, names the
 * version that was expected, letter by letter (the server compares in no other way), did not do so before, and no other
 * file could make it say so. Where one of both spellings has no build, as version 5 states none, nothing is certain.
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

/** What the module is expected to call itself: as a person says, else as its file does. */
export const expectedVersion = (request: Pick<UpdateRequest, 'artifact' | 'expectVersion'>): string | undefined =>
  request.expectVersion ?? request.artifact.images[0]?.version;

/** Whether both spellings may name the same Melody: builds count only where both state one. */
function mayBeSame(left: string, right: string): boolean {
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
  const expected = expectedVersion(request);
  if (version === undefined) return unproven('version-not-readable');
  if (expected === undefined) return unproven('version-ambiguous');
  if (!mayBeSame(version, expected)) return failed('target.wrong-image-runs', { actual: version, expected });
  if (known && known.kind !== after.identity.kind && known.kind !== 'port-path')
    return unproven('identity-not-readable');
  // Found without application: the one that runs now cannot have been there.
  const ran = before?.running[0]?.version;
  if (!before) return unproven('did-not-see-it-leave');
  if (ran !== undefined && mayBeSame(ran, version)) return unproven('version-unchanged');
  if (version !== expected || !request.versionProves) return unproven('version-ambiguous');
  return { outcome: 'proven' };
}
