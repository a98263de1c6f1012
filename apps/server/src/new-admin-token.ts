/** The way back in for whoever runs the machine: a new token for the first admin. Needs the database, as the server does. */
import { openDatabase } from './adapters/database/database.js';
import { EmbeddedPostgres } from './adapters/database/embedded-postgres.js';
import { FIRST_ADMIN } from './first-start.js';
import { inTransaction } from './adapters/database/transaction.js';
import { makeApiToken } from './features/access/api-token.js';
import { PostgresAudit } from './features/audit/postgres-audit.js';
import type { Settings } from './settings/settings.js';

/** @throws Error when the installation has no such person. */
export async function newAdminToken(settings: Settings): Promise<string> {
  const postgres = settings.databaseUrl
    ? undefined
    : await EmbeddedPostgres.start({ dataDir: settings.dataDir, fsync: settings.embeddedFsync, guest: true });
  try {
    await postgres?.ensureDatabase();
    const database = await openDatabase({
      url: settings.databaseUrl ?? postgres!.url(),
      poolSize: 4,
      retention: { reportDays: settings.reportRetentionDays, auditMonths: settings.auditRetentionMonths },
      onPoolError: () => undefined,
    });
    try {
      return await inTransaction(database.dataSource, async (tx) => {
        const people = (await tx.query(
          `select id, org_id from people where name = $1 and 'admin' = any(roles) and disabled_at is null`,
          [FIRST_ADMIN],
        )) as { id: string; org_id: string }[];
        const person = people[0];
        if (!person) throw new Error(`There is no admin called ${FIRST_ADMIN}.`);
        const token = makeApiToken();
        await tx.query(
          'insert into api_tokens (org_id, person_id, name, token_hash, hint) values ($1, $2, $3, $4, $5)',
          [person.org_id, person.id, 'made at the server', token.hash, token.hint],
        );
        await new PostgresAudit().record(tx, {
          orgId: person.org_id,
          actor: { kind: 'system', name: 'command line' },
          action: 'token.created',
          target: { kind: 'person', id: person.id },
          params: { hint: token.hint },
        });
        return token.text;
      });
    } finally {
      await database.close();
    }
  } finally {
    // One that was running belongs to a server; it stays.
    if (postgres && !postgres.adopted) await postgres.stop();
  }
}
