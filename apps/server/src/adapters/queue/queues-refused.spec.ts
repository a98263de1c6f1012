/** A database that takes connections and refuses them, as one that is starting after a crash does. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { freshDatabase } from '../../testing.js';
import { until } from '../../features/fleet/fleet.fixture.js';
import { Queues } from './queues.js';

/** ErrorResponse, severity FATAL, code 57P03 (cannot_connect_now); PostgreSQL protocol 3.0, message formats. */
const fields = ['SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up', ''].join('\0') + '\0';
const REFUSAL = Buffer.concat([Buffer.from('E'), Buffer.alloc(4), Buffer.from(fields)]);
REFUSAL.writeUInt32BE(REFUSAL.length - 1, 1);

/** In front of a real database; refuses while it is told to. */
class Door {
  refuses = false;
  refused = 0;
  readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async open(url: string): Promise<{ door: Door; url: string }> {
    const target = new URL(url);
    const server = createServer();
    const door = new Door(server);
    server.on('connection', (inward) => {
      door.sockets.add(inward);
      inward.on('close', () => door.sockets.delete(inward));
      inward.on('error', () => undefined);
      if (door.refuses) {
        inward.once('data', () => {
          door.refused += 1;
          inward.end(REFUSAL);
        });
        return;
      }
      const outward = connect(Number(target.port), target.hostname);
      outward.on('error', () => undefined);
      inward.on('close', () => outward.destroy());
      outward.on('close', () => inward.destroy());
      inward.pipe(outward).pipe(inward);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((server.address() as AddressInfo).port);
    return { door, url: through.href };
  }

  crash(): void {
    this.refuses = true;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('queues on a database that refuses', () => {
  it('wait without haste, leave the event loop alone, and go on when it is up', async () => {
    const made = await freshDatabase();
    undo.push(made.drop);
    const { door, url } = await Door.open(made.url);
    undo.push(() => door.close());
    let warned = 0;
    const queues = new Queues({
      databaseUrl: url,
      // A loop that never yields would never end this test either: what it calls ends it.
      warn: () => {
        if (++warned > 2_000) throw new Error('it warns without end');
      },
      ensureEveryMs: 3_600_000,
    });
    const done: string[] = [];
    for (const name of ['first', 'second']) {
      queues.define({ name }, async (job) => void done.push(`${name} ${String(job.ids['n'])}`));
    }
    await queues.start();
    undo.push(() => queues.stop());
    await queues.add('first', { n: 1 });
    await until(() => done.includes('first 1'));

    door.crash();
    const before = door.refused;
    for (let look = 0; look < 3; look++) await queues.ensureSchedules();
    await until(() => door.refused > before + 4);
    expect(queues.status().running).toBe(false);
    // Each refusal is told after half a second to each of four connections, and looks come at their own pace.
    expect(door.refused - before).toBeLessThan(200);
    expect(warned).toBeLessThan(100);

    door.refuses = false;
    await until(async () => {
      await queues.ensureSchedules();
      return queues.status().running;
    });
    await queues.add('first', { n: 2 });
    await queues.add('second', { n: 3 });
    await until(() => done.includes('first 2') && done.includes('second 3'));
    expect(queues.status()).toEqual({ kind: 'postgres', running: true });
  }, 60_000);
});
