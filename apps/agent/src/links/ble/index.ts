export { BleAdapter, type BleAdapterOptions } from './ble-adapter.js';
export { formatBleLinkName, parseAdapterName, parseBleLinkName, type AdapterName } from './adapter-name.js';
export type { BleLinkOptions } from './ble-link.js';
export { openBondStore, type BondStore } from './bond-store.js';
export type { BytePort } from './byte-port.js';
export type { OpenBleLink } from './open-ble-link.js';
export type { BondWish } from './ble-adapter.js';
export type { SecurityPolicy } from './security-policy.js';
