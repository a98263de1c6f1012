/** Every message that any release has ever sent must still be read, with the same meaning. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { LoginBody, LoginTokenBody } from '../http/agent-api.js';
import { importVerifyingKey, verifyEnvelope, type PublicJwk } from '../signing.js';
import { AckBody, TimeBody } from '../wire/acks.js';
import { PURPOSES, unknownMusts, type Purpose } from '../wire/envelope.js';
import { InventoryBody } from '../wire/inventory.js';
import { KNOWN_ORDER_FIELDS, OrdersBody } from '../wire/orders.js';
import { PresenceBody } from '../wire/presence.js';
import { Report, ReportBatch, TimeRequestBody } from '../wire/reports.js';

interface GoldenFile {
  release: string;
  publicKey: PublicJwk;
  golden: { name: string; envelope: { purpose: Purpose; body: unknown; must?: string[] }; jws: string }[];
}

const BODIES: Record<Purpose, z.ZodType> = {
  orders: OrdersBody,
  acks: AckBody,
  time: TimeBody,
  reports: ReportBatch,
  'time-request': TimeRequestBody,
  inventory: InventoryBody,
  presence: PresenceBody,
  login: LoginBody,
  'login-token': LoginTokenBody,
};

const folder = join(process.cwd(), 'libs/contracts/src/golden');
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as GoldenFile);

describe.each(files.map((file) => [file.release, file] as const))('messages of release %s', (_, file) => {
  it.each(file.golden.map((message) => [message.name, message] as const))('reads: %s', async (_name, message) => {
    const key = await importVerifyingKey(file.publicKey);
    const envelope = await verifyEnvelope(message.jws, (kid) => (kid === key.kid ? key : undefined), {
      purpose: message.envelope.purpose,
    });
    expect(envelope).toMatchObject(message.envelope);
    expect(unknownMusts(envelope, KNOWN_ORDER_FIELDS)).toEqual([]);
    expect(BODIES[message.envelope.purpose].parse(envelope.body)).toEqual(message.envelope.body);
  });

  it('reads each report of the batches on its own', () => {
    for (const message of file.golden.filter((one) => one.envelope.purpose === 'reports')) {
      for (const report of ReportBatch.parse(message.envelope.body).reports) {
        expect(Report.parse(report)).toEqual(report);
      }
    }
  });
});

it('has a golden message for every purpose', () => {
  const seen = new Set(files.flatMap((file) => file.golden.map((message) => message.envelope.purpose)));
  expect([...seen].sort()).toEqual([...PURPOSES].sort());
});
