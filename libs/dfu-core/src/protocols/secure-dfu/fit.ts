/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { NORDIC_SECURE_FORMAT } from '../../image/nordic/describe-package.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';

export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  if (artifact.format !== NORDIC_SECURE_FORMAT) {
    return no('artifact.wrong-model', {
      actual: `a target of ${artifact.format} files`,
      expected: 'Nordic Secure DFU',
    });
  }
  const image = artifact.images[0];
  if (!image) return no('artifact.unsupported', { detail: 'a package without images' });
  if (artifact.hardware['debug'] !== undefined && options.allowDebug !== true) return no('artifact.debug', {});

  for (const name of ['hwVersion', 'part'] as const) {
    const expected = found.hardware[name];
    const actual = artifact.hardware[name];
    if (expected !== undefined && actual !== undefined && expected !== actual) {
      return no('artifact.wrong-hardware', { actual, expected });
    }
  }
  // The SoftDevice is asked for by the first image; those behind it may need one that the package brings.
  const fwid = found.hardware['softDevice'];
  const taken = String(artifact.hardware['sdReq'] ?? '').split(',');
  const anyIsTaken = taken.includes(ANY_SOFTDEVICE) && image.kind === 'external-application';
  if (fwid !== undefined && taken[0] !== '' && !anyIsTaken && !taken.includes(String(fwid))) {
    const overwritesIt = taken[0] === NO_SOFTDEVICE && image.kind === 'application';
    if (!overwritesIt) {
      return no('artifact.requires', { expected: `SoftDevice ${taken.join(' or ')}`, actual: `SoftDevice ${fwid}` });
    }
  }
  const romBytes = found.hardware['romBytes'];
  const largest = Math.max(...artifact.images.map(({ sizeBytes }) => sizeBytes));
  if (typeof romBytes === 'number' && romBytes > 0 && largest > romBytes && image.kind !== 'external-application') {
    return no('target.no-memory', { detail: `an image of ${largest} bytes for a flash of ${romBytes}` });
  }
  const downgrade = options.allowDowngrade ? undefined : olderThanInstalled(found, artifact);
  if (downgrade) return downgrade;
  return fitsEntry(found);
}

const ANY_SOFTDEVICE = '0xfffe';
const NO_SOFTDEVICE = '0x0000';

/**
 * What the bootloader says of itself, where it says anything. A bootloader that stands before other images may be there
 * already: then it is passed over.
 */
function olderThanInstalled(found: Identification, artifact: ArtifactDescription): FitResult | undefined {
  for (const { image, kind, version } of artifact.images) {
    const bringsBootloader = kind === 'bootloader' || kind === 'softdevice-bootloader';
    const slot = bringsBootloader ? 2 : image;
    const installed = found.installed?.find(({ image: number }) => number === slot)?.version;
    if (installed === undefined || kind === 'softdevice') continue;
    const same = bringsBootloader && artifact.images.length === 1 && version === installed;
    const older = isOlder(version, installed) && (!bringsBootloader || artifact.images.length === 1);
    if (same || older) return no('artifact.downgrade', { actual: version ?? '', expected: installed });
  }
  return undefined;
}

function fitsEntry(found: Identification): FitResult {
  if (found.mode === 'bootloader') return { fits: true };
  switch (found.hardware['buttonless']) {
    case 'without-bonds':
    case 'with-bonds':
    case 'experimental':
      return { fits: true };
    default:
      return no('target.wrong-kind', {
        expected: 'device with a way into its bootloader',
        detail: 'its application offers no buttonless service',
      });
  }
}

/**
 * Compares versions of dotted numbers (`1.10.0` is newer than `1.9`).
 * @returns false when either is something else: what cannot be compared is not called older.
 */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const left = numbersOf(version);
  const right = numbersOf(than);
  if (!left || !right) return false;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbersOf(version: string | undefined): number[] | undefined {
  const match = /^v?(\d{1,10}(?:\.\d{1,10}){0,5})$/i.exec(version ?? '');
  return match?.[1]!.split('.').map(Number);
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
