/** One peripheral on the simulated air: when it advertises, and its connection while it has one. */
import type { BlePeripheral, Cancel, PeripheralConnection, Scheduler } from '../target.js';
import { encodeAdvertisingData } from './advertising-data.js';
import { GattServer } from './gatt-server.js';
import { Cid, Status } from './hci-wire.js';
import type { LinkConnection } from './link-connection.js';
import { type PairedAddresses, PeripheralSecurity } from './pairing/peripheral-security.js';

/** What the link layer of one peripheral can do; defaults are those of a Bluetooth 5 chip. */
export interface PeripheralRadio {
  /** Accepts the 2M PHY. Default true. */
  readonly phy2m?: boolean;
  /** Received signal strength in reports. Default -60. */
  readonly rssiDbm?: number;
  /** The next so many connections are never established (the host sees reason 0x3e). Default 0. */
  readonly failToEstablish?: number;
}

export interface ConnectedPeripheral {
  readonly handle: number;
  readonly link: LinkConnection;
  readonly gatt: GattServer;
  readonly security: PeripheralSecurity;
}

export class HostedPeripheral {
  readonly phy2m: boolean;
  readonly rssiDbm: number;
  failToEstablish: number;
  connected: ConnectedPeripheral | undefined;
  #cancelAdvertising: Cancel | undefined;

  constructor(
    readonly peripheral: BlePeripheral,
    radio: PeripheralRadio,
  ) {
    this.phy2m = radio.phy2m ?? true;
    this.rssiDbm = radio.rssiDbm ?? -60;
    this.failToEstablish = radio.failToEstablish ?? 0;
  }

  /** What it sends now; undefined while it is connected, off or away. */
  advertises(): { address: string; addressType: 'public' | 'random'; data: Buffer; scanResponse: Buffer } | undefined {
    if (this.connected) return undefined;
    const advertisement = this.peripheral.advertisement();
    if (!advertisement) return undefined;
    const { address, addressType } = advertisement;
    return { address: address.toLowerCase(), addressType, ...encodeAdvertisingData(advertisement) };
  }

  /** Calls `tick` at every advertising event, until stopped. `quick`: a short interval instead of its own. */
  startAdvertising(scheduler: Scheduler, random: () => number, quick: boolean, tick: () => void): void {
    if (this.#cancelAdvertising) return;
    const next = (delayMs: number): void => {
      this.#cancelAdvertising = scheduler.after(delayMs, () => {
        const intervalMs = Math.max(1, this.peripheral.advertisement()?.intervalMs ?? 100);
        // advDelay, 0 to 10 ms: Vol 6 Part B, 4.4.2.2
        next(quick ? Math.min(intervalMs, 20) : intervalMs + random() * 10);
        tick();
      });
    };
    const intervalMs = this.peripheral.advertisement()?.intervalMs ?? 100;
    next(quick ? 1 : random() * intervalMs);
  }

  stopAdvertising(): void {
    this.#cancelAdvertising?.();
    this.#cancelAdvertising = undefined;
  }

  /** Brings up the server side of a new link. */
  connect(
    scheduler: Scheduler,
    handle: number,
    link: LinkConnection,
    addresses: PairedAddresses,
    toHost: FrameSender,
  ): ConnectedPeripheral {
    const gatt = new GattServer(this.peripheral, {
      scheduler,
      send: (message, sent) => toHost(Cid.Att, message, sent),
    });
    const security = new PeripheralSecurity(this.peripheral, addresses, (message) => toHost(Cid.Security, message));
    this.connected = { handle, link, gatt, security };
    const connection: PeripheralConnection = {
      mtu: () => gatt.mtu,
      notify: (characteristic, value) => gatt.notify(characteristic, value),
      security: () => security.state,
      disconnect: (how) => {
        if (!link.isUp) return;
        if (how === 'graceful') return link.terminateFromDevice(Status.RemoteUserTerminated);
        link.fallSilent(Status.ConnectionTimeout);
        this.leave(handle);
      },
    };
    this.peripheral.onConnect(connection);
    return this.connected;
  }

  /**
   * The peripheral's side of a link is over. Told once.
   * @param handle the link that ended: the host may notice the end of an old one while a new one is up.
   */
  leave(handle = this.connected?.handle): void {
    const connected = this.connected;
    if (!connected || connected.handle !== handle) return;
    this.connected = undefined;
    connected.gatt.close();
    this.peripheral.onDisconnect();
  }
}

/** Sends one L2CAP payload on a channel towards the host. */
export type FrameSender = (cid: number, payload: Buffer, sent?: () => void) => void;
