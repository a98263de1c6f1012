/** Whether a peripheral on the air is the target that a reconnect hint describes. */
import { InvariantError, type ReconnectHint, type Sighting } from '@drydock/dfu-core';

/**
 * A target is known by its address (its own unless `notSameAddress`, or one of the hint's), sent from or stated, or by its name; where a
 * service is named it must advertise that as well. With neither address nor name left, the service alone tells.
 *
 * @param ownAddress lower case, as `Sighting.address`.
 * @throws InvariantError for a hint that describes nothing.
 */
export function matcherFor(ownAddress: string, hint: ReconnectHint): (sighting: Sighting) => boolean {
  const addresses = new Set((hint.addresses ?? []).map((each) => each.toLowerCase()));
  if (!hint.notSameAddress) addresses.add(ownAddress);
  const { name, serviceUuid } = hint;
  const service = serviceUuid?.toLowerCase().replaceAll('-', '');
  if (addresses.size === 0 && name === undefined && service === undefined) {
    throw new InvariantError('a reconnect hint names no address, name or service');
  }
  return (sighting) => {
    if (hint.notSameAddress && sighting.address === ownAddress) return false;
    if (service !== undefined && !sighting.services.includes(service)) return false;
    if (addresses.size === 0 && name === undefined) return true;
    const { deviceAddress } = sighting;
    if (deviceAddress !== undefined && addresses.has(deviceAddress)) return true;
    return addresses.has(sighting.address) || (name !== undefined && sighting.name === name);
  };
}
