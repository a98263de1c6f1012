/** Attribute tables of the application and of the bootloader, UUIDs as dfu-core spells channels. */
import type { GattService } from '../../target.js';

export const LegacyDfuUuid = {
  service: '000015301212efde1523785feabcd123',
  controlPoint: '000015311212efde1523785feabcd123',
  packet: '000015321212efde1523785feabcd123',
  revision: '000015341212efde1523785feabcd123',
  deviceInformation: '180a',
  modelNumber: '2a24',
  serialNumber: '2a25',
  firmwareRevision: '2a26',
  hardwareRevision: '2a27',
  heartRate: '180d',
  heartRateMeasurement: '2a37',
} as const;

const GENERIC: readonly GattService[] = [
  { uuid: '1800', characteristics: [{ uuid: '2a00', properties: ['read'] }] },
  { uuid: '1801', characteristics: [{ uuid: '2a05', properties: ['indicate'] }] },
];

function dfuService(hasRevision: boolean): GattService {
  return {
    uuid: LegacyDfuUuid.service,
    characteristics: [
      { uuid: LegacyDfuUuid.packet, properties: ['write-without-response'] },
      { uuid: LegacyDfuUuid.controlPoint, properties: ['write', 'notify'] },
      ...(hasRevision ? [{ uuid: LegacyDfuUuid.revision, properties: ['read'] as const }] : []),
    ],
  };
}

/** @param dfu whether it has the service, and its revision characteristic. */
export function applicationServices(
  information: readonly string[],
  dfu: { readonly hasRevision: boolean } | undefined,
): readonly GattService[] {
  const read = (uuid: string) => ({ uuid, properties: ['read'] as const });
  return [
    ...GENERIC,
    ...(information.length > 0
      ? [{ uuid: LegacyDfuUuid.deviceInformation, characteristics: information.map(read) }]
      : []),
    {
      uuid: LegacyDfuUuid.heartRate,
      characteristics: [{ uuid: LegacyDfuUuid.heartRateMeasurement, properties: ['notify'] as const }],
    },
    ...(dfu ? [dfuService(dfu.hasRevision)] : []),
  ];
}

export const bootloaderServices = (hasRevision: boolean): readonly GattService[] => [
  ...GENERIC,
  dfuService(hasRevision),
];
