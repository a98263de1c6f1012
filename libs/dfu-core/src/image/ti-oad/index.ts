export * from './format.js';
export { looksLikeTiOadImage, parseTiOadImage, headerBytesOf as tiOadHeaderBytes } from './parse.js';
export {
  areaOf as tiAreaOf,
  type ClassicImage,
  crc16Umts,
  decodeClassicHeader,
  encodeClassicHeader,
  looksLikeClassicImage,
  offChipHeaderFor,
  parseClassicImage,
} from './classic.js';
export { tiPublicKeyOf, tiSignerInfo, verifyTiOadSignature } from './signature.js';
export { makeTiOadImage, makeTiOffChipImage, makeTiOnChipImage, padMcubootToSlot, type TiOadParts } from './make.js';
export {
  describeClassicImage,
  describeTiMcubootSlot,
  describeTiOadImage,
  isTiMcubootSlot,
  tiOadPayloads,
} from './describe.js';
