/**
 * What enrolment made: the gateway's key, its names, the pinned root. One file, readable by the agent's
 * user alone, replaced as a whole.
 */
import { chmod, mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  BrokerAccess,
  EnrolResponse,
  PrivateJwk,
  PublicJwk,
  generateSigningKey,
  verifyRootStatement,
} from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { z } from 'zod';
import { readOrEmpty, syncFolder, writeDurably } from '../journal/disk.js';

/** The root that is pinned, and the order keys it names. */
export const RootState = z.object({
  root: PublicJwk,
  version: z.int().min(1),
  orderKeys: z.array(PublicJwk).min(1).max(8),
});
export type RootState = z.infer<typeof RootState>;

export const Enrolment = z.object({
  serverUrl: z.url(),
  server: EnrolResponse.shape.server,
  org: EnrolResponse.shape.org,
  site: EnrolResponse.shape.site,
  gateway: EnrolResponse.shape.gateway,
  topicPrefix: EnrolResponse.shape.topicPrefix,
  broker: BrokerAccess,
  releaseKeys: EnrolResponse.shape.releaseKeys,
  root: RootState,
});
export type Enrolment = z.infer<typeof Enrolment>;

export const AgentState = z.object({ v: z.literal(1), key: PrivateJwk, enrolment: Enrolment.optional() });
export type AgentState = z.infer<typeof AgentState>;

export class StateFile {
  constructor(readonly path: string) {}

  /**
   * @returns what is there; a new key, already stored, where there is nothing.
   * @throws DrydockError `settings.invalid` for a file that is no state: it is never overwritten.
   */
  async load(): Promise<AgentState> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const bytes = await readOrEmpty(this.path);
    if (bytes.length === 0) {
      const { privateJwk } = await generateSigningKey();
      const state: AgentState = { v: 1, key: privateJwk };
      await this.save(state);
      return state;
    }
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      value = undefined;
    }
    const parsed = AgentState.safeParse(value);
    if (!parsed.success) {
      // The file holds a private key: only the names of fields may be said.
      const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'all of it').slice(0, 5);
      throw new DrydockError('settings.invalid', { field: this.path, detail: `unreadable: ${fields.join(', ')}` });
    }
    await chmod(this.path, 0o600);
    return parsed.data;
  }

  async save(state: AgentState): Promise<void> {
    const next = `${this.path}.next`;
    await writeDurably(next, Buffer.from(`${JSON.stringify(state, undefined, 1)}\n`), 0o600);
    await rename(next, this.path);
    await syncFolder(dirname(this.path));
  }
}

/**
 * Pins the root of the first statement and follows the others.
 * @throws SignatureError
 */
export async function pinRoot(statements: readonly string[]): Promise<RootState> {
  const [first] = statements;
  if (first === undefined) throw new DrydockError('request.invalid', { detail: 'no root statement' });
  const root = PublicJwk.parse(unverifiedRoot(first));
  const begun = await verifyRootStatement(first, root);
  return followRoot(
    { root: begun.root, version: begun.version, orderKeys: begun.orderKeys },
    begun.server,
    statements.slice(1),
  );
}

/**
 * Takes statements that are signed by the pinned root, meant for this server and newer than the last.
 * Others are passed over, so a server that sends all it has does no harm.
 */
export async function followRoot(from: RootState, server: string, statements: readonly string[]): Promise<RootState> {
  let state = from;
  for (const jws of statements) {
    const statement = await verifyRootStatement(jws, state.root).catch(() => undefined);
    if (!statement || statement.server !== server || statement.version <= state.version) continue;
    state = { root: statement.root, version: statement.version, orderKeys: statement.orderKeys };
  }
  return state;
}

/** The root that the very first statement names: trusted on first use, then checked to have signed it. */
function unverifiedRoot(jws: string): unknown {
  try {
    const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8');
    return (JSON.parse(payload) as { root?: unknown }).root;
  } catch {
    throw new DrydockError('request.invalid', { detail: 'the root statement cannot be read' });
  }
}
