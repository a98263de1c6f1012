/** What one gateway reports in the bench: whole lives of updates, one after the other, cut into signed batches. */
import { createPrivateKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { keyFingerprint } from '@drydock/contracts';
import type { BenchFleet, BenchGateway } from './report-fleet.js';

/** Reports of one life: the seven kinds of an update that goes well. */
export const REPORTS_PER_LIFE = 7;

export interface SignedBatch {
  /** The signed text. */
  readonly bytes: Buffer;
  readonly reports: number;
  /** The cursor after it. */
  readonly lastSeq: number;
}

/** Reports of all devices of a gateway, numbered on between calls. */
export class ReportStream {
  private seq = 0;
  private readonly reports: IterableIterator<Record<string, unknown>>;
  private readonly key: KeyObject;
  private kid = '';

  constructor(
    private readonly fleet: BenchFleet,
    readonly gateway: BenchGateway,
  ) {
    this.reports = this.lives();
    this.key = createPrivateKey({ key: { ...gateway.privateJwk }, format: 'jwk' });
  }

  async prepare(): Promise<void> {
    const { d: _, ...publicJwk } = this.gateway.privateJwk;
    this.kid = this.gateway.kid ?? (await keyFingerprint(publicJwk));
  }

  /** Signs the next batches, ahead of the measurement. */
  batches(count: number, size: number): SignedBatch[] {
    const made: SignedBatch[] = [];
    for (let batch = 0; batch < count; batch += 1) {
      const firstSeq = this.seq + 1;
      const reports: Record<string, unknown>[] = [];
      while (reports.length < size) {
        const next = this.reports.next();
        if (next.done) throw new Error('The bench needs more devices.');
        reports.push({ ...next.value, seq: ++this.seq });
      }
      const body = { of: this.gateway.epoch, firstSeq, reports, nonce: randomBytes(16).toString('hex') };
      made.push({ bytes: Buffer.from(this.sign('reports', body), 'latin1'), reports: size, lastSeq: this.seq });
    }
    return made;
  }

  sign(purpose: string, body: unknown): string {
    const envelope = {
      v: 1,
      purpose,
      server: this.fleet.serverId,
      gateway: this.gateway.id,
      epoch: this.gateway.epoch,
      must: [],
      bodyVersion: 1,
      body,
    };
    const header = { alg: 'EdDSA', kid: this.kid, typ: 'drydock-envelope' };
    const signed = [header, envelope].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${sign(null, Buffer.from(signed), this.key).toString('base64url')}`;
  }

  private *lives(): IterableIterator<Record<string, unknown>> {
    const atMs = Date.now();
    for (const { id, serial } of this.gateway.deployments) {
      const on = { atMs, ref: { deployment: id, reign: 0, attempt: 1 } };
      const identity = { kind: 'serial-number', value: serial };
      const before = [{ image: 0, version: '1.0.0', hash: '00'.repeat(32), confirmed: true }];
      const after = [{ image: 0, version: '2.0.0', hash: this.fleet.runningHash, confirmed: true }];
      yield { ...on, kind: 'downloading' };
      yield { ...on, kind: 'touched', identity, before };
      for (const kind of ['erased', 'complete', 'activating', 'proving']) yield { ...on, kind };
      yield {
        ...on,
        kind: 'ended',
        outcome: 'proven',
        identity,
        before,
        after,
        touched: true,
        needsRescue: false,
        sentBytes: 250_000,
        durationMs: 61_000,
      };
    }
  }
}
