export { createSmp, smp, type SmpOptions } from './session.js';
export { SMP_CHARACTERISTIC, SMP_SERVICE } from './transport.js';
export { type SmpAnswer, type SmpCommand, smpCommand } from './commands.js';
export { SmpRefusedError } from './errors.js';
