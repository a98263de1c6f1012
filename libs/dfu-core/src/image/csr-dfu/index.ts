export { csrCrc32 } from './crc.js';
export * from './describe-file.js';
export * from './make-file.js';
export {
  compareMelody,
  isSameMelody,
  parseMelodyVersion,
  readMelodyVersion,
  spellMelodyVersion,
  type MelodyVersion,
} from './melody-version.js';
export { looksLikeCsrDfu, parseCsrDfu, type CsrArea, type CsrAreaKind, type CsrDfuFile } from './parse.js';
