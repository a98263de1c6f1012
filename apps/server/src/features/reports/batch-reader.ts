/**
 * Reads a batch leniently: as long as it is clear which numbers it carries, every report is judged on its own, and
 * one that cannot be accepted is committed as refused instead of blocking those after it.
 */
import { Epoch, MAX_BATCH_REPORTS, Report, ReportBatch, unknownMusts, type Envelope } from '@drydock/contracts';

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
        ? `must ${musts[0]}`
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

/** JSON.stringify escapes these only where they cannot be text: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

function storable(raw: unknown): { json: string; value: unknown } {
  const json = JSON.stringify(raw) ?? 'null';
  if (!json.includes('\\u')) return { json, value: raw };
  const clean = json.replace(UNSTORABLE, '$1\\ufffd');
  return clean === json ? { json, value: raw } : { json: clean, value: JSON.parse(clean) as unknown };
}
