export * from './crc.js';
export * from './engine.js';
export { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from './link-messages.js';
export { BcspChannel, type BcspPacket, decodeBcsp, encodeBcsp } from './packet.js';
