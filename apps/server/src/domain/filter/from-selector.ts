/** The selector of a campaign in its older, structured form, as the filter that means the same. */
import type { Selector } from '@drydock/contracts';
import type { DeviceTest, Filter, TextField } from './filter.js';
import { parseFilter, type ParsedFilter } from './parse-filter.js';
import { literal } from './text-pattern.js';

/**
 * All given lists must match; within a list one is enough; of the tags every one must be there; and the filter in the
 * filter language, where there is one, must match as well.
 */
export function filterOfSelector(selector: Selector): ParsedFilter {
  const written = selector.filter === undefined ? undefined : parseFilter(selector.filter);
  if (written && !written.ok) return written;
  const lists = filterOfLists(selector);
  return { ok: true, filter: written ? { kind: 'and', parts: [lists, written.filter] } : lists };
}

function filterOfLists(selector: Selector): Filter {
  const text = (field: TextField, values: readonly string[] | undefined): DeviceTest[] =>
    values ? [{ kind: 'text', field, any: values.map(literal), negated: false }] : [];
  const tags = Object.entries(selector.tags ?? {}).map<DeviceTest>(([key, value]) => ({
    kind: 'tag',
    any: [{ key: literal(key), value: literal(value) }],
    negated: false,
  }));
  return {
    kind: 'and',
    parts: [
      ...text('model', selector.models),
      ...tags,
      ...text('site', selector.sites),
      ...text('gateway', selector.gateways),
      ...text('version', selector.runningVersions),
      ...(selector.devices
        ? [{ kind: 'device', any: selector.devices.map((id) => id.toLowerCase()), negated: false } as const]
        : []),
    ],
  };
}
