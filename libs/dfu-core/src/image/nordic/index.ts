export * from './describe-package.js';
export * from './make-package.js';
export { decodeInitPacket, FirmwareType, type InitCommand, type InitPacket } from './init-packet.js';
export * from './package.js';
export * from './signature.js';
