/** Grants and reports for specs of the journal. */
import { randomUUID } from 'node:crypto';
import { Grant } from '@drydock/contracts';
import { refOf, type ReportDraft } from './records.js';

export function grant(more: Partial<Grant> = {}): Grant {
  return Grant.parse({
    deployment: randomUUID(),
    reign: 0,
    attempt: 1,
    mode: 'update',
    device: randomUUID(),
    model: 'm',
    identity: { kind: 'port-path', value: '/dev/x' },
    links: ['serial:/dev/x?baud=115200'],
    protocol: 'smp',
    artifact: { sha256: 'a'.repeat(64), sizeBytes: 10, format: 'mcuboot' },
    expect: { versionProves: false },
    confirm: 'after-proof',
    allowDowngrade: false,
    startBy: 1000,
    finishBy: 2000,
    timeouts: { downloadMs: 1, transferMs: 1, activateMs: 1, proveMs: 1 },
    ...more,
  });
}

export const draft = (report: ReportDraft) => ({ t: 'draft' as const, report });
export const downloading = (of: Grant): ReportDraft => ({ kind: 'downloading', atMs: null, ref: refOf(of) });
export const step = (of: Grant, kind: 'erased' | 'complete' | 'activating' | 'proving'): ReportDraft => ({
  kind,
  atMs: null,
  ref: refOf(of),
});
export const touched = (of: Grant): ReportDraft => ({
  kind: 'touched',
  atMs: null,
  ref: refOf(of),
  identity: of.identity,
  before: [],
});
export const ended = (of: Grant): ReportDraft => ({
  kind: 'ended',
  atMs: null,
  ref: refOf(of),
  outcome: 'proven',
  touched: true,
  needsRescue: false,
  sentBytes: 1,
  durationMs: 1,
});
