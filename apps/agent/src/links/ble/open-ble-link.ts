/**
 * An open Bluetooth link: characteristics as channels.
 *
 * ATT knows one request at a time, so all that is sent passes through one queue, in order. Write commands are given to
 * noble only while the controller's own buffer (which the tap counts) has room for this link; a few are always ahead,
 * so that the air is never idle.
 */
import {
  InvariantError,
  LinkError,
  TargetRefusedError,
  type Channel,
  type DrydockError,
  type LinkInfo,
  type OpenLink,
} from '@drydock/dfu-core';
import { FrameQueue } from '../frame-queue.js';
import { type BleHost, within } from './ble-host.js';
import type { FoundPeripheral } from './ble-scanner.js';
import { AttOpcode } from './hci-wire.js';
import type { NobleCharacteristic } from './noble-types.js';
import type { SecuredLink } from './security-policy.js';
import type { AttRefusal, TappedConnection } from './tapped-connection.js';

const DEFAULT_MTU = 23;
const ATT_WRITE_HEADER = 3;
/** Write commands that may wait in noble, so that the next leaves as soon as the controller has room. */
const READY_AHEAD = 2;
/** ATT errors that ask for a bond or encryption (Core, Vol 3 Part F, 3.4.1.1). */
const SECURITY_ERRORS = new Set([0x05, 0x08, 0x0c, 0x0f]);
/** The application decides by something else than keys. */
const INSUFFICIENT_AUTHORIZATION = 0x08;
const ATTRIBUTE_NOT_FOUND = 0x0a;
const CLOSE_WITHIN_MS = 1500;

interface Job {
  /** Starts; `undefined` = waits for room in the controller. */
  readonly begin: () => boolean;
  /** Requests hold the queue until they are answered. */
  readonly request: boolean;
  /** Nobody waits for it any more. */
  abandoned: boolean;
}

export class OpenBleLink implements OpenLink {
  readonly closed: Promise<void>;
  /** How far the link is secured; refusals are told by it. */
  secured: SecuredLink = { level: 'unencrypted', bondLost: false };
  readonly #adapter: BleHost;
  readonly #found: FoundPeripheral;
  readonly #connection: TappedConnection;
  readonly #frames = new FrameQueue();
  readonly #jobs: Job[] = [];
  readonly #failures = new Set<(error: DrydockError) => void>();
  readonly #unregister: () => void;
  #characteristics: ReadonlyMap<Channel, NobleCharacteristic> = new Map();
  #info: LinkInfo | undefined;
  #current: { readonly job: Job; readonly refuse: (refusal: AttRefusal) => void } | undefined;
  #gone: LinkError | undefined;
  #resolveClosed: () => void = () => undefined;

  constructor(adapter: BleHost, found: FoundPeripheral, connection: TappedConnection) {
    this.#adapter = adapter;
    this.#found = found;
    this.#connection = connection;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    connection.watch({
      room: () => this.#advance(),
      refused: (refusal) => this.#current?.refuse(refusal),
      gone: (detail) => this.#end(detail),
    });
    this.#unregister = adapter.onClose(() => this.close());
  }

  get info(): LinkInfo {
    if (!this.#info) throw new InvariantError('a link is used before it is open');
    return this.#info;
  }

  /** Negotiated so far: link payload, PHY, packets in flight. For benches and people who wonder. */
  get radio(): { linkPayloadBytes: number; phy: number; inFlight: number; intervalMs: number } {
    const { linkPayloadBytes, phy, inFlight, intervalMs } = this.#connection;
    return { linkPayloadBytes, phy, inFlight, intervalMs };
  }

  /** Runs the discovery and opens. @throws LinkError when the link is lost or the time is over. */
  async start(
    discovery: (gone: Promise<never>) => Promise<ReadonlyMap<Channel, NobleCharacteristic>>,
    withinMs: number,
  ): Promise<void> {
    const { sighting, peripheral } = this.#found;
    await this.#bounded<void>(withinMs, 'discovery', (resolve, reject) => {
      const gone = new Promise<never>((_, fail) => this.#failures.add(fail));
      discovery(gone).then((found) => {
        this.#characteristics = found;
        resolve();
      }, reject);
    });
    this.#info = {
      kind: 'ble',
      maxWriteBytes: Math.max(DEFAULT_MTU, peripheral.mtu ?? DEFAULT_MTU) - ATT_WRITE_HEADER,
      channels: [...this.#characteristics.keys()],
      identity: { kind: 'ble-address', value: sighting.address },
      ...(sighting.name === undefined ? {} : { name: sighting.name }),
      ...(sighting.deviceAddress === undefined ? {} : { deviceAddress: sighting.deviceAddress }),
    };
  }

  send(
    channel: Channel,
    bytes: Uint8Array,
    { acknowledged, withinMs }: { acknowledged: boolean; withinMs: number },
  ): Promise<void> {
    const characteristic = this.#characteristics.get(channel);
    if (!characteristic) return Promise.reject(new LinkError('link.no-such-channel', { channel }));
    const limit = this.info.maxWriteBytes;
    if (bytes.length > limit) {
      return Promise.reject(new InvariantError(`a write of ${bytes.length} bytes does not fit ${limit}`));
    }
    const data = Buffer.from(bytes);
    if (acknowledged) {
      return this.#request(channel, 'write', [AttOpcode.Write], characteristic, 'write', withinMs, () =>
        characteristic.write(data, false),
      ).then(() => undefined);
    }
    return this.#command(characteristic, data, withinMs);
  }

  async subscribe(channel: Channel, withinMs: number): Promise<void> {
    const characteristic = this.#characteristics.get(channel);
    if (!characteristic) throw new LinkError('link.no-such-channel', { channel });
    const onData = (data: Buffer, isNotification: boolean): void => {
      if (isNotification) this.#frames.push({ channel, bytes: Uint8Array.from(data) });
    };
    // Before the configuration is written: the device may speak as soon as it has it.
    characteristic.removeAllListeners('data');
    characteristic.on('data', onData);
    await this.#request(
      channel,
      'subscribe',
      [AttOpcode.ReadByType, AttOpcode.Write],
      characteristic,
      'notify',
      withinMs,
      () => characteristic.subscribe(),
    );
  }

  async query(channel: Channel, withinMs: number): Promise<Uint8Array> {
    const characteristic = this.#characteristics.get(channel);
    if (!characteristic) throw new LinkError('link.no-such-channel', { channel });
    const data = await this.#request(channel, 'read', [AttOpcode.Read], characteristic, 'read', withinMs, () =>
      characteristic.read(),
    );
    return Uint8Array.from(data as Buffer);
  }

  async configure(): Promise<void> {
    // A radio link has no line settings.
  }

  receive(
    channels: readonly Channel[],
    withinMs: number,
  ): Promise<{ channel: Channel; bytes: Uint8Array } | undefined> {
    return this.#frames.receive(channels, withinMs);
  }

  rssiDbm(): Promise<number | undefined> {
    return this.#gone ? Promise.resolve(undefined) : this.#adapter.readRssi(this.#connection);
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    this.#adapter.terminate(this.#connection);
    await within(this.#adapter.clock, CLOSE_WITHIN_MS, this.closed);
    // A link that fell silent is given up by the controller later; nobody waits for that here.
    this.#end('closed by this host');
  }

  /** Lets go at once; the controller ends the connection when it can. */
  abandon(): void {
    this.#end('given up');
  }

  /** A write command: resolves when it is inside the window of what the controller takes. */
  #command(characteristic: NobleCharacteristic, data: Buffer, withinMs: number): Promise<void> {
    const packets = this.#adapter.packetsFor(data.length + ATT_WRITE_HEADER);
    const begin = (): boolean => {
      const { inFlight } = this.#connection;
      if (inFlight > 0 && inFlight + packets > this.#adapter.window + READY_AHEAD) return false;
      this.#connection.handOver();
      characteristic.write(data, true);
      return true;
    };
    // Most find room at once: those need neither a timer nor a place in the queue.
    if (!this.#gone && !this.#current && this.#jobs.length === 0 && begin()) return Promise.resolve();
    return this.#bounded(withinMs, 'the controller takes no more', (resolve) => {
      const job: Job = {
        request: false,
        abandoned: false,
        begin: () => {
          if (!begin()) return false;
          resolve();
          return true;
        },
      };
      this.#jobs.push(job);
      this.#advance();
      return () => {
        job.abandoned = true;
      };
    });
  }

  /** One ATT request. A late answer to one that was given up still frees the queue, and belongs to nobody else. */
  #request(
    channel: Channel,
    what: 'write' | 'read' | 'subscribe',
    opcodes: readonly number[],
    characteristic: NobleCharacteristic,
    event: 'write' | 'read' | 'notify',
    withinMs: number,
    perform: () => void,
  ): Promise<unknown> {
    return this.#bounded(withinMs, `no answer to ${what} of ${channel}`, (resolve, reject) => {
      const settled = (): void => {
        characteristic.removeListener(event, onAnswer);
        if (this.#current?.job === job) this.#current = undefined;
      };
      const onAnswer = (value: unknown, isNotification?: boolean): void => {
        if (event === 'read' && isNotification === true) return;
        settled();
        resolve(value);
        this.#advance();
      };
      const refuse = (refusal: AttRefusal): void => {
        if (!opcodes.includes(refusal.request)) return;
        settled();
        reject(refusalError(what, channel, refusal, this.secured));
        // noble lets go of its own command when this packet reaches it, right after us.
        queueMicrotask(() => this.#advance());
      };
      const job: Job = {
        request: true,
        abandoned: false,
        begin: () => {
          this.#current = { job, refuse };
          characteristic.on(event, onAnswer);
          perform();
          return true;
        },
      };
      this.#jobs.push(job);
      this.#advance();
      return () => {
        job.abandoned = true;
      };
    });
  }

  #advance(): void {
    while (!this.#gone && !this.#current) {
      const job = this.#jobs[0];
      if (!job) return;
      if (job.abandoned) {
        this.#jobs.shift();
        continue;
      }
      // Taken out first: what it starts may come back here at once.
      this.#jobs.shift();
      if (!job.begin()) {
        this.#jobs.unshift(job);
        return;
      }
    }
  }

  /** Races the work against the loss of the link and the time. `work` may return what calls it off. */
  #bounded<T>(
    withinMs: number,
    detail: string,
    work: (resolve: (value: T | PromiseLike<T>) => void, reject: (error: unknown) => void) => (() => void) | void,
  ): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise<T>((resolve, reject) => {
      const started: { callOff?: (() => void) | void } = {};
      const finish = (): void => {
        callOff();
        this.#failures.delete(fail);
      };
      const fail = (error: unknown): void => {
        finish();
        started.callOff?.();
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const callOff = this.#adapter.clock.after(withinMs, () =>
        fail(new LinkError('link.timeout', { withinMs, detail })),
      );
      this.#failures.add(fail);
      started.callOff = work((value) => {
        finish();
        resolve(value);
      }, fail);
    });
  }

  #end(detail: string): void {
    if (this.#gone) return;
    const error = new LinkError('link.lost', { detail });
    this.#gone = error;
    this.#adapter.terminate(this.#connection);
    this.#adapter.release(this.#found, this.#connection);
    this.#unregister();
    this.#jobs.length = 0;
    this.#current = undefined;
    for (const characteristic of this.#characteristics.values()) characteristic.removeAllListeners();
    for (const fail of [...this.#failures]) fail(error);
    this.#failures.clear();
    this.#frames.close(detail);
    this.#resolveClosed();
  }
}

function refusalError(
  what: string,
  channel: Channel,
  { request, code }: AttRefusal,
  { level, bondLost }: SecuredLink,
): DrydockError {
  if (SECURITY_ERRORS.has(code)) {
    if (bondLost) return new LinkError('link.bond-lost', { detail: `it wants encryption for ${channel}` });
    if (level === 'encrypted' && code !== INSUFFICIENT_AUTHORIZATION) {
      const detail = `the device wants more for ${channel}: pair with its passkey, or compare numbers`;
      return new LinkError('link.security-level', { expected: 'authenticated', actual: level, detail });
    }
    return new LinkError('link.auth-required', { channel });
  }
  if (what === 'subscribe' && request === AttOpcode.ReadByType && code === ATTRIBUTE_NOT_FOUND) {
    return new LinkError('link.no-such-channel', { channel });
  }
  return new TargetRefusedError(`${what} ${channel}`, code, `ATT error 0x${code.toString(16).padStart(2, '0')}`);
}
