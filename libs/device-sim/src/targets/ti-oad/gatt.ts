/** Attribute tables, UUIDs as dfu-core spells channels. Source: TI SDKs, `oad.c`, `oad_service.c`, `oad_reset_service.c`. */
import type { GattCharacteristic, GattService } from '../../target.js';

const ti = (short: string): string => `f000${short}04514000b000000000000000`;

export const TiOadUuid = {
  service: ti('ffc0'),
  identify: ti('ffc1'),
  block: ti('ffc2'),
  count: ti('ffc3'),
  status: ti('ffc4'),
  control: ti('ffc5'),
  resetService: ti('ffd0'),
  reset: ti('ffd1'),
  deviceInformation: '180a',
  modelNumber: '2a24',
  serialNumber: '2a25',
  firmwareRevision: '2a26',
} as const;

const GENERIC: readonly GattService[] = [
  { uuid: '1800', characteristics: [{ uuid: '2a00', properties: ['read'] }] },
  { uuid: '1801', characteristics: [] },
];

const written = (uuid: string): GattCharacteristic => ({
  uuid,
  properties: ['write-without-response', 'write', 'notify'],
});
const IDENTIFY_AND_BLOCK = [written(TiOadUuid.identify), written(TiOadUuid.block)];

export const ENHANCED_SERVICE: GattService = {
  uuid: TiOadUuid.service,
  characteristics: [
    ...IDENTIFY_AND_BLOCK,
    { uuid: TiOadUuid.control, properties: ['write-without-response', 'notify'] },
  ],
};
export const ON_CHIP_CLASSIC_SERVICE: GattService = { uuid: TiOadUuid.service, characteristics: IDENTIFY_AND_BLOCK };
export const OFF_CHIP_CLASSIC_SERVICE: GattService = {
  uuid: TiOadUuid.service,
  characteristics: [
    ...IDENTIFY_AND_BLOCK,
    { uuid: TiOadUuid.count, properties: ['write-without-response', 'write'] },
    { uuid: TiOadUuid.status, properties: ['read', 'notify'] },
  ],
};
export const RESET_SERVICE: GattService = {
  uuid: TiOadUuid.resetService,
  characteristics: [{ uuid: TiOadUuid.reset, properties: ['write-without-response', 'write'] }],
};

export function servicesWith(own: readonly GattService[], information: readonly string[]): readonly GattService[] {
  const characteristics = information.map((uuid) => ({ uuid, properties: ['read'] as const }));
  const device = characteristics.length > 0 ? [{ uuid: TiOadUuid.deviceInformation, characteristics }] : [];
  return [...GENERIC, ...device, ...own];
}
