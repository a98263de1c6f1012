/** A TCP relay in front of the broker, so that a story can cut the wire between a gateway and its server. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpRelay {
  readonly #pairs = new Set<[Socket, Socket]>();
  #refusing = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /**
   * Listens on loopback. `target` is asked at every connection, so that what it stands for may move; undefined: nobody.
   * @param at an address of the loopback's own network, and a port; any free one unless given.
   */
  static async open(
    target: () => { host: string; port: number } | undefined,
    at: { host?: string; port?: number } = {},
  ): Promise<TcpRelay> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at.port ?? 0, at.host ?? '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const relay = new TcpRelay(server, address.port);
    server.on('connection', (inward) => relay.#connect(inward, target()));
    return relay;
  }

  #connect(inward: Socket, target: { host: string; port: number } | undefined): void {
    if (this.#refusing || target === undefined) {
      inward.on('error', () => inward.destroy());
      inward.destroy();
      return;
    }
    const outward = connect(target.port, target.host);
    const pair: [Socket, Socket] = [inward, outward];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        pair.forEach((each) => each.destroy());
        this.#pairs.delete(pair);
      });
    }
    inward.pipe(outward);
    outward.pipe(inward);
  }

  /** Ends every connection at once; new ones are welcome. */
  cut(): void {
    for (const pair of this.#pairs) pair.forEach((socket) => socket.destroy());
  }

  /** While refusing, nothing gets through. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
    if (refusing) this.cut();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
}
