export { loaderCodecFault, type LoaderCodec, type LoaderRequest, type LoaderResponse } from './loader-codec.js';
export { referenceLoaderCodec } from './reference-codec.js';
export { createCsrDfu, csrDfu } from './session.js';
export type { CsrDfuSettings } from './update.js';
export { type BccmdMessage, BccmdType, BccmdVariable, decodeBccmd, encodeBccmd } from './bccmd.js';
export type { Mended } from './mend-settings.js';
export { type AfterTool, type BeforeTool, enterCsrDfuMode, returnToMelody } from './raw-port.js';
export { DFU_LINE } from './lines.js';
