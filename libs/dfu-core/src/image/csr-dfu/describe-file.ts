/** What people and programs are told about a CSR `.dfu` file, and what a session reads of it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import { parseMelodyVersion, spellMelodyVersion } from './melody-version.js';
import { parseCsrDfu } from './parse.js';

export const CSR_DFU_FORMAT = 'csr-dfu';
/** Keys in which an application keeps what people set (USR0 to USR49). Source: BlueZ, tools/csr.h. */
const FIRST_USER_KEY = 0x028a;
const LAST_USER_KEY = 0x02bb;

/**
 * Reads, checks and describes a file. `hardware` holds `variant` (`hd` or `standard`) and `bcdDevice`.
 * @throws ArtifactError as `parseCsrDfu`; `artifact.unsupported` when it is no Melody, or its mask is of no known module.
 */
export function describeCsrDfu(file: Uint8Array): ArtifactDescription {
  const parsed = parseCsrDfu(file);
  const version = parseMelodyVersion(parsed.description);
  if (!version) {
    throw new ArtifactError('artifact.unsupported', {
      detail: `it calls itself ${JSON.stringify(parsed.description)}, which is no Melody Audio version`,
    });
  }
  if (!parsed.variant) {
    throw new ArtifactError('artifact.unsupported', {
      detail: `its stack is for chips of mask 0x${parsed.stackMask.toString(16)}; known are 0x1000 (BC127) and 0x2000 (BC127-HD)`,
    });
  }
  const userKeys = parsed.clearedKeys.filter((key) => key >= FIRST_USER_KEY && key <= LAST_USER_KEY);
  return {
    format: CSR_DFU_FORMAT,
    protocols: ['csr-dfu'],
    sha256: toHex(sha256(file)),
    sizeBytes: file.length,
    images: [
      {
        image: 0,
        kind: 'application',
        version: spellMelodyVersion(version),
        sizeBytes: parsed.body.length,
        sha256: toHex(sha256(parsed.body)),
      },
    ],
    signatures: [],
    hardware: { variant: parsed.variant, bcdDevice: parsed.suffix.bcdDevice },
    notes: [
      parsed.variant === 'hd' ? 'for the BC127-HD only' : 'for modules that are not HD',
      'protected by CRCs, not signed',
      ...(userKeys.length > 0
        ? [`clears ${userKeys.length} keys in which settings are kept: they are read before and restored after`]
        : []),
    ],
  };
}

/** What a session reads: `image:0`, the file without its suffix. @throws ArtifactError as `parseCsrDfu` */
export function csrPayloads(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map([['image:0', parseCsrDfu(file).body]]);
}
