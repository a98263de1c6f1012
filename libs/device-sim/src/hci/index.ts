export { SimulatedController } from './simulated-controller.js';
export type { ControllerOptions, ControllerStatistics } from './controller-options.js';
export type { PeripheralRadio } from './hosted-peripheral.js';
export type { LinkParameters, LinkStatistics } from './link-connection.js';
export { serveH4, type H4Service } from './serve-h4.js';
export { WallClock } from './wall-clock.js';
export { GenericPeripheral, GenericUuid, type GenericOptions } from './generic-peripheral.js';
export { memoryPort, type MemoryPort } from './memory-port.js';
