/**
 * A serial port as a link, over the serialport library (loaded when the first port is opened).
 *
 * Three observations shape this file: an unplugged port is noticed only while somebody listens for
 * data; pseudo-terminals refuse modem lines ("Inappropriate ioctl"), so these are optional; and a write
 * is called finished when the kernel took it, which can be seconds before the wire did at low speed, so
 * the pace of the line is kept here.
 */
import { existsSync } from 'node:fs';
import type { SerialPort as SerialPortClass } from 'serialport';
import {
  LinkError,
  SERIAL_CHANNEL,
  type Channel,
  type LineSettings,
  type Link,
  type LinkInfo,
  type OpenLink,
  type ReconnectHint,
} from '@drydock/dfu-core';
import { realClock, sleep, type Clock } from '../../clock.js';
import { FrameQueue } from '../frame-queue.js';

export interface UartLinkOptions {
  readonly name: string;
  /** Path of the port. */
  readonly path: string;
  readonly line: LineSettings;
  readonly dtr?: boolean;
  readonly rts?: boolean;
  readonly clock?: Clock;
}

/** What one write may carry: the size of the kernel's own buffer. */
const MAX_WRITE_BYTES = 4096;
/** The line may be this far behind what was written: enough to hide a late timer, short enough for honest time-outs. */
const AHEAD_MS = 25;
/** Pause between two tries to open a port that is not there (yet). */
const RETRY_MS = 100;
/** A write that the kernel has not taken after so long never ends: the line is held for ever, or the adapter hangs. */
const HUNG_MS = 2000;
/** A port that does not let itself be closed is left to itself after this. */
const CLOSE_MS = 2000;
/** Opened and closed at this speed, boards with USB restart into their bootloader. */
const TOUCH_BAUD = 1200;

type Port = SerialPortClass;

/** A pseudo-terminal has no parity, and says so in its own way; on a wire that would be a wrong setting. */
const isTerminalWithoutParity = (path: string, line: LineSettings, error: unknown): boolean =>
  path.startsWith('/dev/pts/') && (line.parity ?? 'none') !== 'none' && /EINVAL|invalid/i.test(String(error));

async function openPort(path: string, line: LineSettings): Promise<Port> {
  try {
    return await openPortAs(path, line);
  } catch (error) {
    if (!isTerminalWithoutParity(path, line, error)) throw error;
    return openPortAs(path, { ...line, parity: 'none' });
  }
}

async function openPortAs(path: string, line: LineSettings): Promise<Port> {
  const { SerialPort } = await import('serialport');
  return new Promise((resolve, reject) => {
    const port: Port = new SerialPort(
      {
        path,
        baudRate: line.baud,
        dataBits: line.dataBits ?? 8,
        parity: line.parity ?? 'none',
        stopBits: line.stopBits ?? 1,
        rtscts: line.rtscts ?? false,
        lock: true,
        hupcl: false,
      },
      (error) => (error ? reject(error) : resolve(port)),
    );
  });
}

export class UartLink implements Link {
  readonly kind = 'serial';
  readonly name: string;
  readonly #options: UartLinkOptions;
  readonly #clock: Clock;

  constructor(options: UartLinkOptions) {
    this.#options = options;
    this.name = options.name;
    this.#clock = options.clock ?? realClock;
  }

  async open(hint: ReconnectHint, withinMs: number): Promise<OpenLink> {
    const end = this.#clock.monotonicMs() + withinMs;
    if (hint.afterMs) await sleep(this.#clock, Math.min(hint.afterMs, withinMs));
    const line = hint.line ?? this.#options.line;
    for (;;) {
      try {
        const port = await openPort(this.#options.path, line);
        // What arrived while nobody listened belongs to no conversation of ours.
        await new Promise<void>((resolve) => port.flush(() => resolve()));
        return await OpenUart.over(port, this.#options, line, this.#clock);
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        if (this.#clock.monotonicMs() + RETRY_MS >= end) throw openError(this.name, withinMs, detail);
        await sleep(this.#clock, RETRY_MS);
      }
    }
  }

  /**
   * The target leaves and comes back behind a port that stays: a bare UART, a pseudo-terminal. Closing it
   * would move the modem lines and reset many boards. A port that really went away is opened again.
   */
  async reopen(open: OpenLink, hint: ReconnectHint, withinMs: number): Promise<OpenLink> {
    const began = this.#clock.monotonicMs();
    if (open instanceof OpenUart) {
      if (hint.afterMs) await sleep(this.#clock, Math.min(hint.afterMs, withinMs));
      const port = open.release();
      if (port?.isOpen) {
        const next = await OpenUart.over(port, this.#options, open.line, this.#clock);
        if (hint.line) await next.configure(hint.line, withinMs);
        return next;
      }
    } else {
      await open.close();
    }
    const { afterMs: _, ...rest } = hint;
    return this.open(rest, Math.max(0, withinMs - (this.#clock.monotonicMs() - began)));
  }
}

function openError(link: string, withinMs: number, detail: string): LinkError {
  if (/lock|EBUSY|busy|temporarily unavailable/i.test(detail)) return new LinkError('link.busy', { link });
  if (/ENOENT|No such file|ENXIO|ENODEV/i.test(detail)) return new LinkError('link.not-found', { link, withinMs });
  return new LinkError('link.open-failed', { link, detail });
}

const isSameFraming = (left: LineSettings, right: LineSettings): boolean =>
  (left.parity ?? 'none') === (right.parity ?? 'none') &&
  (left.dataBits ?? 8) === (right.dataBits ?? 8) &&
  (left.stopBits ?? 1) === (right.stopBits ?? 1);

class OpenUart implements OpenLink {
  readonly info: LinkInfo;
  readonly closed: Promise<void>;
  line: LineSettings;
  readonly #clock: Clock;
  readonly #queue = new FrameQueue();
  #port: Port | undefined;
  #resolveClosed: () => void = () => undefined;
  /** When the line will have sent all that was written so far, by its baud rate. */
  #lineFreeAtMs = 0;
  readonly #onData = (data: Buffer): void =>
    this.#queue.push({ channel: SERIAL_CHANNEL, bytes: new Uint8Array(data.buffer, data.byteOffset, data.length) });
  readonly #onClose = (error: unknown): void => this.#gone(error ? 'the port was unplugged' : 'the port was closed');
  readonly #onError = (error: Error): void => this.#gone(error.message);

  private constructor(port: Port, path: string, line: LineSettings, clock: Clock) {
    this.line = line;
    this.#clock = clock;
    this.info = {
      kind: 'serial',
      maxWriteBytes: MAX_WRITE_BYTES,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: path },
    };
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#listen(port);
  }

  static async over(port: Port, options: UartLinkOptions, line: LineSettings, clock: Clock): Promise<OpenUart> {
    const open = new OpenUart(port, options.path, line, clock);
    if (options.dtr !== undefined || options.rts !== undefined) {
      await new Promise<void>((resolve) => {
        // Refused by pseudo-terminals and some adapters: then the lines stay as they are.
        port.set(
          {
            ...(options.dtr !== undefined && { dtr: options.dtr }),
            ...(options.rts !== undefined && { rts: options.rts }),
          },
          () => resolve(),
        );
      });
    }
    return open;
  }

  async send(_: Channel, bytes: Uint8Array, options: { withinMs: number }): Promise<void> {
    const port = this.#port;
    if (!port?.isOpen) throw new LinkError('link.lost', { detail: 'the port is closed' });
    const began = this.#clock.monotonicMs();
    try {
      await this.#within(options.withinMs, 'writing', (done) =>
        port.write(bytes, undefined, (error) => done(error ?? undefined)),
      );
    } catch (error) {
      const isHung = error instanceof LinkError && error.code === 'link.timeout' && options.withinMs >= HUNG_MS;
      throw isHung ? await this.#giveUp(options.withinMs) : error;
    }
    const now = this.#clock.monotonicMs();
    const bits =
      1 +
      (this.line.dataBits ?? 8) +
      (this.line.stopBits ?? 1) +
      (this.line.parity && this.line.parity !== 'none' ? 1 : 0);
    this.#lineFreeAtMs = Math.max(began, this.#lineFreeAtMs) + (bytes.length * bits * 1000) / this.line.baud;
    const behindMs = this.#lineFreeAtMs - now - AHEAD_MS;
    if (behindMs > 0) await sleep(this.#clock, behindMs);
  }

  /** What is written next would wait behind it, and a port that is only listened to again would still hang: it is closed. */
  async #giveUp(withinMs: number): Promise<LinkError> {
    const detail = `the port took no bytes for ${withinMs} ms: flow control holds it, or its adapter hangs; it is opened anew`;
    const port = this.#port;
    this.#gone(detail);
    if (port) {
      this.#silence(port);
      await this.#shut(port);
    }
    return new LinkError('link.lost', { detail });
  }

  /** What the kernel still holds must not leave after we said that we are done. */
  async #shut(port: Port): Promise<void> {
    if (!port.isOpen) return;
    await this.#bounded((done) => port.flush(() => done()));
    await this.#bounded((done) => port.close(() => done()));
  }

  #bounded(work: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const callOff = this.#clock.after(CLOSE_MS, resolve);
      work(() => {
        callOff();
        resolve();
      });
    });
  }

  subscribe(): Promise<void> {
    return Promise.resolve();
  }

  query(channel: Channel): Promise<Uint8Array> {
    return Promise.reject(new LinkError('link.no-such-channel', { channel }));
  }

  async configure(line: LineSettings, withinMs: number): Promise<void> {
    const port = this.#port;
    if (!port?.isOpen) throw new LinkError('link.lost', { detail: 'the port is closed' });
    if (!isSameFraming(line, this.line)) await this.#openAgain(port, line, withinMs);
    else if (line.baud !== this.line.baud) {
      await this.#within(withinMs, 'setting the speed', (done) =>
        port.update({ baudRate: line.baud }, (error) => done(error ?? undefined)),
      );
    }
    this.line = line;
    this.#lineFreeAtMs = 0;
  }

  /**
   * The library changes the speed of an open port, and nothing else: parity and the like take another opening. What was
   * written leaves with the old settings first; what arrives in between is lost.
   */
  async #openAgain(port: Port, line: LineSettings, withinMs: number): Promise<void> {
    await this.#within(withinMs, 'emptying the line', (done) => port.drain((error) => done(error ?? undefined)));
    this.#silence(port);
    await new Promise<void>((resolve) => port.close(() => resolve()));
    try {
      this.#listen(await openPort(this.info.identity.value, line));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#gone(`the port could not be opened with other settings: ${detail}`);
      throw openError(`serial:${this.info.identity.value}`, withinMs, detail);
    }
  }

  #listen(port: Port): void {
    this.#port = port;
    port.on('data', this.#onData);
    port.on('close', this.#onClose);
    port.on('error', this.#onError);
  }

  #silence(port: Port): void {
    port.off('data', this.#onData);
    port.off('close', this.#onClose);
    port.off('error', this.#onError);
    port.on('error', () => undefined);
  }

  async receive(
    channels: readonly Channel[],
    withinMs: number,
  ): Promise<{ channel: Channel; bytes: Uint8Array } | undefined> {
    const frame = await this.#queue.receive(channels, withinMs);
    // serialport 13: a port that goes while a read is under way is not noticed (the read gets 0 bytes and is
    // repeated, for ever and busily). Its path is gone then; closing ends the reading.
    if (!frame && this.#port && !existsSync(this.info.identity.value)) {
      await this.close();
      throw new LinkError('link.lost', { detail: 'the port was unplugged' });
    }
    return frame;
  }

  async close(): Promise<void> {
    const port = this.release();
    if (!port?.isOpen) return;
    // At this speed a board waits for its port to be let go, to enter its bootloader; terminals without modem lines refuse.
    if (this.line.baud === TOUCH_BAUD) {
      await this.#bounded((done) => port.set({ dtr: false }, () => done()));
    }
    await this.#shut(port);
  }

  /** Ends this open link and hands over its port, still open unless it is gone. */
  release(): Port | undefined {
    const port = this.#port;
    if (!port) return undefined;
    this.#gone('the link was closed');
    this.#silence(port);
    return port;
  }

  #gone(detail: string): void {
    this.#port = undefined;
    this.#queue.close(detail);
    this.#resolveClosed();
  }

  #within(withinMs: number, what: string, work: (done: (error: Error | undefined) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const callOff = this.#clock.after(withinMs, () =>
        reject(new LinkError('link.timeout', { withinMs, detail: what })),
      );
      void this.closed.then(() => {
        callOff();
        reject(new LinkError('link.lost', { detail: `the port went away while ${what}` }));
      });
      work((error) => {
        callOff();
        if (error) reject(new LinkError('link.lost', { detail: error.message }));
        else resolve();
      });
    });
  }
}
