/**
 * Bytes between two WebSockets: a vendor's tool and the port of a module. Memory and rate are bounded: the quicker end waits
 * for the slower one, and for its allowance. Ends by itself: at a stated time, when nothing moves, when an end is gone or
 * silent, when somebody says so.
 */
import { RAW_PORT_IDLE_MS, readRawPortWord, type RawPortEnd, type RawPortWord } from '@drydock/contracts';
import { WebSocket, type RawData } from 'ws';

export interface RelayResult {
  readonly by: RawPortEnd;
  readonly toDevice: number;
  readonly toTool: number;
}

export interface RelayOptions {
  readonly limitMs: number;
  readonly idleMs?: number;
  /** Most bytes in either direction; a `.dfu` and its way there and back are far below. */
  readonly maxBytes?: number;
  /** In either direction, over any second; the fastest line that can be asked for carries 400 kB. */
  readonly maxBytesPerSecond?: number;
}

/** Kept for the slower end before the quicker one is asked to wait. */
const HIGH_BYTES = 256 * 1024;
const LOW_BYTES = 64 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;
/** What may come at once before the rate is kept. */
const BURST_MS = 250;
const MAX_BYTES_PER_SECOND = 1024 * 1024;
const PING_MS = 15_000;
const GOODBYE_MS = 2_000;
const NORMAL = 1000;

/** Words that each end may say to the other; all else is the server's. */
const MAY_SAY: Readonly<Record<'tool' | 'agent', readonly RawPortWord['say'][]>> = {
  tool: ['line'],
  agent: ['open', 'line-set'],
};

export class Relay {
  readonly ended: Promise<RelayResult>;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #counts = { tool: 0, agent: 0 };
  #by: RawPortEnd | undefined;
  #resolve: (result: RelayResult) => void = () => undefined;
  #lastByteMs = performance.now();

  constructor(
    private readonly tool: WebSocket,
    private readonly agent: WebSocket,
    private readonly options: RelayOptions,
  ) {
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
    const idleMs = options.idleMs ?? RAW_PORT_IDLE_MS;
    const lookIdle = (): void => {
      if (performance.now() - this.#lastByteMs >= idleMs) this.end('idle');
    };
    this.#timers.add(setTimeout(() => this.end('time'), options.limitMs));
    this.#timers.add(setInterval(lookIdle, Math.min(1000, idleMs)));
    this.#pump('tool', tool, agent);
    this.#pump('agent', agent, tool);
  }

  /** The first reason counts. */
  end(by: RawPortEnd): void {
    if (this.#by) return;
    this.#by = by;
    for (const timer of this.#timers) clearInterval(timer);
    const result = { by, toDevice: this.#counts.tool, toTool: this.#counts.agent };
    for (const socket of [this.tool, this.agent]) sayGoodbye(socket, { say: 'ended', ...result });
    this.#resolve(result);
  }

  #pump(name: 'tool' | 'agent', from: WebSocket, to: WebSocket): void {
    const rate = this.options.maxBytesPerSecond ?? MAX_BYTES_PER_SECOND;
    let waiting = 0;
    /** When what came so far would be through at that rate. */
    let paidMs = 0;
    let isInDebt = false;
    const goOn = (): void => {
      if (waiting <= LOW_BYTES && !isInDebt && from.isPaused) from.resume();
    };
    from.on('message', (data: RawData, isBinary: boolean) => {
      if (this.#by) return;
      const bytes = data as Buffer;
      const now = performance.now();
      if (!isBinary) {
        const word = readRawPortWord(bytes.toString('utf8'));
        if (!word || !MAY_SAY[name].includes(word.say)) return;
      } else {
        this.#lastByteMs = now;
        this.#counts[name] += bytes.length;
        if (this.#counts[name] > (this.options.maxBytes ?? MAX_BYTES)) return this.end('too-much');
      }
      waiting += bytes.length;
      to.send(bytes, { binary: isBinary }, () => {
        waiting -= bytes.length;
        goOn();
      });
      paidMs = Math.max(paidMs, now - BURST_MS) + (bytes.length * 1000) / rate;
      if (!isInDebt && paidMs > now) {
        isInDebt = true;
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          isInDebt = false;
          goOn();
        }, paidMs - now);
        this.#timers.add(timer);
      }
      if (waiting > HIGH_BYTES || isInDebt) from.pause();
    });
    from.on('close', () => this.end(name));
    this.#timers.add(keepAlive(from));
    if (from.readyState !== WebSocket.OPEN) this.end(name);
  }
}

/** A silent end is cut off: two pings without an answer. */
export function keepAlive(socket: WebSocket): NodeJS.Timeout {
  let unanswered = 0;
  socket.on('pong', () => (unanswered = 0));
  return setInterval(() => {
    // While it is asked to wait, its answers are not read.
    if (socket.isPaused) return;
    if (unanswered >= 2) return socket.terminate();
    unanswered += 1;
    socket.ping();
  }, PING_MS);
}

export function sayGoodbye(socket: WebSocket, word: RawPortWord): void {
  if (socket.readyState !== WebSocket.OPEN) return socket.terminate();
  socket.resume();
  socket.send(JSON.stringify(word));
  socket.close(NORMAL);
  setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
}
