/** A filter as a sentence that a person can check against what was meant. */
import {
  isJoin,
  type DeviceTest,
  type Filter,
  type NumberField,
  type Order,
  type TagPattern,
  type TextField,
} from './filter.js';
import { durationWords } from './iso-duration.js';
import { patternText } from './text-pattern.js';

/** Values of a list that are named; the rest is counted. */
const NAMED_VALUES = 5;

export function describeFilter(filter: Filter): string {
  if (isJoin(filter) && filter.parts.length === 0) return filter.kind === 'and' ? 'Every device.' : 'No device.';
  return `Devices whose ${clause(filter, false)}.`;
}

function clause(filter: Filter, inside: boolean): string {
  if (!isJoin(filter)) return testClause(filter);
  if (filter.parts.length === 0) return filter.kind === 'and' ? 'id is any' : 'id is none';
  const joined = filter.parts.map((part) => clause(part, filter.parts.length > 1)).join(`, ${filter.kind} `);
  return inside ? `(${joined})` : joined;
}

function testClause(test: DeviceTest): string {
  switch (test.kind) {
    case 'text':
      return `${TEXT_NAMES[test.field]} ${oneOf(test.any.map(patternText), test.negated)}`;
    case 'member': {
      const name = test.field === 'from' ? 'version before' : `${test.field} in the campaign`;
      return `${name} ${oneOf(test.any.map(patternText), test.negated)}`;
    }
    case 'campaign':
      return `${test.field} ${oneOf(test.any.map(patternText), test.negated)}`;
    case 'live':
      return `campaign is ${test.live ? '' : 'not '}live`;
    case 'tag':
      return `tags ${test.negated ? 'do not include' : 'include'} ${list(test.any.map(tagText))}`;
    case 'link':
      return `links ${test.negated ? 'do not include' : 'include'} ${list(test.any)}`;
    case 'device':
      return `id ${oneOf(test.any, test.negated, '')}`;
    case 'hold':
      return `hold is ${test.held ? 'on' : 'off'}`;
    case 'version-order':
      return `running version is known and ${VERSION_ORDER[test.order]} ${test.version}`;
    case 'version-range':
      return `running version is known and within ${test.range}`;
    case 'number-in': {
      const values = test.any.map((value) => `${value}${UNITS[test.field]}`);
      return `${test.field} ${oneOf(values, test.negated)}`;
    }
    case 'number-order':
      return `${test.field} is known and ${NUMBER_ORDER[test.order]} ${test.value}${UNITS[test.field]}`;
    case 'seen-age':
      return `last sighting is ${AGE_ORDER[test.order]} ${durationWords(test.ageMs)} ago`;
    case 'seen-at':
      return `last sighting is ${TIME_ORDER[test.order]} ${new Date(test.atMs).toISOString()}`;
  }
}

const TEXT_NAMES: Readonly<Record<TextField, string>> = {
  model: 'model',
  version: 'running version',
  name: 'name',
  identity: 'identity',
  site: 'site',
  gateway: 'gateway',
  group: 'redundancy group',
};
const UNITS: Readonly<Record<NumberField, string>> = { battery: ' %', signal: ' dBm' };
const VERSION_ORDER: Readonly<Record<Order, string>> = {
  '<': 'older than',
  '<=': 'not newer than',
  '>': 'newer than',
  '>=': 'not older than',
};
const NUMBER_ORDER: Readonly<Record<Order, string>> = {
  '<': 'below',
  '<=': 'at most',
  '>': 'above',
  '>=': 'at least',
};
const AGE_ORDER: Readonly<Record<Order, string>> = {
  '<': 'less than',
  '<=': 'at most',
  '>': 'more than',
  '>=': 'at least',
};
const TIME_ORDER: Readonly<Record<Order, string>> = {
  '<': 'before',
  '<=': 'at or before',
  '>': 'after',
  '>=': 'at or after',
};

function tagText({ key, value }: TagPattern): string {
  return value === undefined ? patternText(key) : `${patternText(key)}:${patternText(value)}`;
}

/** @param unknown what is said of a complement, which also holds for what is unknown. */
function oneOf(values: readonly string[], negated: boolean, unknown = ' (or unknown)'): string {
  if (values.length === 1 && values[0] === '*') return negated ? 'is not known' : 'is known';
  return negated ? `is not ${list(values)}${unknown}` : `is ${list(values)}`;
}

function list(values: readonly string[]): string {
  if (values.length === 0) return 'none';
  const shown = values.slice(0, NAMED_VALUES).map((value) => (value === '' ? '""' : value));
  const rest = values.length - shown.length;
  if (rest > 0) return `${shown.join(', ')} or ${rest} more`;
  return shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`;
}
