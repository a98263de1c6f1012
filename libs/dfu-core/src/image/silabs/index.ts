export { type ApplicationInfo, applicationTypes, type Gbl, GBL_FORMAT, type ProgramKind } from './format.js';
export { looksLikeGbl, parseGbl, type ParseGblOptions } from './parse-gbl.js';
export { cryptGbl, silabsPublicKeyOf, verifyGblSignature } from './gbl-crypto.js';
export { type ApplicationProperties, findApplicationProperties } from './application-properties.js';
export { type Ebl, EBL_FORMAT, looksLikeEbl, parseEbl } from './ebl.js';
export { BLE11X_FORMAT, BT12X_FORMAT } from './bluegiga.js';
export { describeGbl, describeSilabsArtifact, GBL_SET_FORMAT, openGblSet, silabsPayloads } from './describe.js';
export * from './make.js';
