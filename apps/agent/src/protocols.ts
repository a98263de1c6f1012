/** The protocols that this agent speaks, by the names people type. */
import {
  bgapiDfu,
  csrDfu,
  DrydockError,
  geckoXmodem,
  legacyDfu,
  legacySerial,
  secureDfu,
  silabsOta,
  smp,
  tiOad,
  type Protocol,
} from '@drydock/dfu-core';

export type ProtocolRegistry = ReadonlyMap<string, Protocol>;

export const PROTOCOLS: ProtocolRegistry = new Map(
  [secureDfu, smp, legacyDfu, legacySerial, tiOad, silabsOta, bgapiDfu, geckoXmodem, csrDfu].map((protocol) => [
    protocol.name,
    protocol,
  ]),
);

/** @throws DrydockError `gateway.no-protocol` */
export function requireProtocol(name: string, registry: ProtocolRegistry = PROTOCOLS): Protocol {
  const found = registry.get(name);
  if (!found) throw new DrydockError('gateway.no-protocol', { protocol: name, known: [...registry.keys()].join(', ') });
  return found;
}
