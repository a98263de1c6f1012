export * from './errors.js';
export * from './image/description.js';
export * from './session/link.js';
export * from './session/protocol.js';
export * from './session/session.js';
export * from './bytes/hex.js';
export * from './bytes/byte-reader.js';
export * from './bytes/byte-writer.js';
