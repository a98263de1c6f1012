/** For specs: rows as the rules about devices read them, written past the API. */
import { randomUUID } from 'node:crypto';
import type { TestServer } from '../../testing.js';
import { freshName, query } from '../fleet/fleet.fixture.js';

/** One gateway for each rule about them. */
const GATEWAYS = [
  {},
  {},
  { state: 'quarantined', state_note: 'two epochs' },
  { hold_note: 'held' },
  { online: false },
  { epoch: null },
  { in_flight: 4 },
  { protocols: [] as string[] },
  // quarantined in the campaign
  {},
  // an urgent campaign waits there
  {},
];

export async function makeGateways(server: TestServer, orgId: string, site: string): Promise<string[]> {
  const ids: string[] = [];
  for (const fields of GATEWAYS) {
    const row = {
      id: randomUUID(),
      org_id: orgId,
      site_id: site,
      name: freshName('g'),
      public_jwk: '{}',
      key_fingerprint: randomUUID(),
      online: true,
      epoch: 'ab'.repeat(16),
      protocols: ['smp'],
      ...fields,
    };
    await insert(server, 'gateways', row);
    ids.push(row.id);
  }
  return ids;
}

export async function insert(server: TestServer, table: string, row: Record<string, unknown>): Promise<void> {
  const columns = Object.keys(row);
  await query(
    server,
    `insert into ${table} (${columns.join(', ')}) values (${columns.map((_, index) => `$${index + 1}`).join(', ')})`,
    Object.values(row),
  );
}
