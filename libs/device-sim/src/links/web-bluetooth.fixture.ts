/**
 * A simulated peripheral behind the part of the Web Bluetooth interface that hosts from elsewhere are written for.
 *
 * Source: Web Bluetooth Community Group, "Web Bluetooth", sections 4 (device discovery) and 5 (GATT interaction).
 */
import type { SimulatedDevice, Scheduler } from '../target.js';
import type { LinkModel } from './link-model.js';
import { openSimulatedPort } from './open-port.js';
import type { PortResult, SimulatedPort } from './simulated-port.js';

type Listener = (event: { readonly target: unknown }) => void;

class Emitter {
  readonly #listeners = new Map<string, Set<Listener>>();

  addEventListener(name: string, listener: Listener): void {
    this.#listeners.set(name, (this.#listeners.get(name) ?? new Set()).add(listener));
  }

  emit(name: string): void {
    for (const listener of this.#listeners.get(name) ?? []) listener({ target: this });
  }
}

/** `xxxxxxxx-xxxx-...` of a channel; 16-bit ones over the Bluetooth base. */
function uuidOf(channel: string): string {
  const full = channel.length === 4 ? `0000${channel}00001000800000805f9b34fb` : channel;
  return full.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const uuidAsked = (asked: number | string): string =>
  typeof asked === 'number' ? uuidOf(asked.toString(16).padStart(4, '0')) : asked.toLowerCase();

const bytesOf = (value: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice()
    : new Uint8Array(value).slice();

export class WebCharacteristic extends Emitter {
  readonly uuid: string;
  readonly properties: Readonly<Record<string, boolean>>;
  value: DataView | undefined;

  constructor(
    readonly channel: string,
    properties: readonly string[],
    readonly port: () => SimulatedPort,
  ) {
    super();
    this.uuid = uuidOf(channel);
    this.properties = Object.fromEntries(
      properties.map((name) => [name === 'write-without-response' ? 'writeWithoutResponse' : name, true]),
    );
  }

  async startNotifications(): Promise<this> {
    await settled((done) => this.port().subscribe(this.channel, done));
    return this;
  }

  /** With a response where the characteristic gives one. */
  writeValue(value: ArrayBuffer | ArrayBufferView): Promise<void> {
    return this.#write(value, this.properties['write'] === true);
  }

  writeValueWithoutResponse(value: ArrayBuffer | ArrayBufferView): Promise<void> {
    return this.#write(value, false);
  }

  #write(value: ArrayBuffer | ArrayBufferView, acknowledged: boolean): Promise<void> {
    return settled((done) => this.port().send(this.channel, bytesOf(value), acknowledged, done));
  }
}

function settled(start: (done: (result: PortResult) => void) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    start((result) => (result.ok ? resolve() : reject(new Error(`${result.code} ${JSON.stringify(result.params)}`)))),
  );
}

export class WebDevice extends Emitter {
  readonly #scheduler: Scheduler;
  readonly #device: SimulatedDevice;
  readonly #model: LinkModel;
  #port: SimulatedPort | undefined;
  #services = new Map<string, readonly WebCharacteristic[]>();

  constructor(
    scheduler: Scheduler,
    device: SimulatedDevice,
    model: LinkModel,
    readonly id: string,
    readonly name: string | undefined,
  ) {
    super();
    this.#scheduler = scheduler;
    this.#device = device;
    this.#model = model;
  }

  readonly gatt = {
    connected: false,
    connect: () => this.#connect(),
    disconnect: () => {
      this.#port?.close(() => this.#gone());
    },
    getPrimaryService: (asked: number | string) => {
      const found = this.#services.get(uuidAsked(asked));
      if (!found) return Promise.reject(new Error(`no service ${uuidAsked(asked)}`));
      return Promise.resolve({
        getCharacteristics: () => Promise.resolve([...found]),
        getCharacteristic: (uuid: number | string) => {
          const one = found.find((each) => each.uuid === uuidAsked(uuid));
          return one ? Promise.resolve(one) : Promise.reject(new Error(`no characteristic ${uuidAsked(uuid)}`));
        },
      });
    },
  };

  #connect(): Promise<WebDevice['gatt']> {
    return new Promise((resolve) => {
      const events = {
        frame: (channel: string, bytes: Uint8Array): void => {
          const found = [...this.#services.values()].flat().find((each) => each.channel === channel);
          if (!found) return;
          found.value = new DataView(Uint8Array.from(bytes).buffer);
          found.emit('characteristicvaluechanged');
        },
        closed: (): void => this.#gone(),
      };
      const place = {
        scheduler: this.#scheduler,
        device: this.#device,
        link: 'ble',
        model: this.#model,
        portName: '',
      } as const;
      openSimulatedPort(place, { addresses: [this.id] }, undefined, events, (port) => {
        this.#port = port;
        this.gatt.connected = true;
        this.#services = new Map(
          (this.#device.ble?.services() ?? []).map(({ uuid, characteristics }) => [
            uuidOf(uuid),
            characteristics.map((each) => new WebCharacteristic(each.uuid, each.properties, () => port)),
          ]),
        );
        resolve(this.gatt);
      });
    });
  }

  #gone(): void {
    if (!this.gatt.connected) return;
    this.gatt.connected = false;
    this.#port = undefined;
    this.emit('gattserverdisconnected');
  }
}

/**
 * `navigator.bluetooth` of a place where this device is the only one. A person chooses, and sees the device as new only
 * when the connection of before is gone.
 */
export function simulatedBluetooth(
  scheduler: Scheduler,
  device: SimulatedDevice,
  model: LinkModel = {},
): { requestDevice(options?: unknown): Promise<WebDevice> } {
  let chosen: WebDevice | undefined;
  return {
    requestDevice: () =>
      new Promise((resolve) => {
        const look = (): void => {
          const seen = chosen?.gatt.connected === true ? undefined : device.ble?.advertisement();
          if (!seen) return void scheduler.after(20, look);
          chosen = new WebDevice(scheduler, device, model, seen.address, seen.name);
          resolve(chosen);
        };
        look();
      }),
  };
}
