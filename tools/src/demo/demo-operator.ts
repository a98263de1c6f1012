/** The person "demo": an operator of its own, whose token is kept beside the demo's data, mode 0600. */
import { Operator, RefusedByServer } from '@drydock/e2e';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param adminToken asks for an admin's token when there is no usable one of the demo. */
export async function demoOperator(
  baseUrl: string,
  folder: string,
  adminToken: () => Promise<string>,
): Promise<Operator> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'operator.token');
  if (existsSync(file)) {
    const operator = new Operator(baseUrl, readFileSync(file, 'utf8').trim());
    try {
      await operator.call('GET', '/api/v1/me');
      return operator;
    } catch (error) {
      if (!(error instanceof RefusedByServer && error.status === 401)) throw error;
    }
  }
  const admin = new Operator(baseUrl, await adminToken());
  const people = (await admin.call('GET', '/api/v1/people?limit=500')) as { items: { id: string; name: string }[] };
  const known = people.items.find((person) => person.name === 'demo');
  const person =
    known ?? ((await admin.call('POST', '/api/v1/people', { name: 'demo', roles: ['operator'] })) as { id: string });
  const made = (await admin.call('POST', `/api/v1/people/${person.id}/tokens`, {
    name: 'demo',
    expiresInDays: 30,
  })) as { token: string };
  writeFileSync(file, made.token, { mode: 0o600 });
  return new Operator(baseUrl, made.token);
}
