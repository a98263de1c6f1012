/**
 * Bytes of a port for somebody else's tool, whichever way the tool comes. Bounded in time and in memory: who is faster than
 * the line waits for it.
 */
import { SERIAL_CHANNEL, type LineSettings, type OpenLink } from '@drydock/dfu-core';

/** Where the tool is. Everything that comes from it is given on in order, one after the other. */
export interface ToolEnd {
  /** @param take is not called again before what it returned is settled. Called once. */
  onBytes(take: (bytes: Uint8Array) => Promise<void>): void;
  /** The tool wants other settings of the line; in order with its bytes. */
  onLine?(take: (line: LineSettings) => Promise<void>): void;
  /** Resolves when it has room for more, or is gone. */
  send(bytes: Uint8Array): Promise<void>;
  /** It hung up, or its way is gone. */
  readonly gone: Promise<void>;
}

export interface RawBridgeOptions {
  /** The whole session, waiting for the tool included. */
  readonly limitMs: number;
  readonly signal?: AbortSignal;
  /** Asked before each write to the port, and now and then: a word says why it is over. */
  readonly over?: () => 'fence' | 'cancelled' | undefined;
  /** Before the first byte of the tool goes to the port. Rejected: it does not. */
  readonly beforeFirst?: () => Promise<void>;
  /** The unit said something. */
  readonly heard?: (bytes: Uint8Array) => void;
  /** So many bytes of the tool are with the unit. */
  readonly moved?: (toDevice: number) => void;
}

export interface RawBridgeResult {
  readonly endedBy: 'tool' | 'time' | 'port' | 'signal' | 'fence' | 'cancelled';
  readonly toDevice: number;
  readonly toTool: number;
}

const RECEIVE_MS = 200;
const SEND_MS = 15_000;
const CONFIGURE_MS = 5_000;

/** Ends when the tool hangs up, the time is over, the port is gone, or somebody says so. Neither end is closed. */
export async function bridgeRawPort(
  link: OpenLink,
  tool: ToolEnd,
  options: RawBridgeOptions,
): Promise<RawBridgeResult> {
  const counts = { toDevice: 0, toTool: 0 };
  let endedBy: RawBridgeResult['endedBy'] | undefined;
  let end: (by: RawBridgeResult['endedBy']) => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = (by) => {
      endedBy ??= by;
      resolve();
    };
  });
  const isOver = (): boolean => {
    const why = options.over?.();
    if (why) end(why);
    return endedBy !== undefined;
  };
  let isFirst = true;
  let writing: Promise<void> = Promise.resolve();
  const take = (work: () => Promise<void>): Promise<void> => {
    writing = (async () => {
      if (isOver()) return;
      await work();
    })().catch(() => end('port'));
    return writing;
  };
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (isFirst) await options.beforeFirst?.();
    isFirst = false;
    const step = link.info.maxWriteBytes;
    for (let at = 0; at < bytes.length && !isOver(); at += step) {
      const piece = bytes.subarray(at, at + step);
      await link.send(SERIAL_CHANNEL, piece, { acknowledged: false, withinMs: SEND_MS });
      counts.toDevice += piece.length;
      options.moved?.(counts.toDevice);
    }
  };
  const timer = setTimeout(() => end('time'), options.limitMs);
  const abort = (): void => end('signal');
  options.signal?.addEventListener('abort', abort);
  if (options.signal?.aborted) abort();
  void link.closed.then(() => end('port'));
  void tool.gone.then(() => end('tool'));
  tool.onBytes((bytes) => take(() => write(bytes)));
  tool.onLine?.((line) => take(() => link.configure(line, CONFIGURE_MS)));
  try {
    while (!isOver()) {
      const frame = await link.receive([SERIAL_CHANNEL], RECEIVE_MS);
      if (!frame) continue;
      options.heard?.(frame.bytes);
      counts.toTool += frame.bytes.length;
      await Promise.race([tool.send(frame.bytes), ended]);
    }
  } catch {
    end('port');
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
  // What is being written has left before others talk to the port.
  await writing;
  return { endedBy: endedBy ?? 'port', ...counts };
}
