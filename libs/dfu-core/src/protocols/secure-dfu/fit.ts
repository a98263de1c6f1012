/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import { NORDIC_SECURE_FORMAT } from '../../image/nordic/describe-package.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';
import { BUTTONLESS_WITH_BONDS } from './messages.js';

export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  if (artifact.format !== NORDIC_SECURE_FORMAT) {
    return no('artifact.wrong-model', {
      actual: `a target of ${artifact.format} files`,
      expected: 'Nordic Secure DFU',
    });
  }
  const image = artifact.images[0];
  if (artifact.images.length !== 1 || image?.kind !== 'application') {
    const kinds = artifact.images.map(({ kind }) => kind).join(', ');
    return no('artifact.unsupported', { detail: `a package with ${kinds}; only a single application is delivered` });
  }
  if (artifact.hardware['debug'] !== undefined && options.allowDebug !== true) return no('artifact.debug', {});

  for (const name of ['hwVersion', 'part'] as const) {
    const expected = found.hardware[name];
    const actual = artifact.hardware[name];
    if (expected !== undefined && actual !== undefined && expected !== actual) {
      return no('artifact.wrong-hardware', { actual, expected });
    }
  }
  const installed = found.installed?.find(({ image: number }) => number === image.image)?.version;
  if (!options.allowDowngrade && isOlder(image.version, installed)) {
    return no('artifact.downgrade', { actual: image.version ?? '', expected: installed ?? '' });
  }
  return fitsEntry(found);
}

function fitsEntry(found: Identification): FitResult {
  if (found.mode === 'bootloader') return { fits: true };
  switch (found.hardware['buttonless']) {
    case 'without-bonds':
      return { fits: true };
    case 'with-bonds':
      return no('link.auth-required', { channel: BUTTONLESS_WITH_BONDS });
    case 'experimental':
      return no('target.wrong-kind', {
        expected: 'device with the buttonless service of nRF5 SDK 13 or newer',
        detail: 'it offers the experimental one of SDK 12, which is not supported',
      });
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
