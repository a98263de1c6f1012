/**
 * A Nordic bootloader entered without bonds advertises under the application's address plus one, in the last byte and
 * without carry, so that no central mistakes its services for the application's.
 *
 * Source: nRF5 SDK 17, nrf_dfu_ble.c (advertising start); Android-DFU-Library, BootloaderScannerFactory.java.
 */
import type { LinkInfo } from '../../session/session.js';

const ADDRESS = /^((?:[0-9a-f]{2}:){5})([0-9a-f]{2})$/;

/** @param address `aa:bb:cc:dd:ee:ff`; anything else is returned as it is (a system that hides addresses). */
export function bootloaderAddress(address: string): string {
  return shiftLastByte(address, 1);
}

/** The application's address behind a bootloader that shifted it. */
export function applicationAddress(address: string): string {
  return shiftLastByte(address, -1);
}

/** The addresses of a unit: of its application, and of its bootloader. */
export function bothFaces(addresses: readonly string[]): readonly string[] {
  return [...new Set([...addresses, ...addresses.map(bootloaderAddress)])];
}

/**
 * Whether an application that answers here is another unit's: the neighbour may have the address that our bootloader takes.
 * @param addresses where our application answers.
 */
export function isElsewhere({ identity }: Pick<LinkInfo, 'identity'>, addresses: readonly string[]): boolean {
  return identity.kind === 'ble-address' && !addresses.includes(identity.value);
}

function shiftLastByte(address: string, by: number): string {
  const match = ADDRESS.exec(address.toLowerCase());
  if (!match) return address;
  const last = (Number.parseInt(match[2]!, 16) + by) & 0xff;
  return `${match[1]!}${last.toString(16).padStart(2, '0')}`;
}
