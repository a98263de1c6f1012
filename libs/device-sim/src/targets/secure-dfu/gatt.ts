/** Attribute tables of the application and of the bootloader, UUIDs as dfu-core spells channels. */
import type { GattService } from '../../target.js';

export const SecureDfuUuid = {
  service: 'fe59',
  controlPoint: '8ec90001f3154f609fb8838830daea50',
  packet: '8ec90002f3154f609fb8838830daea50',
  buttonless: '8ec90003f3154f609fb8838830daea50',
  buttonlessBonded: '8ec90004f3154f609fb8838830daea50',
  /** Service and characteristic in one. */
  buttonlessExperimental: '8e400001f3154f609fb8838830daea50',
  deviceInformation: '180a',
  modelNumber: '2a24',
  serialNumber: '2a25',
  firmwareRevision: '2a26',
  hardwareRevision: '2a27',
  manufacturer: '2a29',
} as const;

const GENERIC: readonly GattService[] = [
  { uuid: '1800', characteristics: [{ uuid: '2a00', properties: ['read'] }] },
  { uuid: '1801', characteristics: [{ uuid: '2a05', properties: ['indicate'] }] },
];

export function applicationServices(
  buttonless: string | undefined,
  information: readonly string[],
): readonly GattService[] {
  const services = [...GENERIC];
  if (information.length > 0) {
    const characteristics = information.map((uuid) => ({ uuid, properties: ['read'] as const }));
    services.push({ uuid: SecureDfuUuid.deviceInformation, characteristics });
  }
  if (buttonless !== undefined) {
    const experimental = buttonless === SecureDfuUuid.buttonlessExperimental;
    const properties = experimental ? (['write', 'notify'] as const) : (['write', 'indicate'] as const);
    const uuid = experimental ? SecureDfuUuid.buttonlessExperimental : SecureDfuUuid.service;
    services.push({ uuid, characteristics: [{ uuid: buttonless, properties }] });
  }
  return services;
}

export const BOOTLOADER_SERVICES: readonly GattService[] = [
  ...GENERIC,
  {
    uuid: SecureDfuUuid.service,
    characteristics: [
      { uuid: SecureDfuUuid.controlPoint, properties: ['write', 'notify'] },
      { uuid: SecureDfuUuid.packet, properties: ['write-without-response'] },
    ],
  },
];
