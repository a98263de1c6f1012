export {
  compareMcubootVersions,
  formatMcubootVersion,
  type McubootHeader,
  type McubootImage,
  type McubootTlv,
  type McubootVersion,
  parseMcubootVersion,
} from './format.js';
export { looksLikeMcubootImage, parseMcubootImage } from './parse.js';
export {
  type McubootSigningKey,
  type McubootTrustedKey,
  mcubootPublicKeyOf,
  parseMcubootPublicKey,
  PUBLISHED_TEST_KEYS as MCUBOOT_PUBLISHED_TEST_KEYS,
} from './keys.js';
export type { VerifyRsaPss } from './verify.js';
export {
  type CheckedMcubootImage,
  checkMcubootImage,
  describeMcubootImage,
  type McubootChecks,
  type McubootDependency,
} from './describe.js';
export { makeMcubootImage, type McubootImageParts } from './make.js';
export {
  describeMcubootFile,
  isMcubootPackage,
  MCUBOOT_FORMATS,
  type McubootFile,
  type McubootFileImage,
  mcubootSourceName,
  mcubootSources,
  openMcubootFile,
} from './file.js';
