/**
 * What a peripheral puts on the air: advertising data and scan response.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part C, 11; AD types of the assigned numbers.
 */
import type { Advertisement } from '../target.js';
import { encodeUuid } from './hci-wire.js';

const MAX_BYTES = 31;
const AD_FLAGS = 0x01;
const AD_COMPLETE_16 = 0x03;
const AD_COMPLETE_128 = 0x07;
const AD_SHORT_NAME = 0x08;
const AD_COMPLETE_NAME = 0x09;
const AD_DEVICE_ADDRESS = 0x1b;

const element = (type: number, data: Uint8Array): Buffer => Buffer.concat([Buffer.from([data.length + 1, type]), data]);

/**
 * Flags and services in the advertisement; the name beside them where it fits, else in the scan response,
 * shortened to 29 bytes. Services that do not fit move to the scan response, those that fit in neither are left out.
 */
export function encodeAdvertisingData(advertisement: Advertisement): { data: Buffer; scanResponse: Buffer } {
  const parts: Buffer[] = [element(AD_FLAGS, Buffer.from([0x06]))];
  const response: Buffer[] = [];
  const sizeOf = (list: readonly Buffer[]): number => list.reduce((sum, part) => sum + part.length, 0);
  const place = (part: Buffer): void => {
    if (sizeOf(parts) + part.length <= MAX_BYTES) parts.push(part);
    else if (sizeOf(response) + part.length <= MAX_BYTES) response.push(part);
  };

  const uuids = advertisement.services.map(encodeUuid);
  const short = uuids.filter((uuid) => uuid.length === 2);
  if (short.length > 0) place(element(AD_COMPLETE_16, Buffer.concat(short)));
  for (const uuid of uuids.filter((each) => each.length === 16)) place(element(AD_COMPLETE_128, uuid));

  if (advertisement.name !== undefined) {
    const name = Buffer.from(advertisement.name, 'utf8');
    const room = MAX_BYTES - 2 - sizeOf(response);
    if (sizeOf(parts) + name.length + 2 <= MAX_BYTES) parts.push(element(AD_COMPLETE_NAME, name));
    else if (name.length <= room) response.push(element(AD_COMPLETE_NAME, name));
    else if (room > 0) response.push(element(AD_SHORT_NAME, name.subarray(0, room)));
  }
  if (advertisement.deviceAddress) {
    const { address, addressType } = advertisement.deviceAddress;
    const bytes = address.split(':').map((part) => Number.parseInt(part, 16));
    place(element(AD_DEVICE_ADDRESS, Buffer.from([...bytes.reverse(), addressType === 'random' ? 1 : 0])));
  }
  return { data: Buffer.concat(parts), scanResponse: Buffer.concat(response) };
}
