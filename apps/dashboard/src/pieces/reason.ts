/** Reasons as sentences with times that a person reads: the server's code and parameters, the words of `contracts`. */
import { REASON_CODES, type ReasonBody } from '@drydock/contracts';
import { when } from '../format/times.js';

const TIMES = new Set(['until', 'since', 'at']);

/** The sentence of a reason; of one that this page does not know yet, the server's own. */
export function readableReason(reason: ReasonBody, nowMs: number): string {
  const template = (REASON_CODES as Readonly<Record<string, string>>)[reason.code];
  if (template === undefined) return reason.sentence;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = name === 'until' ? (reason.until ?? reason.params[name]) : reason.params[name];
    if (value === undefined || value === null) return 'an unknown time or value';
    const at = TIMES.has(name) ? timeOf(value) : undefined;
    return at === undefined ? String(value) : when(at, nowMs);
  });
}

function timeOf(value: string | number | boolean): number | undefined {
  if (typeof value === 'boolean') return undefined;
  const ms = typeof value === 'number' ? value : /^\d{12,14}$/.test(value) ? Number(value) : Date.parse(value);
  return Number.isFinite(ms) ? ms : undefined;
}
