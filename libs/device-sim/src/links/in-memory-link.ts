/** The promise form of a simulated link: dfu-core's `Link`, for drivers under test. */
import {
  LinkError,
  type Channel,
  type LineSettings,
  type Link,
  type LinkInfo,
  type LinkKind,
  type OpenLink,
  type ReconnectHint,
} from '@drydock/dfu-core';
import type { Scheduler, SimulatedDevice } from '../target.js';
import type { LinkModel } from './link-model.js';
import { defaultLinkOf, openSimulatedPort, type Neighbourhood } from './open-port.js';
import type { PortDone, PortResult, SimulatedPort } from './simulated-port.js';

export interface InMemoryLinkOptions {
  /** The scheduler of the device: real, or virtual and moved by the test (`runUntilSettled`). */
  readonly scheduler: Scheduler;
  readonly link?: LinkKind;
  readonly model?: LinkModel;
  readonly portName?: string;
  readonly others?: readonly SimulatedDevice[];
  /** Frames that may wait unread before the newest are dropped. Default 1024. */
  readonly frameQueue?: number;
}

export function createInMemoryLink(device: SimulatedDevice, options: InMemoryLinkOptions): Link {
  const kind = options.link ?? defaultLinkOf(device);
  const portName = options.portName ?? `sim:${device.hardwareId}`;
  const place: Neighbourhood = {
    scheduler: options.scheduler,
    device,
    link: kind,
    model: options.model ?? {},
    portName,
    ...(options.others ? { others: options.others } : {}),
  };
  let own = device.ble?.advertisement()?.address;
  return {
    kind,
    name: portName,
    open: (hint: ReconnectHint, withinMs: number) =>
      new Promise<OpenLink>((resolve, reject) => {
        const inbox = new Inbox(options.scheduler, options.frameQueue ?? 1024);
        const stopTimer = options.scheduler.after(withinMs, () => {
          stopLooking();
          reject(new LinkError('link.not-found', { link: portName, withinMs }));
        });
        const stopLooking = openSimulatedPort(place, hint, own, inbox, (port) => {
          stopTimer();
          if (port.info.kind === 'ble') own = port.info.identity.value;
          resolve(new InMemoryOpenLink(options.scheduler, port, inbox));
        });
      }),
  };
}

interface Frame {
  readonly channel: Channel;
  readonly bytes: Uint8Array;
}

/** Frames in order of arrival, and the one who waits for them. */
class Inbox {
  readonly closedPromise: Promise<void>;
  readonly #scheduler: Scheduler;
  readonly #limit: number;
  readonly #frames: Frame[] = [];
  #isClosed = false;
  #settleClosed: () => void = () => undefined;
  #look: () => void = () => undefined;

  constructor(scheduler: Scheduler, limit: number) {
    this.#scheduler = scheduler;
    this.#limit = limit;
    this.closedPromise = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  frame(channel: Channel, bytes: Uint8Array): void {
    if (this.#frames.length < this.#limit) this.#frames.push({ channel, bytes });
    this.#look();
  }

  closed(): void {
    this.#isClosed = true;
    this.#settleClosed();
    this.#look();
  }

  receive(channels: readonly Channel[], withinMs: number): Promise<Frame | undefined> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.#scheduler.after(withinMs, () => {
        this.#look = () => undefined;
        resolve(undefined);
      });
      const finish = (settle: () => void): void => {
        stopTimer();
        this.#look = () => undefined;
        settle();
      };
      this.#look = () => {
        const at = this.#frames.findIndex((frame) => channels.includes(frame.channel));
        const found = at < 0 ? undefined : this.#frames.splice(at, 1)[0];
        if (found) finish(() => resolve(found));
        else if (this.#isClosed) finish(() => reject(new LinkError('link.lost', { detail: 'the link is closed' })));
      };
      this.#look();
    });
  }
}

class InMemoryOpenLink implements OpenLink {
  readonly info: LinkInfo;
  readonly closed: Promise<void>;
  readonly #scheduler: Scheduler;
  readonly #port: SimulatedPort;
  readonly #inbox: Inbox;

  constructor(scheduler: Scheduler, port: SimulatedPort, inbox: Inbox) {
    this.info = port.info;
    this.closed = inbox.closedPromise;
    this.#scheduler = scheduler;
    this.#port = port;
    this.#inbox = inbox;
  }

  async send(channel: Channel, bytes: Uint8Array, options: { acknowledged: boolean; withinMs: number }): Promise<void> {
    await this.#call(options.withinMs, `send on ${channel}`, (done) =>
      this.#port.send(channel, bytes, options.acknowledged, done),
    );
  }

  async subscribe(channel: Channel, withinMs: number): Promise<void> {
    await this.#call(withinMs, `subscribe to ${channel}`, (done) => this.#port.subscribe(channel, done));
  }

  async query(channel: Channel, withinMs: number): Promise<Uint8Array> {
    const result = await this.#call(withinMs, `read of ${channel}`, (done) => this.#port.query(channel, done));
    return result.bytes ?? new Uint8Array();
  }

  async configure(line: LineSettings, withinMs: number): Promise<void> {
    await this.#call(withinMs, 'line settings', (done) => this.#port.configure(line, done));
  }

  receive(channels: readonly Channel[], withinMs: number): Promise<Frame | undefined> {
    return this.#inbox.receive(channels, withinMs);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#port.close(() => {
        this.#inbox.closed();
        resolve();
      });
    });
  }

  #call(
    withinMs: number,
    detail: string,
    perform: (done: PortDone) => void,
  ): Promise<Extract<PortResult, { ok: true }>> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.#scheduler.after(withinMs, () =>
        reject(new LinkError('link.timeout', { withinMs, detail })),
      );
      perform((result) => {
        stopTimer();
        if (result.ok) resolve(result);
        else reject(new LinkError(result.code, result.params));
      });
    });
  }
}
