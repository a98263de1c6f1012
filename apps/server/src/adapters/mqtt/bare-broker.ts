/** A broker with nothing behind it: the floor that benches print beside their figures. Never part of a server. */
import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';

/** Listens on a free loopback port, takes everything, keeps nothing. */
export async function startBareBroker(): Promise<{ url: string; stop(): Promise<void> }> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
