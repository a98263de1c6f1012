import { Redis } from 'ioredis';
import pg from 'pg';
import { freshDatabase } from '../../testing.js';
import { queuesConformance } from './queues.conformance.js';

const postgres = (how: (client: pg.Client) => Promise<void>) => async () => {
  const { url, drop } = await freshDatabase();
  return {
    options: { databaseUrl: url },
    wipe: async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await how(client).finally(() => client.end());
    },
    close: drop,
  };
};

queuesConformance(
  'Postgres, its rows lost',
  postgres(async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname = 'bullmq' and tablename not like '%migration%'`,
    );
    if (rows.length > 0) await client.query(`truncate ${rows.map((row) => row.name).join(', ')}`);
  }),
);

queuesConformance(
  'Postgres, its schema lost',
  postgres(async (client) => {
    // The queue at work may hold one table and want the next: Postgres ends one of the two, and we ask again.
    for (let tried = 1; ; tried += 1) {
      try {
        await client.query('drop schema if exists bullmq cascade');
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== '40P01' || tried === 10) throw error;
      }
    }
  }),
);

const redisUrl = process.env.DRYDOCK_LANE_REDIS_URL;
if (redisUrl) {
  queuesConformance('Redis', async () => {
    const redis = new Redis(redisUrl);
    return {
      // Never reached: with Redis, nothing of the queue is in the database.
      options: { databaseUrl: 'postgres://127.0.0.1:1/none', redisUrl },
      wipe: async () => {
        await redis.flushall();
      },
      close: async () => redis.disconnect(),
    };
  });
}
