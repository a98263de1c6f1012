/**
 * One end of a raw port over the server, by WebSocket: the agent's, which brings the port, and the one of a tool on
 * somebody's machine. Silence of the server is noticed by its missing pings.
 */
import type { IncomingMessage } from 'node:http';
import { MAX_RAW_PORT_MESSAGE_BYTES, readRawPortWord, type RawPortLine, type RawPortWord } from '@drydock/contracts';
import { DrydockError, type LineSettings } from '@drydock/dfu-core';
import type { ClientOptions, RawData, WebSocket } from 'ws';
import type { ToolEnd } from '../links/uart/raw-bridge.js';
import { readBody, statusError } from './http-client.js';

type Joined = Extract<RawPortWord, { say: 'joined' }>;
type Ended = Extract<RawPortWord, { say: 'ended' }>;
type Opened = Extract<RawPortWord, { say: 'open' }>;

export interface RawPortEnd extends ToolEnd {
  readonly onLine: (take: (line: LineSettings) => Promise<void>) => void;
  /** Resolves when the other end is there; undefined when it never will be. */
  readonly joined: Promise<Joined | undefined>;
  /** Resolves when the port is open, for a tool; undefined when it never will be. */
  readonly opened: Promise<Opened | undefined>;
  /** What the server said last; undefined when it said nothing. */
  readonly ended: () => Ended | undefined;
  say(word: RawPortWord): void;
  close(): Promise<void>;
}

const CONNECT_MS = 15_000;
const MAX_PROBLEM_BYTES = 64 * 1024;
/** The server pings every fifteen seconds. */
const SILENCE_MS = 45_000;
/** Kept for a slow network before the quicker end waits. */
const HIGH_BYTES = 256 * 1024;
const GOODBYE_MS = 2_000;

/**
 * @param url of HTTP or HTTPS.
 * @throws HttpStatusError when the server refuses; DrydockError `server.unavailable`
 */
export async function connectRawPort(url: URL, token: string, signal: AbortSignal): Promise<RawPortEnd> {
  const { WebSocket: Socket } = await import('ws');
  const address = new URL(url.href.replace(/^http/, 'ws'));
  const options: ClientOptions = {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: CONNECT_MS,
    maxPayload: MAX_RAW_PORT_MESSAGE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  };
  const socket = new Socket(address, options);
  // Words that come with the handshake are not missed.
  const end = new WebSocketEnd(socket);
  const abort = (): void => socket.terminate();
  signal.addEventListener('abort', abort);
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(new DrydockError('server.unavailable', { detail: error.message }, { cause: error }));
      socket.once('open', resolve);
      socket.once('error', fail);
      socket.once('unexpected-response', (_, response: IncomingMessage) => {
        readBody(response, MAX_PROBLEM_BYTES)
          .then((body) => reject(statusError(response, body.toString('utf8'))), fail)
          .finally(() => socket.terminate());
      });
      if (signal.aborted) abort();
    });
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return end;
}

class WebSocketEnd implements RawPortEnd {
  readonly joined: Promise<Joined | undefined>;
  readonly opened: Promise<Opened | undefined>;
  readonly gone: Promise<void>;
  #ended: Ended | undefined;
  #join: (word: Joined | undefined) => void = () => undefined;
  #open: (word: Opened | undefined) => void = () => undefined;
  #takeBytes: ((bytes: Uint8Array) => Promise<void>) | undefined;
  #takeLine: ((line: LineSettings) => Promise<void>) | undefined;
  #silence: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #waitingBytes = 0;

  constructor(private readonly socket: WebSocket) {
    this.joined = new Promise((resolve) => (this.#join = resolve));
    this.opened = new Promise((resolve) => (this.#open = resolve));
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        clearTimeout(this.#silence);
        this.#join(undefined);
        this.#open(undefined);
        resolve();
      });
    });
    socket.on('error', () => undefined);
    socket.on('ping', () => this.#listen());
    socket.once('open', () => this.#listen());
    socket.on('message', (data: RawData, isBinary: boolean) => this.#arrived(data as Buffer, isBinary));
  }

  ended(): Ended | undefined {
    return this.#ended;
  }

  onBytes(take: (bytes: Uint8Array) => Promise<void>): void {
    this.#takeBytes = take;
  }

  onLine(take: (line: LineSettings) => Promise<void>): void {
    this.#takeLine = take;
  }

  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_RAW_PORT_MESSAGE_BYTES) {
      if (this.socket.readyState !== this.socket.OPEN) return;
      const sent = new Promise<void>((resolve) =>
        this.socket.send(bytes.subarray(at, at + MAX_RAW_PORT_MESSAGE_BYTES), { binary: true }, () => resolve()),
      );
      if (this.socket.bufferedAmount > HIGH_BYTES) await Promise.race([sent, this.gone]);
    }
  }

  say(word: RawPortWord): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(word));
  }

  async close(): Promise<void> {
    if (this.socket.readyState === this.socket.CLOSED) return;
    this.socket.resume();
    this.socket.close(1000);
    const late = setTimeout(() => this.socket.terminate(), GOODBYE_MS);
    await this.gone;
    clearTimeout(late);
  }

  #arrived(bytes: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#queue(bytes.length, async () => this.#takeBytes?.(bytes));
    const word = readRawPortWord(bytes.toString('utf8'));
    if (word?.say === 'joined') this.#join(word);
    else if (word?.say === 'open') this.#open(word);
    else if (word?.say === 'ended') this.#ended = word;
    else if (word?.say === 'line') this.#queue(0, () => this.#set(word.line));
  }

  async #set(line: RawPortLine): Promise<void> {
    if (!this.#takeLine) return;
    await this.#takeLine(line);
    this.say({ say: 'line-set', line });
  }

  /** One after the other; the far end waits while much is waiting. */
  #queue(bytes: number, work: () => Promise<void> | undefined): void {
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > HIGH_BYTES) this.socket.pause();
    this.#work = this.#work
      .then(work)
      .catch(() => this.socket.terminate())
      .finally(() => {
        this.#waitingBytes -= bytes;
        if (this.#waitingBytes <= HIGH_BYTES && this.socket.isPaused) {
          this.#listen();
          this.socket.resume();
        }
      });
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      // While the far end is made to wait, its pings are not read.
      if (this.socket.isPaused) this.#listen();
      else this.socket.terminate();
    }, SILENCE_MS);
  }
}
