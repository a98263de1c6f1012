/** Whether a file goes on a module: everything that can be known before it is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { CSR_DFU_FORMAT } from '../../image/csr-dfu/describe-file.js';
import { compareMelody, readMelodyVersion } from '../../image/csr-dfu/melody-version.js';
import type { ArtifactDescription } from '../../image/description.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';

const no = (code: ErrorCode, params: ErrorParams): FitResult => ({ fits: false, code, params });

/**
 * HD and other modules must never get each other's file, and neither Melody nor the loader says which it is: the spelling
 * of the link has to (`variant=hd`, `variant=standard`).
 */
export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  if (artifact.format !== CSR_DFU_FORMAT) {
    return no('artifact.wrong-model', { actual: artifact.format, expected: 'a module that takes CSR .dfu files' });
  }
  const wanted = artifact.hardware['variant'];
  const is = found.hardware['variant'];
  if (wanted === undefined || is !== wanted) {
    return no('artifact.wrong-hardware', {
      actual: `variant ${wanted ?? 'unknown'}`,
      expected: is === undefined ? 'unknown: state variant=hd or variant=standard in its link' : `variant ${is}`,
    });
  }
  const runs = readMelodyVersion(found.running[0]?.version ?? '');
  const brings = readMelodyVersion(artifact.images[0]?.version ?? '');
  if (runs && brings && !options.allowDowngrade && compareMelody(brings, runs) < 0) {
    return no('artifact.downgrade', {
      actual: artifact.images[0]?.version ?? '?',
      expected: found.running[0]?.version ?? '?',
    });
  }
  return { fits: true };
}
