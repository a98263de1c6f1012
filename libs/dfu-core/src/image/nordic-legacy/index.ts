export * from './describe-package.js';
export { firmwareOf } from './firmware-file.js';
export { decodeLegacyInitPacket, type LegacyExtension, type LegacyInitPacket } from './init-packet.js';
export * from './make-package.js';
export * from './package.js';
export * from './signature.js';
