/**
 * What the sight of a unit after its update is worth.
 *
 * Targets report success for wrongly signed images and boot the old one: only what the application itself says after
 * the restart counts. A persistent application is no application, whatever it says is installed.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { Identification, UnprovenReason, UpdateRequest } from '../../session/protocol.js';
import { statedVersion } from './fit.js';

export type Verdict =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly params: ErrorParams };

/**
 * @param before undefined when nobody saw the unit before.
 * @param address where the application of this very unit answers.
 */
export function judge(
  before: Identification | undefined,
  after: Identification,
  address: string | undefined,
  request: Pick<UpdateRequest, 'artifact' | 'expectIdentity' | 'expectVersion' | 'versionProves'>,
): Verdict {
  if (after.mode === 'bootloader') {
    return failed('target.in-bootloader', {
      detail: 'its persistent application answers; no user application started',
    });
  }
  if (address !== undefined && after.identity.kind === 'ble-address' && after.identity.value !== address) {
    return failed('target.wrong-identity', { expected: address, actual: after.identity.value });
  }
  const { expectIdentity } = request;
  const expectedSerial = expectIdentity?.kind === 'serial-number' ? expectIdentity.value : undefined;
  const serialBefore = expectedSerial ?? before?.hardware['serialNumber'];
  const serialAfter = after.hardware['serialNumber'];
  if (serialBefore !== undefined && serialAfter !== undefined && serialBefore !== serialAfter) {
    return failed('target.wrong-identity', { expected: serialBefore, actual: serialAfter });
  }
  const version = after.running[0]?.version;
  const ofFile = statedVersion(after, request.artifact);
  const expected = request.expectVersion ?? ofFile;
  const wasRunning = before?.running[0]?.version;
  if (version === undefined) return unproven('version-not-readable');
  if (expected === undefined) return unproven('version-ambiguous');
  if (version !== expected) {
    // The file's own version runs, and the caller expected another spelling of it.
    if (version === ofFile) return unproven('version-ambiguous');
    if (version === wasRunning && ofFile !== undefined) {
      return failed('target.reverted', { actual: version, expected });
    }
    return failed('target.wrong-image-runs', { actual: version, expected });
  }
  if (serialBefore !== undefined && serialAfter === undefined) {
    return unproven('identity-not-readable');
  }
  if (!before) return unproven('did-not-see-it-leave');
  if (wasRunning === version) return unproven('version-unchanged');
  if (!request.versionProves) return unproven('version-ambiguous');
  return { outcome: 'proven' };
}

const unproven = (reason: UnprovenReason): Verdict => ({ outcome: 'unproven', reason });
const failed = (code: ErrorCode, params: ErrorParams): Verdict => ({ outcome: 'failed', code, params });
