/** Serves a simulated controller in H4 over a socket or a pseudo-terminal, as a radio chip on a UART would. */
import net from 'node:net';
import { rm } from 'node:fs/promises';
import { openPtyPair } from '../pty/pty-pair.js';
import type { SimulatedController } from './simulated-controller.js';

export type H4Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  /** Port 0: a free one is taken. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'pty' };

export interface H4Service {
  /** As the agent's `--adapter` takes it: `h4:unix:PATH`, `h4:tcp:HOST:PORT`, `h4:serial:/dev/pts/N,1000000`. */
  readonly adapter: string;
  close(): Promise<void>;
}

/** One host at a time; a new one finds the controller as after power-on. */
export async function serveH4(controller: SimulatedController, endpoint: H4Endpoint): Promise<H4Service> {
  return endpoint.kind === 'pty' ? servePty(controller) : serveSocket(controller, endpoint);
}

async function serveSocket(
  controller: SimulatedController,
  endpoint: Exclude<H4Endpoint, { kind: 'pty' }>,
): Promise<H4Service> {
  let current: net.Socket | undefined;
  const toHost = (packet: Buffer): void => {
    current?.write(packet);
  };
  const server = net.createServer((socket) => {
    if (current) return socket.destroy();
    current = socket;
    controller.reset();
    socket.setNoDelay(true);
    socket.on('data', (bytes) => controller.write(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      current = undefined;
      controller.reset();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (endpoint.kind === 'unix') server.listen(endpoint.path, resolve);
    else server.listen(endpoint.port, endpoint.host, resolve);
  });
  controller.on('data', toHost);
  const address = server.address();
  const adapter =
    endpoint.kind === 'unix'
      ? `h4:unix:${endpoint.path}`
      : `h4:tcp:${endpoint.host}:${typeof address === 'object' && address ? address.port : endpoint.port}`;
  return {
    adapter,
    close: async () => {
      controller.off('data', toHost);
      const closed = new Promise((resolve) => server.close(resolve));
      current?.destroy();
      await closed;
      if (endpoint.kind === 'unix') await rm(endpoint.path, { force: true });
    },
  };
}

function servePty(controller: SimulatedController): H4Service {
  const pair = openPtyPair();
  const toHost = (packet: Buffer): void => {
    pair.write(packet);
  };
  pair.onData((bytes) => controller.write(bytes));
  controller.reset();
  controller.on('data', toHost);
  return {
    adapter: `h4:serial:${pair.path},1000000`,
    close: async () => {
      controller.off('data', toHost);
      controller.reset();
      await pair.close();
    },
  };
}
