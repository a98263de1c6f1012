export { createSmp, smp, type SmpOptions } from './session.js';
export { SMP_CHARACTERISTIC, SMP_SERVICE } from './transport.js';
