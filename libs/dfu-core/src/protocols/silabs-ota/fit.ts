/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { GBL_SET_FORMAT } from '../../image/silabs/describe.js';
import { GBL_FORMAT } from '../../image/silabs/format.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';
import { isOlder } from '../silabs/versions.js';

export const FORMATS: readonly string[] = [GBL_FORMAT, GBL_SET_FORMAT];

export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  if (!FORMATS.includes(artifact.format)) {
    return no('artifact.wrong-model', { actual: `a target of ${artifact.format} files`, expected: 'Silicon Labs OTA' });
  }
  const { hardware } = found;
  if (hardware['ota'] === 'in-application' && artifact.format === GBL_SET_FORMAT) {
    const detail = 'a set of files for an AppLoader; this application takes one file (full.gbl or application.gbl)';
    return no('artifact.unsupported', { detail });
  }
  if (artifact.images.some(({ kind }) => kind === 'empty')) {
    return no('artifact.unsupported', { detail: 'the file holds nothing to install' });
  }
  // A bootloader lies where the application is: without one behind it the unit stays without.
  if (hardware['ota'] !== 'in-application' && artifact.images.at(-1)?.kind === 'bootloader') {
    const detail = 'a bootloader alone overwrites the application: send it in a set with application.gbl';
    return no('artifact.unsupported', { detail });
  }
  if (hardware['bootloaderVersion'] === '0.0.0') {
    return no('target.wrong-kind', { expected: 'unit with a Gecko Bootloader', detail: 'it says that it has none' });
  }
  const product = hardware['productId'];
  const wanted = artifact.hardware['productId'];
  if (product !== undefined && wanted !== undefined && product !== wanted) {
    return no('artifact.wrong-hardware', { actual: wanted, expected: product });
  }
  const has = hardware['applicationVersion'];
  const is = artifact.images.at(-1)?.version;
  if (!options.allowDowngrade && has !== undefined && has !== 0 && isOlder(is, String(has))) {
    return no('artifact.downgrade', { actual: is ?? '', expected: has });
  }
  return { fits: true };
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
