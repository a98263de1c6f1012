/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { NORDIC_LEGACY_FORMAT } from '../../image/nordic-legacy/describe-package.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';

/** Init packets of SDK 6.1 and older are a CRC alone; all others are longer. */
const CRC_ONLY_BYTES = 2;

/** @param _options nothing in a legacy file says that it is older or a debug build: versions are compared by the session. */
export function fit(found: Identification, artifact: ArtifactDescription, _options: FitOptions): FitResult {
  if (artifact.format !== NORDIC_LEGACY_FORMAT) {
    return no('artifact.wrong-model', {
      actual: `a target of ${artifact.format} files`,
      expected: 'Nordic Legacy DFU',
    });
  }
  if (artifact.images.length === 0) return no('artifact.unsupported', { detail: 'a package without images' });
  for (const name of ['deviceType', 'deviceRevision'] as const) {
    const expected = found.hardware[name];
    const actual = artifact.hardware[name];
    // A unit without type of its own (0xFFFF) takes every file.
    if (expected !== undefined && expected !== 0xffff && actual !== undefined && expected !== actual) {
      return no('artifact.wrong-hardware', { actual: `${name} ${actual}`, expected });
    }
  }
  const softDevice = found.hardware['softDevice'];
  const wanted = artifact.hardware['sdReq'];
  const bringsOne = artifact.images.some(({ kind }) => kind.startsWith('softdevice'));
  if (softDevice !== undefined && wanted !== undefined && !bringsOne) {
    if (!String(wanted).split(',').includes(String(softDevice))) {
      return no('artifact.requires', { expected: `SoftDevice ${wanted}`, actual: `SoftDevice ${softDevice}` });
    }
  }
  const revision = found.hardware['dfuRevision'];
  if (typeof revision === 'number') {
    const bare = artifact.images.find(({ initPacketBytes = 0 }) => initPacketBytes <= CRC_ONLY_BYTES);
    if (bare) {
      return no('artifact.unsupported', {
        detail: `the ${bare.kind} has no full init packet, which bootloaders of nRF5 SDK 7 and newer require`,
      });
    }
  }
  return { fits: true };
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
