/** Puts a simulated device behind a UDP port: one call of `onBytes` per datagram. */
import { createSocket } from 'node:dgram';
import type { SerialPeripheral } from '../target.js';

export interface UdpService {
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers go to whoever sent last.
 * @param port 0 (default): a free one.
 */
export async function serveUdp(peripheral: SerialPeripheral, port = 0, host = '127.0.0.1'): Promise<UdpService> {
  const socket = createSocket('udp4');
  let peer: { readonly address: string; readonly port: number } | undefined;
  socket.on('message', (bytes, from) => {
    if (peer?.port !== from.port || peer.address !== from.address) {
      peer = { address: from.address, port: from.port };
      peripheral.attach((answer) => {
        if (peer) socket.send(answer, peer.port, peer.address);
      });
    }
    peripheral.onBytes(Uint8Array.from(bytes));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, resolve);
  });
  socket.on('error', () => undefined);
  const bound = socket.address().port;
  let closing: Promise<void> | undefined;
  return {
    endpoint: `${host}:${bound}`,
    host,
    port: bound,
    close: () => (closing ??= new Promise<void>((resolve) => socket.close(() => resolve()))),
  };
}
