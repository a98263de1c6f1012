/** Services and characteristics of a connected peripheral, through noble. */
import { channelOf } from './ble-scanner.js';
import type { NobleCharacteristic, NoblePeripheral, NobleService } from './noble-types.js';

/** A device that lists more is not believed. */
const MAX_SERVICES = 64;

/**
 * @param services only those; all when empty.
 * @param gone rejects when the link is lost: noble calls nobody back then.
 * @returns the characteristics by channel; of equal UUIDs the first.
 */
export async function discover(
  peripheral: NoblePeripheral,
  services: readonly string[],
  gone: Promise<never>,
): Promise<ReadonlyMap<string, NobleCharacteristic>> {
  const wanted = services.map(nobleSpelling);
  const found = await Promise.race([
    gone,
    new Promise<NobleService[]>((resolve, reject) => {
      peripheral.discoverServices(wanted, (error, list) => (error ? reject(asError(error)) : resolve(list)));
    }),
  ]);
  const byChannel = new Map<string, NobleCharacteristic>();
  for (const service of found.slice(0, MAX_SERVICES)) {
    const characteristics = await Promise.race([
      gone,
      new Promise<NobleCharacteristic[]>((resolve, reject) => {
        service.discoverCharacteristics([], (error, list) => (error ? reject(asError(error)) : resolve(list)));
      }),
    ]);
    for (const characteristic of characteristics) {
      const channel = channelOf(characteristic.uuid);
      if (!byChannel.has(channel)) byChannel.set(channel, characteristic);
    }
  }
  return byChannel;
}

const nobleSpelling = (uuid: string): string => {
  const text = uuid.toLowerCase().replaceAll('-', '');
  return text.length === 4 ? text.replace(/^0+(?=.)/, '') : text;
};

const asError = (value: unknown): Error => (value instanceof Error ? value : new Error(String(value)));
