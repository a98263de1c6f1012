/**
 * One connection's link layer: ACL data is cut into link packets, exchanged in connection events, delivered in order.
 *
 * Paced, every exchange costs the air time of both packets and both inter-frame spaces; an event goes on while either
 * side has data, until its length ends; a lost packet ends the event and is repeated in the next. Unpaced, the same
 * packets pass as fast as the scheduler turns.
 *
 * Source: Bluetooth Core 5.2, Vol 6 Part B, 4.5 (connection events), 4.5.9 (acknowledgement), 5.1 (control procedures).
 */
import { exchangeUs, type Phy } from '../links/ble-air.js';
import type { Cancel, Scheduler } from '../target.js';
import type { Air } from './air.js';

/** Unpaced links turn this many exchanges before they let the rest of the process run. */
const UNPACED_BATCH = 64;
/** Control procedures with an instant take effect this many events after the request (Vol 6 Part B, 5.1.1). */
const INSTANT_EVENTS = 6;
export const DEFAULT_LINK_PAYLOAD = 27;

interface Item {
  readonly data: Buffer;
  sentBytes: number;
  /** Simulated time from which on it can be sent. */
  readonly readyMs: number;
  /** Runs when the last link packet of the item has arrived and is acknowledged. */
  readonly arrived: () => void;
  /** Runs for every link packet that arrived. */
  readonly part?: (first: boolean, bytes: Buffer) => void;
}

export interface LinkParameters {
  readonly intervalMs: number;
  readonly latency: number;
  readonly supervisionMs: number;
  /** Longest connection event the host allows; at most the interval. */
  readonly eventLengthMs: number;
}

export interface LinkStatistics {
  readonly packetsToDevice: number;
  readonly packetsToHost: number;
  /** Data packets by payload length, towards the device. */
  readonly toDeviceByLength: ReadonlyMap<number, number>;
  readonly toHostByLength: ReadonlyMap<number, number>;
  readonly lostPackets: number;
  /** Time on the air, milliseconds (0 when unpaced). */
  readonly airMs: number;
}

export interface LinkOptions {
  readonly scheduler: Scheduler;
  readonly air: Air;
  readonly paced: boolean;
  readonly parameters: LinkParameters;
  readonly lossRate: number;
  readonly random: () => number;
  /** The link is over: HCI reason as the host's controller reports it. Called once. */
  readonly ended: (reason: number) => void;
}

export class LinkConnection {
  #parameters: LinkParameters;
  maxToDevice = DEFAULT_LINK_PAYLOAD;
  maxToHost = DEFAULT_LINK_PAYLOAD;
  phy: Phy = 1;

  readonly #options: LinkOptions;
  readonly #toDevice: Item[] = [];
  readonly #toHost: Item[] = [];
  #anchorMs: number;
  readonly #lengths = { toDevice: new Map<number, number>(), toHost: new Map<number, number>() };
  #packets = { toDevice: 0, toHost: 0, lost: 0, airMs: 0 };
  #eventIndex = -1;
  #active = false;
  #latenessMs = 0;
  /** Simulated time while packets are handed over. */
  #deliveringMs: number | undefined;
  #cancelTimer: Cancel | undefined;
  #state: 'up' | 'silent' | 'ended' = 'up';

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#parameters = options.parameters;
    this.#anchorMs = options.scheduler.now();
  }

  get parameters(): LinkParameters {
    return this.#parameters;
  }

  /** New interval, latency or timeout: events are counted from now on. */
  set parameters(parameters: LinkParameters) {
    this.#parameters = parameters;
    this.#anchorMs = this.#options.scheduler.now();
    this.#eventIndex = -1;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  get statistics(): LinkStatistics {
    return {
      packetsToDevice: this.#packets.toDevice,
      packetsToHost: this.#packets.toHost,
      toDeviceByLength: this.#lengths.toDevice,
      toHostByLength: this.#lengths.toHost,
      lostPackets: this.#packets.lost,
      airMs: this.#packets.airMs,
    };
  }

  /** Queues one HCI ACL packet's data towards the device. */
  sendToDevice(data: Buffer, arrived: () => void): void {
    if (this.#state === 'ended') return;
    this.#toDevice.push({ data, sentBytes: 0, readyMs: this.#hostNowMs(), arrived });
    this.#wake();
  }

  /** Queues one L2CAP frame towards the host; `part` is called with each link packet's bytes. */
  sendToHost(data: Buffer, part: (first: boolean, bytes: Buffer) => void, arrived: () => void): void {
    if (this.#state !== 'up') return;
    this.#toHost.push({ data, sentBytes: 0, readyMs: this.#deviceNowMs(), part, arrived });
    this.#wake();
  }

  /** Runs a link-layer control procedure of the central: ahead of data, `done` when the peripheral has it. */
  control(bytes: number, instant: boolean, done: () => void): void {
    if (this.#state !== 'up') return;
    const arrived = (): void => {
      if (!instant || !this.#options.paced) return done();
      this.#options.scheduler.after(INSTANT_EVENTS * this.parameters.intervalMs, () => {
        if (this.#state === 'up') done();
      });
    };
    this.#insertControl({ data: Buffer.alloc(bytes), sentBytes: 0, readyMs: this.#hostNowMs(), arrived });
  }

  /** The host ends the link: what is queued is dropped. `told` runs when the peripheral knows. */
  terminateFromHost(reason: number, told: () => void): void {
    if (this.#state !== 'up') return; // a silent link ends by supervision timeout, whatever the host wants
    this.#toDevice.length = 0;
    this.#insertControl({
      data: Buffer.alloc(2),
      sentBytes: 0,
      readyMs: this.#hostNowMs(),
      arrived: () => {
        told();
        this.end(reason);
      },
    });
  }

  /** The peripheral ends the link, after what it has queued. */
  terminateFromDevice(reason: number): void {
    if (this.#state !== 'up') return;
    this.#toHost.push({
      data: Buffer.alloc(2),
      sentBytes: 0,
      readyMs: this.#deviceNowMs(),
      arrived: () => this.end(reason),
    });
    this.#wake();
  }

  /** Nothing passes any more; the host learns it after the supervision timeout. */
  fallSilent(reason: number, afterMs = this.parameters.supervisionMs): void {
    if (this.#state !== 'up') return;
    this.#state = 'silent';
    this.#toHost.length = 0;
    this.#options.scheduler.after(afterMs, () => this.end(reason));
  }

  end(reason: number | undefined): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#cancelTimer?.();
    this.#toDevice.length = 0;
    this.#toHost.length = 0;
    if (reason !== undefined) this.#options.ended(reason);
  }

  #insertControl(item: Item): void {
    // A packet half sent is finished first.
    const at = (this.#toDevice[0]?.sentBytes ?? 0) > 0 ? 1 : 0;
    this.#toDevice.splice(at, 0, item);
    this.#wake();
  }

  /** A real-time scheduler calls late; the host's quick reaction to a late call still belongs to the time it was due. */
  #hostNowMs(): number {
    return this.#deliveringMs ?? this.#options.scheduler.now() - this.#latenessMs;
  }

  /** What the device says at once, when something arrives, is said at that (simulated) time; else it is what the clock says. */
  #deviceNowMs(): number {
    return this.#deliveringMs ?? this.#options.scheduler.now();
  }

  /** When the first packet of either side can be sent; undefined when there is none. */
  #readyMs(): number | undefined {
    const ready = [this.#toDevice[0], this.#toHost[0]].flatMap((item) => (item ? [item.readyMs] : []));
    return ready.length === 0 ? undefined : Math.min(...ready);
  }

  #wake(): void {
    const readyMs = this.#readyMs();
    if (this.#active || this.#state !== 'up' || readyMs === undefined) return;
    this.#active = true;
    if (!this.#options.paced) {
      this.#later(0, () => this.#pump());
      return;
    }
    const next = Math.ceil((readyMs - this.#anchorMs) / this.parameters.intervalMs - 1e-9);
    this.#openEvent(Math.max(this.#eventIndex + 1, next));
  }

  #openEvent(index: number): void {
    const { scheduler, air } = this.#options;
    const { intervalMs, eventLengthMs } = this.parameters;
    const startMs = this.#anchorMs + index * intervalMs;
    this.#later(startMs - scheduler.now(), () => {
      this.#eventIndex = index;
      this.#latenessMs = Math.max(0, scheduler.now() - startMs);
      const endMs = startMs + Math.min(intervalMs, eventLengthMs);
      air.request(startMs, (grantedMs) => this.#exchange(grantedMs, endMs, true));
    });
  }

  #exchange(startMs: number, endMs: number, first: boolean): void {
    const { scheduler, air } = this.#options;
    const toDevice = this.#peek(this.#toDevice, this.maxToDevice, startMs);
    const toHost = this.#peek(this.#toHost, this.maxToHost, startMs);
    const durationMs = exchangeUs(toDevice?.length ?? 0, toHost?.length ?? 0, this.phy) / 1000;
    const fits = startMs + durationMs <= endMs + 1e-9;
    if (this.#state !== 'up' || (!first && !fits)) {
      air.release(startMs);
      this.#closeEvent();
      return;
    }
    const doneMs = startMs + durationMs;
    this.#packets.airMs += durationMs;
    this.#cancelTimer = undefined;
    scheduler.after(doneMs - scheduler.now(), () => {
      this.#latenessMs = Math.max(0, scheduler.now() - doneMs);
      this.#deliveringMs = doneMs;
      const passed = this.#state === 'up' && this.#deliver(toDevice, toHost);
      this.#deliveringMs = undefined;
      if (passed && this.#state === 'up' && (this.#readyMs() ?? Infinity) <= doneMs) {
        // Back to the end of the queue: connections on the same radio take turns.
        air.release(doneMs);
        air.request(doneMs, (grantedMs) => this.#exchange(grantedMs, endMs, false));
        return;
      }
      air.release(doneMs);
      this.#closeEvent();
    });
  }

  #closeEvent(): void {
    this.#active = false;
    this.#wake();
  }

  #pump(): void {
    for (let turn = 0; turn < UNPACED_BATCH && this.#state === 'up' && this.#readyMs() !== undefined; turn++) {
      this.#deliver(
        this.#peek(this.#toDevice, this.maxToDevice, Infinity),
        this.#peek(this.#toHost, this.maxToHost, Infinity),
      );
    }
    this.#active = false;
    this.#wake();
  }

  #peek(
    queue: readonly Item[],
    limit: number,
    atMs: number,
  ): { readonly item: Item; readonly length: number } | undefined {
    const item = queue[0];
    if (!item || item.readyMs > atMs) return undefined;
    return { item, length: Math.min(limit, item.data.length - item.sentBytes) };
  }

  /** @returns false when a packet was lost, which ends the event. */
  #deliver(
    toDevice: { item: Item; length: number } | undefined,
    toHost: { item: Item; length: number } | undefined,
  ): boolean {
    if (this.#isLost()) return false;
    if (toDevice) this.#pass(this.#toDevice, toDevice, 'toDevice');
    if (this.#state !== 'up') return true;
    if (this.#isLost()) return false;
    if (toHost) this.#pass(this.#toHost, toHost, 'toHost');
    return true;
  }

  #pass(queue: Item[], { item, length }: { item: Item; length: number }, direction: 'toDevice' | 'toHost'): void {
    if (queue[0] !== item) return; // dropped meanwhile
    const first = item.sentBytes === 0;
    const bytes = item.data.subarray(item.sentBytes, item.sentBytes + length);
    item.sentBytes += length;
    this.#packets[direction]++;
    const lengths = this.#lengths[direction];
    lengths.set(length, (lengths.get(length) ?? 0) + 1);
    item.part?.(first, bytes);
    if (item.sentBytes < item.data.length) return;
    queue.shift();
    item.arrived();
  }

  #isLost(): boolean {
    const { lossRate, random } = this.#options;
    if (lossRate <= 0 || random() >= lossRate) return false;
    this.#packets.lost++;
    return true;
  }

  #later(delayMs: number, fn: () => void): void {
    this.#cancelTimer = this.#options.scheduler.after(Math.max(0, delayMs), () => {
      this.#cancelTimer = undefined;
      fn();
    });
  }
}
