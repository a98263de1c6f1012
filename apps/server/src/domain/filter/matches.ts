/** Whether one device matches a filter: the same rule as {@link filterToSql}, without a database. */
import { isWithin } from '../campaign/version-range.js';
import { versionKey } from '../campaign/version-order.js';
import {
  isJoin,
  type DeviceTest,
  type Filter,
  type FilterFacts,
  type NumberField,
  type Order,
  type TagPattern,
  type TextField,
  type TextPattern,
} from './filter.js';
import { literalOf, matchesPattern } from './text-pattern.js';

/** @param nowMs the moment against which ages are measured. */
export function matches(filter: Filter, device: FilterFacts, nowMs: number): boolean {
  if (!isJoin(filter)) return holds(filter, device, nowMs);
  const partMatches = (part: Filter): boolean => matches(part, device, nowMs);
  return filter.kind === 'and' ? filter.parts.every(partMatches) : filter.parts.some(partMatches);
}

function holds(test: DeviceTest, device: FilterFacts, nowMs: number): boolean {
  switch (test.kind) {
    case 'text':
      return test.any.some((pattern) => textMatches(pattern, test.field, device)) !== test.negated;
    case 'member': {
      const value = device.member?.[test.field] ?? null;
      return (value !== null && test.any.some((pattern) => matchesPattern(pattern, value))) !== test.negated;
    }
    // Asked of campaigns: no device has it.
    case 'campaign':
      return test.negated;
    case 'live':
      return !test.live;
    case 'tag':
      return test.any.some((pattern) => tagMatches(pattern, device.tags)) !== test.negated;
    case 'link':
      return test.any.some((kind) => device.links.some(({ link }) => link.startsWith(`${kind}:`))) !== test.negated;
    case 'device':
      return test.any.includes(device.id) !== test.negated;
    case 'hold':
      return device.held === test.held;
    case 'version-order': {
      const key = keyOf(device);
      return key !== undefined && isOrdered(key, test.order, test.key);
    }
    case 'version-range': {
      const key = keyOf(device);
      return key !== undefined && test.stretches.some((stretch) => isWithin(key, stretch));
    }
    case 'number-in': {
      const value = numberOf(test.field, device);
      return (value !== undefined && test.any.includes(value)) !== test.negated;
    }
    case 'number-order': {
      const value = numberOf(test.field, device);
      return value !== undefined && isOrdered(value, test.order, test.value);
    }
    case 'seen-age':
      return isOrdered(nowMs - device.lastSeenMs, test.order, test.ageMs);
    case 'seen-at':
      return isOrdered(device.lastSeenMs, test.order, test.atMs);
  }
}

function textMatches(pattern: TextPattern, field: TextField, device: FilterFacts): boolean {
  switch (field) {
    case 'site':
    case 'gateway':
    case 'group': {
      const place = device[field];
      return place !== null && (matchesPattern(pattern, place.name) || literalOf(pattern) === place.id);
    }
    case 'version':
      return device.runningVersion !== null && matchesPattern(pattern, device.runningVersion);
    default: {
      const text = device[field];
      return text !== null && matchesPattern(pattern, text);
    }
  }
}

function tagMatches({ key, value }: TagPattern, tags: Readonly<Record<string, string>>): boolean {
  return Object.entries(tags).some(
    ([name, content]) => matchesPattern(key, name) && (value === undefined || matchesPattern(value, content)),
  );
}

function keyOf({ runningVersion }: FilterFacts): string | undefined {
  return runningVersion === null ? undefined : versionKey(runningVersion);
}

function numberOf(field: NumberField, device: FilterFacts): number | undefined {
  if (field === 'battery') return device.batteryPercent ?? undefined;
  const known = device.links.flatMap(({ rssiDbm }) => rssiDbm ?? []);
  return known.length === 0 ? undefined : Math.max(...known);
}

function isOrdered<T extends number | string>(a: T, order: Order, b: T): boolean {
  switch (order) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}
