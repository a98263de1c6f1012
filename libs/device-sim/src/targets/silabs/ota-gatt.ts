/**
 * The OTA service of Silicon Labs, as attribute tables and values.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common/app_ota_dfu, common/in_place_ota_dfu (GATT XML);
 * SiliconLabs/SimplicityConnect-android, GattCharacteristic.kt.
 */
import type { GattCharacteristic, GattService } from '../../target.js';
import type { SilabsUnit } from './silabs-unit.js';

export const SilabsOtaUuid = {
  service: '1d14d6eefd634fa1bfa48f47b42119f0',
  control: 'f7bf3564fb6d4e5388a45e37e0326063',
  data: '984227f334fc4045a5d02c581f81a153',
  loaderVersion: '4f4a23688cca451ebfffcf0e2ee23e9f',
  otaVersion: '4cc07bcf08684b329dadba4cc41e5316',
  bootloaderVersion: '25f05c0ae91746e9b2a5aa2be1245afe',
  applicationVersion: '0d77cc114ac149f2bfa9cd96ac7a92f8',
} as const;

export const AttError = { ReadNotPermitted: 0x02, WriteNotPermitted: 0x03 } as const;

const GENERIC_ACCESS: GattService = { uuid: '1800', characteristics: [{ uuid: '2a00', properties: ['read'] }] };
const read = (uuid: string): GattCharacteristic => ({ uuid, properties: ['read'] });
const CONTROL: GattCharacteristic = { uuid: SilabsOtaUuid.control, properties: ['write'] };

function dataCharacteristic(unit: SilabsUnit): GattCharacteristic {
  const kind = unit.options.dataWrites ?? 'both';
  return {
    uuid: SilabsOtaUuid.data,
    properties: [
      ...(kind === 'without-response' ? [] : ['write' as const]),
      ...(kind === 'with-response' ? [] : ['write-without-response' as const]),
    ],
  };
}

const VERSIONS = [
  read(SilabsOtaUuid.loaderVersion),
  read(SilabsOtaUuid.otaVersion),
  read(SilabsOtaUuid.bootloaderVersion),
  read(SilabsOtaUuid.applicationVersion),
];

/** AppLoader: nothing but the OTA service. */
export function loaderServices(unit: SilabsUnit): readonly GattService[] {
  const characteristics = [CONTROL, dataCharacteristic(unit), ...VERSIONS];
  return [GENERIC_ACCESS, { uuid: SilabsOtaUuid.service, characteristics }];
}

export function applicationServices(unit: SilabsUnit): readonly GattService[] {
  const hasRevision = unit.options.hasRevision ?? true;
  const information = ['2a24', '2a25', ...(hasRevision ? ['2a26'] : [])].map(read);
  const characteristics = [CONTROL, ...(unit.options.access === 'application-ota' ? [dataCharacteristic(unit)] : [])];
  return [
    GENERIC_ACCESS,
    { uuid: '180a', characteristics: information },
    { uuid: SilabsOtaUuid.service, characteristics },
  ];
}

/** Values that can be read; undefined where there is none. */
export function readValue(unit: SilabsUnit, uuid: string): Uint8Array | undefined {
  const { options } = unit;
  const model = options.model ?? 'silabs-node';
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  switch (uuid) {
    case '2a00':
      return text(unit.personality === 'bootloader' ? 'OTA' : (options.name ?? model));
    case '2a24':
      return text(model);
    case '2a25':
      return text(options.deviceId ?? 'SIM-0001');
    case '2a26':
      return text(unit.revision ?? '');
    case SilabsOtaUuid.loaderVersion:
      return Uint8Array.of(4, 0, 2, 0, 2, 0, 0x85, 1);
    case SilabsOtaUuid.otaVersion:
      return Uint8Array.of(options.otaVersion ?? 3);
    case SilabsOtaUuid.bootloaderVersion:
      return word(unit.bootloaderVersion);
    case SilabsOtaUuid.applicationVersion:
      return word(unit.applicationVersion);
    default:
      return undefined;
  }
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
