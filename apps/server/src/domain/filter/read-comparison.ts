/** One comparison of a filter: its field, operator and values, checked against what the field can be asked. */
import { nearestOf } from '@drydock/contracts';
import { versionKey } from '../campaign/version-order.js';
import { parseVersionRange } from '../campaign/version-range.js';
import {
  FILTER_LIMITS,
  LINK_KINDS,
  type DeviceTest,
  type FilterError,
  type LinkKind,
  type Order,
  type TagPattern,
} from './filter.js';
import {
  ALL_OPERATORS,
  FIELDS,
  fieldsOf,
  isCampaignField,
  isField,
  isOrder,
  operatorOf,
  OPERATORS_OF,
  type CampaignFieldName,
  type FieldForm,
  type FieldName,
  type FilterScope,
  type Operator,
} from './filter-fields.js';
import { parseIsoDuration } from './iso-duration.js';
import type { ComparisonPlace } from './locate-comparisons.js';
import { parsePattern, patternText } from './text-pattern.js';

type Read = DeviceTest | { readonly errors: readonly FilterError[] };

/** What is wrong with a value, and its mend. */
interface Fault {
  readonly what: string;
  readonly nearest?: string;
  readonly mend: string;
}

export function readComparison(
  field: string,
  spelling: string,
  values: readonly string[],
  place: ComparisonPlace,
  scope: FilterScope = 'device',
): Read {
  const known = Object.hasOwn(fieldsOf(scope), field) ? fieldsOf(scope)[field] : undefined;
  if (!known) return { errors: [{ ...place.field, ...unknownField(field, scope) }] };
  const operator = operatorOf(spelling);
  const allowed = OPERATORS_OF[known.form];
  if (operator === undefined || !allowed.includes(operator)) {
    return { errors: [{ ...place.operator, ...unknownOperator(field, known, spelling, allowed) }] };
  }
  if (values.length > 1 && operator !== '=in=' && operator !== '=out=') {
    const mend = allowed.includes('=in=') ? `Write ${field}=in=(…), or one value.` : 'Write one value.';
    return { errors: [{ ...place.value, what: `${operator} takes one value.`, mend }] };
  }
  if (values.length > FILTER_LIMITS.values) {
    const what = `The list has ${values.length} values; at most ${FILTER_LIMITS.values} are taken.`;
    return { errors: [{ ...place.value, what, mend: 'Put a tag on the devices and filter by the tag.' }] };
  }
  const read = valuesIn(scope, field, operator, values);
  if (!('what' in read)) return read;
  return { errors: [{ ...place.value, ...read }] };
}

function unknownField(field: string, scope: FilterScope): Fault {
  const names = Object.keys(fieldsOf(scope));
  const nearest = nearestOf(field, names);
  return {
    what: `There is no field ${shorten(field)}.`,
    ...(nearest !== undefined && { nearest }),
    mend: `${nearest === undefined ? '' : `Did you mean ${nearest}? `}Fields are ${names.join(', ')}.`,
  };
}

function valuesIn(
  scope: FilterScope,
  field: string,
  operator: Operator,
  values: readonly string[],
): DeviceTest | Fault {
  if (scope === 'campaign') {
    if (isCampaignField(field)) return readCampaignValues(field, operator, values);
  } else if (isField(field, scope)) return readValues(field, operator, values);
  return unknownField(field, scope);
}

function unknownOperator(
  field: string,
  { example }: { readonly form: FieldForm; readonly example: string },
  spelling: string,
  allowed: readonly Operator[],
): Fault {
  const operator = operatorOf(spelling);
  // The nearest of all operators may be one that the field does not take: then it is no help.
  const near = operator === undefined ? nearestOf(spelling, ALL_OPERATORS) : undefined;
  const nearest = allowed.find((candidate) => candidate === near);
  return {
    what:
      operator === undefined
        ? `There is no operator ${shorten(spelling)}.`
        : `${field} cannot be compared by ${spelling}.`,
    ...(nearest !== undefined && { nearest }),
    mend: `Use one of ${allowed.join(' ')}, for instance ${example}.`,
  };
}

const isFault = (read: unknown): read is Fault => typeof read === 'object' && read !== null && 'what' in read;

/** Reads every value; the first that is wrong decides. */
function each<T>(values: readonly string[], read: (value: string) => T | Fault): T[] | Fault {
  const good: T[] = [];
  for (const value of values) {
    const one = read(value);
    if (isFault(one)) return one;
    good.push(one);
  }
  return good;
}

function readValues(field: FieldName, operator: Operator, values: readonly string[]): DeviceTest | Fault {
  const negated = operator === '!=' || operator === '=out=';
  const [value = ''] = values;
  switch (field) {
    case 'model':
    case 'name':
    case 'identity':
    case 'site':
    case 'gateway':
    case 'group':
      return { kind: 'text', field, any: values.map(parsePattern), negated };
    case 'state':
    case 'stage':
    case 'code':
    case 'from':
      return { kind: 'member', field, any: values.map(parsePattern), negated };
    case 'version':
      if (operator === '=range=') return readRange(value);
      if (isOrder(operator)) return readVersion(operator, value);
      return { kind: 'text', field, any: values.map(parsePattern), negated };
    case 'tag':
      return listed(each(values, readTag), (any) => ({ kind: 'tag', any, negated }));
    case 'link':
      return listed(each(values, readLink), (any) => ({ kind: 'link', any, negated }));
    case 'device':
      return listed(each(values, readDevice), (any) => ({ kind: 'device', any, negated }));
    case 'hold':
      return readFlag(field, value, (held) => ({ kind: 'hold', held: held !== negated }));
    case 'battery':
    case 'signal':
      return listed(
        each(values, (text) => readNumber(field, text)),
        (any) =>
          isOrder(operator)
            ? { kind: 'number-order', field, order: operator, value: any[0]! }
            : { kind: 'number-in', field, any, negated },
      );
    case 'lastSeen':
      return isOrder(operator)
        ? readSeen(operator, value)
        : { what: 'lastSeen has an order only.', mend: `Write ${FIELDS.lastSeen.example}.` };
  }
}

function readCampaignValues(
  field: CampaignFieldName,
  operator: Operator,
  values: readonly string[],
): DeviceTest | Fault {
  const negated = operator === '!=' || operator === '=out=';
  if (field === 'live') return readFlag(field, values[0] ?? '', (live) => ({ kind: 'live', live: live !== negated }));
  return { kind: 'campaign', field, any: values.map(parsePattern), negated };
}

function readFlag(field: string, value: string, make: (flag: boolean) => DeviceTest): DeviceTest | Fault {
  if (value === 'true' || value === 'false') return make(value === 'true');
  return { what: `${shorten(value)} is neither true nor false.`, mend: `Write ${field}==true or ${field}==false.` };
}

function listed<T>(read: T[] | Fault, make: (any: T[]) => DeviceTest): DeviceTest | Fault {
  return isFault(read) ? read : make(read);
}

function readRange(range: string): DeviceTest | Fault {
  const stretches = parseVersionRange(range);
  if (!stretches) {
    return {
      what: `${shorten(range)} is no range of versions.`,
      mend: "Write it as npm does, in quotes: version=range='>=1.2 <2', '^1.4', '1.x || 3.0.0'.",
    };
  }
  return { kind: 'version-range', range, stretches };
}

function readVersion(order: Order, version: string): DeviceTest | Fault {
  const key = versionKey(version);
  if (key === undefined) {
    return {
      what: `${shorten(version)} is no version that has an order.`,
      mend: 'Write numbers with dots, for instance version<1.4.0 or version>=2.0.0-rc.1; other names can only be compared by == and !=.',
    };
  }
  return { kind: 'version-order', order, version, key };
}

/** `key` or `key:value`, both with wildcards. */
function readTag(text: string): TagPattern | Fault {
  const at = text.indexOf(':');
  const key = at < 0 ? text : text.slice(0, at);
  if (key === '') return { what: 'A tag needs a key.', mend: 'Write tag==key, or tag==key:value.' };
  return { key: parsePattern(key), ...(at >= 0 && { value: parsePattern(text.slice(at + 1)) }) };
}

function readLink(text: string): LinkKind | Fault {
  const kind = LINK_KINDS.find((known) => known === text);
  if (kind) return kind;
  const nearest = nearestOf(text, LINK_KINDS);
  return {
    what: `There is no kind of link ${shorten(text)}.`,
    ...(nearest !== undefined && { nearest }),
    mend: `Kinds are ${LINK_KINDS.join(', ')}.`,
  };
}

function readDevice(text: string): string | Fault {
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  return {
    what: `${shorten(text)} is no id of a device.`,
    mend: 'Write the id as the list of devices shows it, or filter by name.',
  };
}

function readNumber(field: 'battery' | 'signal', text: string): number | Fault {
  const value = /^-?\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : undefined;
  const [least, most, unit] = field === 'battery' ? [0, 100, 'percent'] : [-128, 127, 'dBm'];
  if (value !== undefined && value >= least && value <= most) return value;
  return {
    what: `${shorten(text)} is no ${field} in ${unit}.`,
    mend: `Write a number from ${least} to ${most} without a unit, for instance ${FIELDS[field].example}.`,
  };
}

const MOMENT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

function readSeen(order: Order, text: string): DeviceTest | Fault {
  const ageMs = parseIsoDuration(text);
  if (ageMs !== undefined) return { kind: 'seen-age', order, ageMs };
  const atMs = MOMENT.test(text) && isOnCalendar(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return { kind: 'seen-at', order, atMs };
  return {
    what: `${shorten(text)} is neither a duration nor a moment.`,
    mend: 'Write how long ago (PT24H, P7D; no months or years), or a moment with its zone (2026-03-01T12:00:00Z), or a day (2026-03-01, UTC).',
  };
}

/** JavaScript reads 30 February as 2 March. */
function isOnCalendar(text: string): boolean {
  const day = text.slice(0, 10);
  const read = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(day);
}

/** A value as it is shown in a sentence. */
function shorten(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  return shown === '' ? 'An empty text' : patternText([shown]).includes(' ') ? `"${shown}"` : shown;
}
