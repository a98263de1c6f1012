export { makeIntelHex } from './make.js';
export { type IntelHex, type IntelHexSegment, looksLikeIntelHex, parseIntelHex } from './parse.js';
