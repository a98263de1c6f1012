export * from './describe-package.js';
export * from './hex-image.js';
export * from './key-forms.js';
export * from './make-package.js';
export {
  BootValidationType,
  decodeInitPacket,
  FirmwareType,
  type InitCommand,
  type InitPacket,
} from './init-packet.js';
export * from './package.js';
export * from './signature.js';
