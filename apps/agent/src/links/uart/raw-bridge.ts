/**
 * Bytes of a port for somebody else's tool, over one TCP connection on this machine. Bounded in time and in memory: who is
 * faster than the line waits for it.
 */
import { createServer, type Socket } from 'node:net';
import { DrydockError, SERIAL_CHANNEL, type OpenLink } from '@drydock/dfu-core';

export interface RawBridgeOptions {
  /** Loopback only. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** The whole session, waiting for the tool included. */
  readonly limitMs: number;
  /** Told where to connect. */
  readonly listening?: (port: number) => void;
  readonly signal?: AbortSignal;
}

export interface RawBridgeResult {
  readonly endedBy: 'tool' | 'time' | 'port' | 'signal';
  readonly toDevice: number;
  readonly toTool: number;
}

const LOOPBACK = ['127.0.0.1', '::1'];
const RECEIVE_MS = 200;
const SEND_MS = 15_000;

/**
 * Ends when the tool hangs up, the time is over, the port is gone, or the signal says so. The link stays open.
 * @throws DrydockError `request.invalid` for an address that is not of this machine, or is taken.
 */
export async function bridgeRawPort(link: OpenLink, options: RawBridgeOptions): Promise<RawBridgeResult> {
  if (!LOOPBACK.includes(options.host)) {
    throw new DrydockError('request.invalid', { detail: `${options.host}: only 127.0.0.1 or ::1, never a network` });
  }
  const counts = { toDevice: 0, toTool: 0 };
  let end: (by: RawBridgeResult['endedBy']) => void = () => undefined;
  let endedBy: RawBridgeResult['endedBy'] | undefined;
  const ended = new Promise<void>((resolve) => {
    end = (by) => {
      endedBy ??= by;
      resolve();
    };
  });
  let tool: Socket | undefined;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // One tool, and none after it.
    if (tool) return void socket.destroy();
    tool = socket;
    socket.setNoDelay(true);
    socket.on('close', () => end('tool'));
    socket.on('data', (bytes: Buffer) => {
      socket.pause();
      void forward(link, bytes).then(
        () => {
          counts.toDevice += bytes.length;
          socket.resume();
        },
        () => end('port'),
      );
    });
  });
  const timer = setTimeout(() => end('time'), options.limitMs);
  const abort = (): void => end('signal');
  options.signal?.addEventListener('abort', abort);
  if (options.signal?.aborted) abort();
  void link.closed.then(() => end('port'));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new DrydockError('request.invalid', { detail: `--listen: ${error.message}` }, { cause: error })),
      );
      server.listen(options.port, options.host, resolve);
    });
    const address = server.address();
    options.listening?.(typeof address === 'object' && address ? address.port : options.port);
    const reading = readPort(
      link,
      () => endedBy !== undefined,
      async (bytes) => {
        if (!tool || tool.destroyed) return;
        counts.toTool += bytes.length;
        const socket = tool;
        if (!socket.write(bytes)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), ended]);
      },
    ).catch(() => end('port'));
    await ended;
    await reading;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
    tool?.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
  return { endedBy: endedBy ?? 'port', ...counts };
}

async function forward(link: OpenLink, bytes: Uint8Array): Promise<void> {
  const step = link.info.maxWriteBytes;
  for (let at = 0; at < bytes.length; at += step) {
    await link.send(SERIAL_CHANNEL, bytes.subarray(at, at + step), { acknowledged: false, withinMs: SEND_MS });
  }
}

async function readPort(
  link: OpenLink,
  isOver: () => boolean,
  take: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  while (!isOver()) {
    const frame = await link.receive([SERIAL_CHANNEL], RECEIVE_MS);
    if (frame) await take(frame.bytes);
  }
}
