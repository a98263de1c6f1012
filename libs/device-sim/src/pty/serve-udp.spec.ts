import { createSocket } from 'node:dgram';
import { expect, it } from '@jest/globals';
import { serveUdp } from './serve-udp.js';

it('gives each datagram to the device and the answers to the sender', async () => {
  let send: (bytes: Uint8Array) => void = () => undefined;
  const service = await serveUdp({
    baud: 0,
    attach: (way) => {
      send = way;
    },
    onBytes: (bytes) => send(Uint8Array.from([...bytes].reverse())),
  });
  const host = createSocket('udp4');
  const answer = new Promise<Buffer>((resolve) => host.once('message', resolve));
  host.send(Uint8Array.of(1, 2, 3), service.port, service.host);
  expect([...(await answer)]).toEqual([3, 2, 1]);
  await new Promise<void>((resolve) => host.close(() => resolve()));
  await service.close();
});
