/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { EBL_FORMAT } from '../../image/silabs/ebl.js';
import { GBL_FORMAT } from '../../image/silabs/format.js';
import type { FitResult, Identification } from '../../session/protocol.js';

export const FORMATS: readonly string[] = [GBL_FORMAT, EBL_FORMAT];

export function fit(found: Identification, artifact: ArtifactDescription): FitResult {
  if (!FORMATS.includes(artifact.format)) {
    const actual = `a target of ${artifact.format} files`;
    return no('artifact.wrong-model', { actual, expected: 'Gecko Bootloader with XMODEM' });
  }
  const family = found.hardware['bootloader'];
  const wanted = artifact.format === EBL_FORMAT ? 'ember' : 'gecko';
  if (family !== undefined && family !== wanted) {
    const actual = wanted === 'ember' ? 'old Ember bootloaders (.ebl)' : 'Gecko Bootloaders (.gbl)';
    return no('artifact.wrong-model', { actual, expected: `one for the ${family} bootloader` });
  }
  const kind = artifact.images[0]?.kind;
  if (kind === 'empty') return no('artifact.unsupported', { detail: 'the file holds nothing to install' });
  if (kind === 'bootloader') {
    const detail = 'a bootloader alone: the unit may be left without application';
    return no('artifact.unsupported', { detail });
  }
  return { fits: true };
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
