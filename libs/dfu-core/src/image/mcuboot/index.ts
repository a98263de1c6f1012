export * from './format.js';
export { looksLikeMcubootImage, parseMcubootImage } from './parse.js';
export * from './keys.js';
export * from './verify.js';
export * from './describe.js';
export * from './make.js';
