/** Makes links from their names. Libraries and adapters are loaded when the first link needs them. */
import { DrydockError, type Link, type Protocol } from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import type { ReopeningLink } from '../driver/session-driver.js';
import type { Logger } from '../logger.js';
import { AdapterKeeper, type AdapterState } from './adapter-keeper.js';
import type { BleAdapter, SecurityPolicy } from './ble/index.js';
import { KeptBleLink } from './kept-ble-link.js';
import { parseLinkName } from './parse-link.js';

export interface LinkFactory {
  /**
   * @param model of the device, as far as known: its Bluetooth links may have to be secured.
   * @throws DrydockError for a name that is none, or a kind that the protocol does not use.
   */
  link(name: string, protocol: Protocol, model?: string): Promise<ReopeningLink>;
  /** The Bluetooth adapter. @throws LinkError `link.ble-unavailable` */
  bluetooth(): Promise<BleAdapter>;
  /** What became of the adapter; undefined before anybody wanted it. */
  readonly adapterState?: AdapterState | undefined;
  /** The adapter was plugged in again: it is asked at once. */
  adapterReturned?(): void;
  close(): Promise<void>;
}

/** Speed of a serial link where neither the person nor the protocol names one. */
const DEFAULT_LINE = { baud: 115_200 };

/** Options of the link's spelling, for sessions: `framing=console` and the like. */
export function linkOptionsOf(name: string): Readonly<Record<string, string>> {
  return parseLinkName(name).options;
}

export interface LinkFactoryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly adapter?: string | undefined;
  /** The agent's state folder, where bonds are kept. Without it links are never encrypted. */
  readonly stateDir?: string | undefined;
  /** The adapter went, came back or carries fewer connections than was thought. */
  readonly adapterChanged?: ((state: AdapterState) => void) | undefined;
  /** What the site asks of the Bluetooth link to an address (lower case) of a device of that model. */
  readonly security?: (address: string, model: string | undefined) => SecurityPolicy | undefined;
}

export function createLinkFactory(options: LinkFactoryOptions): LinkFactory {
  const { clock, log, adapter = 'hci0', stateDir } = options;
  const kernelIndex = /^hci(\d{1,3})$/.exec(adapter)?.[1];
  let asked = false;
  const keeper = new AdapterKeeper({
    name: adapter,
    clock,
    log,
    open: async (more) => {
      const { BleAdapter, openBondStore } = await import('./ble/index.js');
      return BleAdapter.open(adapter, {
        ...more,
        log: (message) => log.debug({ adapter }, message),
        ...(stateDir !== undefined && { bonds: await openBondStore(stateDir) }),
      });
    },
    ...(kernelIndex !== undefined && {
      powerCycle: async () => (await import('./ble/power-cycle.js')).powerCycle(Number(kernelIndex)),
    }),
    changed: (state) => options.adapterChanged?.(state),
  });

  function bluetooth(): Promise<BleAdapter> {
    asked = true;
    return keeper.adapter();
  }

  async function link(name: string, protocol: Protocol, model?: string): Promise<Link> {
    const parsed = parseLinkName(name);
    if (!protocol.links.includes(parsed.kind)) {
      throw new DrydockError('gateway.no-link', {
        detail: `${protocol.name} is not spoken over ${parsed.kind} (${name})`,
      });
    }
    switch (parsed.kind) {
      case 'agent':
        throw new DrydockError('gateway.no-link', { detail: 'this agent was started without its launcher' });
      case 'serial': {
        const { UartLink } = await import('./uart/uart-link.js');
        return new UartLink({
          name,
          path: parsed.path,
          line: parsed.line ?? protocol.line ?? DEFAULT_LINE,
          clock,
          ...(parsed.dtr !== undefined && { dtr: parsed.dtr }),
          ...(parsed.rts !== undefined && { rts: parsed.rts }),
        });
      }
      case 'udp': {
        const { UdpLink } = await import('./udp/udp-link.js');
        return new UdpLink({ name, host: parsed.host, port: parsed.port, clock });
      }
      case 'ble':
        await bluetooth();
        return new KeptBleLink(keeper, clock, name, (current) =>
          current.link(parsed.address, {
            services: protocol.services,
            security: options.security?.(parsed.address, model),
            ...(parsed.addressType && { addressType: parsed.addressType }),
          }),
        );
    }
  }

  return {
    link,
    bluetooth,
    get adapterState() {
      return asked ? keeper.state : undefined;
    },
    adapterReturned: () => keeper.returned(),
    close: () => keeper.close(),
  };
}
