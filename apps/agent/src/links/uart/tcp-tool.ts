/** One TCP connection of this machine, for a tool that runs on it or behind a tunnel. */
import { createServer, type Socket } from 'node:net';
import { DrydockError } from '@drydock/dfu-core';
import type { ToolEnd } from './raw-bridge.js';

export interface ToolListener extends ToolEnd {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param address `127.0.0.1:PORT` or `[::1]:PORT`; port 0: a free one.
 * @throws DrydockError `request.invalid` for an address that is not of this machine, or is taken.
 */
export function parseListen(address: string): { readonly host: string; readonly port: number } {
  const listen = /^(127\.0\.0\.1|\[::1\]):(\d{1,5})$/.exec(address);
  if (!listen || Number(listen[2]) > 65_535) {
    throw new DrydockError('request.invalid', { detail: '--listen: 127.0.0.1:PORT or [::1]:PORT, never a network' });
  }
  return { host: listen[1]!.replace(/[[\]]/g, ''), port: Number(listen[2]) };
}

/** Listens for one tool, and none after it. What the unit says before it comes is let go. */
export async function listenForTool(at: { readonly host: string; readonly port: number }): Promise<ToolListener> {
  let tool: Socket | undefined;
  let isTaken = false;
  let take: ((bytes: Uint8Array) => Promise<void>) | undefined;
  let leave: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (leave = resolve));
  const read = (socket: Socket): void => {
    socket.on('data', (bytes: Buffer) => {
      socket.pause();
      void take?.(bytes).then(() => socket.resume());
    });
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (isTaken) return void socket.destroy();
    isTaken = true;
    tool = socket;
    socket.setNoDelay(true);
    socket.on('close', leave);
    if (take) read(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new DrydockError('request.invalid', { detail: `--listen: ${error.message}` }, { cause: error })),
    );
    server.listen(at.port, at.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : at.port,
    gone,
    onBytes: (given) => {
      take = given;
      if (tool) read(tool);
    },
    send: async (bytes) => {
      if (!tool || tool.destroyed || tool.write(bytes)) return;
      const socket = tool;
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), gone]);
    },
    close: async () => {
      tool?.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
