/**
 * Reads a batch leniently: as long as it is clear which numbers it carries, every report is judged on its own, and
 * one that cannot be accepted is committed as refused instead of blocking those after it.
 */
import { Epoch, MAX_BATCH_REPORTS, Report, ReportBatch, unknownMusts, type Envelope } from '@drydock/contracts';
import { storableJson } from '../../adapters/database/storable-json.js';

export interface ReadReport {
  readonly seq: number;
  readonly kind: string;
  /** As it is stored: JSON without what Postgres cannot hold. */
  readonly bodyJson: string;
  readonly report?: Report;
  /** Why it is refused before anything is looked up. */
  readonly refusal?: string;
}

export interface ReadBatch {
  readonly of: string;
  readonly firstSeq: number;
  readonly nonce?: string;
  readonly reports: readonly ReadReport[];
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(ReportBatch.shape),
  ...Report.options.flatMap((option) => Object.keys(option.shape).map((name) => `reports.${name}`)),
]);
const BODY_VERSION = 1;
const MAX_INT4 = 2_147_483_647;
const MAX_KIND = 64;
/** No report of any version is nested deeper; Postgres and JSON.stringify give up somewhere beyond. */
const MAX_NESTING = 32;
const NONCE = ReportBatch.shape.nonce;

/** @returns undefined when it is not even clear which numbers it carries: nothing can be acknowledged then. */
export function readBatch(envelope: Envelope): ReadBatch | undefined {
  const body = envelope.body as { of?: unknown; firstSeq?: unknown; reports?: unknown; nonce?: unknown } | null;
  if (typeof body !== 'object' || body === null) return undefined;
  const of = Epoch.safeParse(body.of);
  const { firstSeq, reports } = body;
  if (!of.success || !Number.isSafeInteger(firstSeq) || (firstSeq as number) < 1) return undefined;
  if (!Array.isArray(reports) || reports.length === 0) return undefined;
  const first = firstSeq as number;
  if (!Number.isSafeInteger(first + reports.length)) return undefined;
  const musts = unknownMusts(envelope, KNOWN_FIELDS);
  const whole =
    envelope.bodyVersion !== BODY_VERSION
      ? `body-version ${envelope.bodyVersion}`
      : musts.length > 0
        ? `must ${JSON.parse(storableJson(musts[0])) as string}`
        : undefined;
  const nonce = NONCE.safeParse(body.nonce);
  return {
    of: of.data,
    firstSeq: first,
    ...(nonce.success && { nonce: nonce.data }),
    // What is beyond the limit is not acknowledged, and comes again as the next batch.
    reports: reports.slice(0, MAX_BATCH_REPORTS).map((raw, index) => readReport(raw, first + index, whole)),
  };
}

function readReport(raw: unknown, seq: number, refusal: string | undefined): ReadReport {
  if (isNestedDeeper(raw, MAX_NESTING)) {
    return { seq, kind: 'unreadable', bodyJson: 'null', refusal: refusal ?? `nested more than ${MAX_NESTING} deep` };
  }
  const { json, value } = storable(raw);
  const kind = kindOf(value);
  const base = { seq, kind, bodyJson: json };
  if (refusal !== undefined) return { ...base, refusal };
  const parsed = Report.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { ...base, refusal: `malformed ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`.slice(0, 300) };
  }
  const report = parsed.data;
  if (report.seq !== seq) return { ...base, refusal: `sequence ${report.seq} at the place of ${seq}` };
  if ('ref' in report && report.ref.attempt > MAX_INT4) return { ...base, refusal: 'attempt out of range' };
  return { ...base, report };
}

function kindOf(value: unknown): string {
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  return typeof kind === 'string' && kind !== '' ? kind.slice(0, MAX_KIND) : 'unreadable';
}

function storable(raw: unknown): { json: string; value: unknown } {
  const json = storableJson(raw);
  // Only an escape can have been replaced.
  return { json, value: json.includes('\\ufffd') ? (JSON.parse(json) as unknown) : raw };
}

/** Level by level, since the stack is what a stranger's nesting would exhaust. */
function isNestedDeeper(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit && level.length > 0; depth++) {
    const below: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      for (const inner of Object.values(item)) if (typeof inner === 'object' && inner !== null) below.push(inner);
    }
    level = below;
  }
  return level.length > 0;
}
