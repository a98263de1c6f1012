/**
 * A Bluetooth adapter of the gateway: looks around, and opens links, several at once, over noble.
 *
 * Every wait has an end: noble itself leaves calls pending for ever when a link is lost or a device is absent.
 */
import { DrydockError, LinkError, type Link, type Sighting } from '@drydock/dfu-core';
import { realClock, sleep, type Clock } from '../../clock.js';
import { formatBleLinkName, parseAdapterName } from './adapter-name.js';
import { type BleHost, within } from './ble-host.js';
import { BleLink, type BleLinkOptions } from './ble-link.js';
import type { BondStore } from './bond-store.js';
import { BleScanner, type FoundPeripheral } from './ble-scanner.js';
import { type BytePort, openBytePort } from './byte-port.js';
import { HciTap, type TapOptions } from './hci-tap.js';
import { H4Transport, type HciTransport, KernelTransport } from './hci-transport.js';
import { LinkSecurity, type PairedDevice } from './link-security.js';
import { loadNoble, type NobleInstance } from './noble-instance.js';
import type { NoblePeripheral } from './noble-types.js';
import { OpenBleLink } from './open-ble-link.js';
import type { PairingWish } from './pairing/pair.js';
import type { SecuredLink, SecurityPolicy } from './security-policy.js';
import { powerOn } from './power-on.js';
import { matcherFor } from './target-match.js';
import type { TappedConnection } from './tapped-connection.js';

export interface BleAdapterOptions extends TapOptions {
  readonly clock?: Clock;
  /** Where warnings of the stack go. Default: nowhere. */
  readonly log?: (message: string) => void;
  /** The keys of devices that this gateway paired with; their links are encrypted as soon as they are up. */
  readonly bonds?: BondStore;
  /** The controller refused one more connection beside so many that it has. */
  readonly onFull?: (connections: number) => void;
}

/** What a person who pairs wants and can do. */
export type BondWish = Pick<PairingWish, 'minimum' | 'person'>;

/** A device that was just heard answers within a few of its advertising intervals. */
const CONNECT_WITHIN_MS = 4000;
const CANCEL_WITHIN_MS = 2000;
/** The longest supervision timeout is 32 s; ours are 4. A connection that should have ended by then never will. */
const ENDS_WITHIN_MS = 20_000;

export class BleAdapter implements BleHost {
  readonly name: string;
  /** Settles when the adapter is gone, whoever ended it. Never rejects. */
  readonly closed: Promise<void>;
  readonly clock: Clock;
  readonly #tap: HciTap;
  readonly #stack: NobleInstance;
  readonly #scanner: BleScanner;
  readonly #security: LinkSecurity;
  /** Ids of peripherals that are connected or being connected. */
  readonly #inUse = new Set<string>();
  readonly #closers = new Set<() => Promise<void>>();
  readonly #goneListeners = new Set<() => void>();
  #connecting: Promise<void> = Promise.resolve();
  #probing: Promise<void> | undefined;
  /** How many connections there were whenever one more was refused while one was being made. */
  #refusals: number[] = [];
  #gone: string | undefined;
  #resolveClosed: () => void = () => undefined;

  private constructor(
    name: string,
    tap: HciTap,
    stack: NobleInstance,
    clock: Clock,
    security: LinkSecurity,
    private readonly onFull: ((connections: number) => void) | undefined,
  ) {
    this.#security = security;
    this.name = name;
    this.clock = clock;
    this.#tap = tap;
    this.#stack = stack;
    this.#scanner = new BleScanner(
      stack,
      () => this.#inUse,
      (address) => tap.statedAddresses.of(address),
      (address) => this.#security.deviceOf(address),
      () => void this.#probe(),
    );
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    tap.once('closed', (detail) => this.#lost(detail));
    tap.on('full', (connections) => {
      this.#refusals.push(connections);
      this.onFull?.(connections);
    });
  }

  /** Why the adapter is gone; undefined while it is there. */
  get goneBecause(): string | undefined {
    return this.#gone;
  }

  /**
   * @param name `hci0` | `h4:serial:PATH,BAUD` | `h4:tcp:HOST:PORT` | `h4:unix:PATH`
   * @throws DrydockError `settings.invalid` for another name; LinkError `link.ble-unavailable` when it cannot be used.
   */
  static async open(name: string, options: BleAdapterOptions = {}): Promise<BleAdapter> {
    const parsed = parseAdapterName(name);
    if (parsed.kind === 'kernel')
      return BleAdapter.#start(name, new KernelTransport(parsed.index), options, parsed.index);
    return BleAdapter.overPort(name, await openBytePort(parsed), options);
  }

  /** An adapter whose controller speaks H4 on the port. @throws LinkError `link.ble-unavailable` */
  static async overPort(name: string, port: BytePort, options: BleAdapterOptions = {}): Promise<BleAdapter> {
    return BleAdapter.#start(name, new H4Transport(port), options);
  }

  static async #start(
    name: string,
    transport: HciTransport,
    options: BleAdapterOptions,
    deviceId?: number,
  ): Promise<BleAdapter> {
    const log = options.log ?? (() => undefined);
    const { bonds } = options;
    const tap = new HciTap(
      transport,
      bonds ? { randomAddress: () => bonds.ownRandomAddress(), ...options } : options,
      log,
    );
    let stack: NobleInstance | undefined;
    try {
      await tap.prepare();
      stack = loadNoble(tap.socketClass(), log, deviceId);
      await powerOn(stack);
      const security = new LinkSecurity(tap.security, bonds, log);
      return new BleAdapter(name, tap, stack, options.clock ?? realClock, security, options.onFull);
    } catch (cause) {
      stack?.dispose();
      await tap.close();
      if (cause instanceof DrydockError) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new LinkError('link.ble-unavailable', { detail }, { cause });
    }
  }

  /**
   * Reports what advertises, once when seen and again when its name or services change, until the time is over, the
   * signal comes or the adapter is gone. Links stay up meanwhile.
   */
  async scan(withinMs: number, onSighting: (sighting: Sighting) => void, signal?: AbortSignal): Promise<void> {
    this.#check();
    await this.#security.refresh();
    const seen = new Map<string, string>();
    const stop = this.#scanner.listen(({ sighting }) => {
      const face = JSON.stringify([sighting.name, [...sighting.services].sort()]);
      if (seen.get(sighting.address) === face) return;
      seen.set(sighting.address, face);
      onSighting(sighting);
    });
    try {
      await this.pause(withinMs, signal);
    } finally {
      stop();
    }
  }

  /** A device by its address. Nothing is opened yet. */
  link(address: string, options: BleLinkOptions = {}): Link {
    const own = address.toLowerCase();
    return new BleLink(this, formatBleLinkName({ address: own, addressType: options.addressType }), own, options);
  }

  /**
   * Pairs with a device and keeps the bond. The device must be willing, which is up to its firmware.
   * @param address of the device, or one that it uses just now.
   * @throws LinkError `link.not-found`, and as `LinkSecurity.pair`.
   */
  async bond(
    address: string,
    options: BleLinkOptions,
    withinMs: number,
    wish: BondWish = { minimum: 'encrypted' },
  ): Promise<PairedDevice> {
    const own = address.toLowerCase();
    const deadline = this.clock.monotonicMs() + withinMs;
    const matches = matcherFor(own, {});
    const found = await this.find(withinMs, ({ sighting, addressType, peripheral }) => {
      if (options.addressType !== undefined && addressType !== options.addressType) return false;
      return matches(sighting) || peripheral.address.toLowerCase() === own;
    });
    if (!found)
      throw new LinkError('link.not-found', {
        link: formatBleLinkName({ address: own, addressType: options.addressType }),
        withinMs,
      });
    const connection = await this.connect(found, Math.max(1, deadline - this.clock.monotonicMs()));
    const link = new OpenBleLink(this, found, connection);
    try {
      return await this.#security.pair(connection, found.sighting.address, wish);
    } finally {
      await link.close();
    }
  }

  secure(
    { sighting }: FoundPeripheral,
    connection: TappedConnection,
    policy: SecurityPolicy,
    withinMs: number,
  ): Promise<SecuredLink> {
    return this.#security.secure(connection, sighting.address, policy, withinMs);
  }

  /** Ends scanning and all links, and lets the controller go. Nothing of it is left. */
  async close(): Promise<void> {
    if (this.#gone === undefined) {
      await Promise.all([this.#scanner.close(), ...[...this.#closers].map((close) => close())]);
    }
    this.#lost('the adapter was closed');
    await this.#tap.close();
  }

  async find(
    withinMs: number,
    matches: (found: FoundPeripheral) => boolean,
    signal?: AbortSignal,
  ): Promise<FoundPeripheral | undefined> {
    this.#check();
    await this.#security.refresh();
    return new Promise((resolve) => {
      const end = (): void => finish(undefined);
      const finish = (found: FoundPeripheral | undefined): void => {
        callOff();
        stop();
        forget();
        signal?.removeEventListener('abort', end);
        resolve(found);
      };
      const stop = this.#scanner.listen((found) => {
        if (!this.#inUse.has(found.peripheral.id) && matches(found)) finish(found);
      });
      const callOff = this.clock.after(withinMs, end);
      const forget = this.#onGone(end);
      signal?.addEventListener('abort', end);
      if (signal?.aborted) end();
    });
  }

  async connect({ peripheral, sighting }: FoundPeripheral, withinMs: number): Promise<TappedConnection> {
    const deadline = this.clock.monotonicMs() + withinMs;
    const link = formatBleLinkName({ address: sighting.address, addressType: undefined });
    if (this.#inUse.has(peripheral.id)) throw new LinkError('link.busy', { link });
    this.#inUse.add(peripheral.id);
    const turn = this.#connecting;
    let done: () => void = () => undefined;
    this.#connecting = new Promise((resolve) => {
      done = resolve;
    });
    let resume: () => void = () => undefined;
    try {
      await within(this.clock, withinMs, turn);
      const leftMs = deadline - this.clock.monotonicMs();
      if (leftMs <= 0) throw new LinkError('link.timeout', { withinMs, detail: 'other connections were being made' });
      this.#check();
      resume = await this.#scanner.pause();
      await this.#initiate(peripheral, link, Math.min(leftMs, CONNECT_WITHIN_MS));
      const connection = this.#tap.connectionTo(peripheral.address.toLowerCase());
      if (!connection) throw new LinkError('link.lost', { detail: 'it ended as soon as it was made' });
      return connection;
    } catch (error) {
      this.#inUse.delete(peripheral.id);
      throw error;
    } finally {
      resume();
      // Whoever gave up waiting still keeps the order.
      void turn.then(done);
    }
  }

  release({ peripheral }: FoundPeripheral, connection: TappedConnection): void {
    const free = (): void => {
      callOff();
      this.#inUse.delete(peripheral.id);
    };
    let callOff: () => void = () => undefined;
    if (this.#tap.connectionTo(connection.address) !== connection) return free();
    // noble mixes up two connections of one address: the next begins when the controller has ended this one.
    callOff = this.clock.after(ENDS_WITHIN_MS, () => this.#lost('the controller does not end a connection'));
    connection.watch({ gone: free, room: () => undefined, refused: () => undefined });
  }

  onClose(close: () => Promise<void>): () => void {
    this.#closers.add(close);
    return () => this.#closers.delete(close);
  }

  terminate(connection: TappedConnection): void {
    if (this.#tap.connectionTo(connection.address) === connection) this.#tap.disconnect(connection.handle);
  }

  readRssi({ handle }: TappedConnection): Promise<number | undefined> {
    return this.#tap.commands.readRssi(handle);
  }

  get window(): number {
    return this.#tap.windowFor(this.#inUse.size);
  }

  packetsFor(attBytes: number): number {
    return this.#tap.packetsFor(attBytes);
  }

  async #initiate(peripheral: NoblePeripheral, link: string, withinMs: number): Promise<void> {
    peripheral.mtu = null;
    let settle: (error?: Error | null) => void = () => undefined;
    const outcome = new Promise<Error | null | undefined>((resolve) => {
      settle = resolve;
    });
    this.#refusals = [];
    const callOff = this.clock.after(withinMs, () => settle(new LinkError('link.timeout', { withinMs, detail: link })));
    peripheral.connect(this.#tap.connectOptions, (error) => settle(error));
    const forget = this.#onGone(() => settle(new Error('the adapter is gone')));
    const error = await outcome;
    callOff();
    forget();
    if (!error) return;
    if (error instanceof LinkError) await this.#cancel(peripheral);
    const [connections] = this.#refusals;
    if (connections !== undefined) throw new LinkError('link.no-room', { connections });
    if (error instanceof DrydockError) throw error;
    throw new LinkError('link.open-failed', { link, detail: error.message }, { cause: error });
  }

  /** Noble connects nothing else until the controller has confirmed the end of the attempt. */
  async #cancel(peripheral: NoblePeripheral): Promise<void> {
    const { bindings } = this.#stack;
    let over: () => void = () => undefined;
    const confirmed = new Promise<true>((resolve) => {
      over = () => resolve(true);
    });
    bindings.on('connect', over);
    peripheral.cancelConnect();
    const ended = await within(this.clock, CANCEL_WITHIN_MS, confirmed);
    bindings.removeListener('connect', over);
    // It may have been established while it was cancelled.
    const late = this.#tap.connectionTo(peripheral.address.toLowerCase());
    if (late) this.#tap.disconnect(late.handle);
    if (!ended) this.#lost('the controller does not end a connection attempt');
  }

  /** Something was not answered: a controller that answers nothing at all is given up, and then opened anew. */
  #probe(): Promise<void> {
    this.#probing ??= (async () => {
      if (this.#gone !== undefined || (await this.#tap.answers()) || (await this.#tap.answers())) return;
      this.#lost('the controller answers nothing');
    })().finally(() => (this.#probing = undefined));
    return this.#probing;
  }

  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const forget = this.#onGone(end);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end);
    try {
      await sleep(this.clock, ms, over.signal);
    } finally {
      forget();
      signal?.removeEventListener('abort', end);
    }
  }

  /** Handlers on `closed` itself would pile up for as long as the adapter lives. */
  #onGone(listener: () => void): () => void {
    this.#goneListeners.add(listener);
    if (this.#gone !== undefined) queueMicrotask(listener);
    return () => this.#goneListeners.delete(listener);
  }

  #check(): void {
    if (this.#gone !== undefined) throw new LinkError('link.ble-unavailable', { detail: this.#gone });
  }

  #lost(detail: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = detail;
    this.#stack.dispose();
    for (const listener of [...this.#goneListeners]) listener();
    // Whoever opens it again finds it free.
    void this.#tap
      .close()
      .catch(() => undefined)
      .then(this.#resolveClosed);
  }
}
