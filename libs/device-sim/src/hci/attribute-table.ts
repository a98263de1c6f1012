/**
 * A peripheral's attribute database with the handles that a GATT server gives it.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part G, 3.1 to 3.3.
 */
import type { GattService } from '../target.js';
import { encodeUuid } from './hci-wire.js';

export const UUID_PRIMARY_SERVICE = 0x2800;
export const UUID_CHARACTERISTIC = 0x2803;
export const UUID_CLIENT_CONFIGURATION = 0x2902;

const PROPERTY_BITS = {
  read: 0x02,
  'write-without-response': 0x04,
  write: 0x08,
  notify: 0x10,
  indicate: 0x20,
} as const;

export interface Attribute {
  readonly handle: number;
  /** Little-endian UUID bytes. */
  readonly type: Buffer;
  readonly kind: 'service' | 'declaration' | 'value' | 'configuration';
  /** Fixed value of services and declarations. */
  readonly fixed?: Buffer;
  /** Of values and configurations: the characteristic's UUID as the peripheral spells it. */
  readonly characteristic?: string;
  readonly properties: number;
  /** Of services: last handle of the group. */
  readonly groupEnd?: number;
}

/** Builds the table, handles from 1 on, without gaps. */
export function buildAttributeTable(services: readonly GattService[]): Attribute[] {
  const table: Attribute[] = [];
  let next = 1;
  const uuid16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);
  for (const service of services) {
    const slots = service.characteristics.map((each) => (hasConfiguration(bitsOf(each.properties)) ? 3 : 2));
    const groupEnd = next + slots.reduce((sum, count) => sum + count, 0);
    table.push({
      handle: next++,
      type: uuid16(UUID_PRIMARY_SERVICE),
      kind: 'service',
      fixed: encodeUuid(service.uuid),
      properties: PROPERTY_BITS.read,
      groupEnd,
    });
    for (const { uuid, properties } of service.characteristics) {
      const bits = bitsOf(properties);
      const type = encodeUuid(uuid);
      const declaration = Buffer.concat([Buffer.from([bits, (next + 1) & 0xff, (next + 1) >> 8]), type]);
      table.push({
        handle: next++,
        type: uuid16(UUID_CHARACTERISTIC),
        kind: 'declaration',
        fixed: declaration,
        properties: PROPERTY_BITS.read,
      });
      table.push({ handle: next++, type, kind: 'value', characteristic: uuid, properties: bits });
      if (hasConfiguration(bits)) {
        table.push({
          handle: next++,
          type: uuid16(UUID_CLIENT_CONFIGURATION),
          kind: 'configuration',
          characteristic: uuid,
          properties: PROPERTY_BITS.read | PROPERTY_BITS.write,
        });
      }
    }
  }
  return table;
}

export const allowsRead = (bits: number): boolean => (bits & PROPERTY_BITS.read) !== 0;
export const allowsWrite = (bits: number): boolean => (bits & PROPERTY_BITS.write) !== 0;
export const allowsCommand = (bits: number): boolean => (bits & PROPERTY_BITS['write-without-response']) !== 0;
const hasConfiguration = (bits: number): boolean => (bits & (PROPERTY_BITS.notify | PROPERTY_BITS.indicate)) !== 0;

function bitsOf(properties: readonly (keyof typeof PROPERTY_BITS)[]): number {
  return properties.reduce((bits, property) => bits | PROPERTY_BITS[property], 0);
}
