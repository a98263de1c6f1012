/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { BLE11X_FORMAT, BT12X_FORMAT } from '../../image/silabs/bluegiga.js';
import { EBL_FORMAT } from '../../image/silabs/ebl.js';
import { GBL_FORMAT } from '../../image/silabs/format.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';
import { isOlder } from '../silabs/versions.js';
import type { Generation } from './messages.js';

const GENERATIONS: Readonly<Record<string, Generation>> = {
  [GBL_FORMAT]: 'efr32',
  [EBL_FORMAT]: 'efr32',
  [BLE11X_FORMAT]: 'ble11x',
  [BT12X_FORMAT]: 'bt12x',
};

export const FORMATS: readonly string[] = Object.keys(GENERATIONS);

export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  const wanted = GENERATIONS[artifact.format];
  if (wanted === undefined) {
    return no('artifact.wrong-model', { actual: `a target of ${artifact.format} files`, expected: 'BGAPI UART DFU' });
  }
  const { hardware } = found;
  if (hardware['generation'] !== undefined && hardware['generation'] !== wanted) {
    return no('artifact.wrong-model', {
      actual: wanted,
      expected: `${hardware['generation']} (the link's option generation says which is spoken)`,
    });
  }
  const kind = artifact.images[0]?.kind;
  if (kind === 'empty') return no('artifact.unsupported', { detail: 'the file holds nothing to install' });
  if (kind === 'bootloader') {
    const detail = 'a bootloader alone: the unit may be left without application; send full.gbl with both';
    return no('artifact.unsupported', { detail });
  }
  if (artifact.format === EBL_FORMAT && isGeckoBootloader(hardware['bootloaderVersion'])) {
    const actual = 'the bootloader before Gecko Bootloader (.ebl)';
    return no('artifact.wrong-model', { actual, expected: `Gecko Bootloader ${hardware['bootloaderVersion']} (.gbl)` });
  }
  const runs = found.running[0]?.version;
  const isVersioned = wanted === 'ble11x' || wanted === 'bt12x';
  if (!options.allowDowngrade && isVersioned && isOlder(artifact.images[0]?.version, runs)) {
    return no('artifact.downgrade', { actual: artifact.images[0]?.version ?? '', expected: runs ?? '' });
  }
  return { fits: true };
}

/** Versions from 1.0 on are Gecko Bootloaders, which take GBL only. */
export function isGeckoBootloader(version: string | number | undefined): boolean {
  return typeof version === 'string' && /^[1-9]\d*\./.test(version);
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
