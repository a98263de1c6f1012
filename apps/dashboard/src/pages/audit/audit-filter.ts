/** The filter of the audit: fixed fields, joined by "and". */
import type { FilterField } from '../../pieces/filter-bar.js';
import { readPlainFilter } from '../../pieces/plain-filter.js';

const KINDS = ['campaign', 'device', 'gateway', 'site', 'model', 'artifact', 'advisory', 'person', 'webhook'];
const ACTIONS = ['campaign.*', 'stage.*', 'device.*', 'gateway.*', 'site.*', 'artifact.*', 'person.*', 'webhook.*'];

export const AUDIT_FIELDS: readonly FilterField[] = [
  { name: 'action', hint: 'e.g. action==campaign.*', operators: ['=='], values: ACTIONS.map((value) => ({ value })) },
  { name: 'actor', hint: 'id of a person or gateway', operators: ['=='] },
  { name: 'kind', hint: 'kind of the thing', operators: ['=='], values: KINDS.map((value) => ({ value })) },
  { name: 'target', hint: 'id of the thing', operators: ['=='] },
  { name: 'from', hint: 'e.g. from==2026-11-01', operators: ['=='] },
  { name: 'to', hint: 'e.g. to==2026-11-20T12:00Z', operators: ['=='] },
];

export interface AuditFilter {
  readonly query: {
    readonly action?: string;
    readonly actorId?: string;
    readonly targetKind?: string;
    readonly targetId?: string;
    readonly from?: string;
    readonly to?: string;
  };
  readonly fault?: string;
}

export function readAuditFilter(text: string): AuditFilter {
  const { values, fault } = readPlainFilter(
    text,
    AUDIT_FIELDS.map(({ name }) => name),
  );
  if (fault !== undefined) return { query: {}, fault };
  const times: { from?: string; to?: string } = {};
  for (const name of ['from', 'to'] as const) {
    const value = values[name];
    if (value === undefined) continue;
    const ms = Date.parse(value);
    if (!Number.isFinite(ms)) {
      return { query: {}, fault: `${value} is no time. Write 2026-11-20 or 2026-11-20T12:00Z.` };
    }
    times[name] = new Date(ms).toISOString();
  }
  return {
    query: {
      ...(values.action !== undefined && { action: values.action }),
      ...(values.actor !== undefined && { actorId: values.actor }),
      ...(values.kind !== undefined && { targetKind: values.kind }),
      ...(values.target !== undefined && { targetId: values.target }),
      ...times,
    },
  };
}
