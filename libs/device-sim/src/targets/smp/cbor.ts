/**
 * CBOR as small devices write it: indefinite-length maps and arrays by default, definite on demand.
 * Requests are read with a library; what is not one map with text keys is refused.
 */
import { decode } from 'cborg';

export type CborValue =
  number | string | boolean | Uint8Array | readonly CborValue[] | { readonly [key: string]: CborValue | undefined };
export type CborMap = { readonly [key: string]: CborValue | undefined };

export function encodeCborMap(map: CborMap, style: 'indefinite' | 'definite'): Uint8Array {
  const out: number[] = [];
  put(map, style, out);
  return Uint8Array.from(out);
}

function head(major: number, value: number, out: number[]): void {
  const top = major << 5;
  if (value < 24) out.push(top | value);
  else if (value < 0x100) out.push(top | 24, value);
  else if (value < 0x10000) out.push(top | 25, value >>> 8, value & 0xff);
  else out.push(top | 26, (value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

const isBytes = (value: CborValue): value is Uint8Array => value instanceof Uint8Array;
const isList = (value: CborValue): value is readonly CborValue[] => Array.isArray(value);

function put(value: CborValue, style: 'indefinite' | 'definite', out: number[]): void {
  if (typeof value === 'number') {
    if (value < 0) head(1, -1 - value, out);
    else head(0, value, out);
  } else if (typeof value === 'boolean') out.push(value ? 0xf5 : 0xf4);
  else if (typeof value === 'string') {
    const text = new TextEncoder().encode(value);
    head(3, text.length, out);
    out.push(...text);
  } else if (isBytes(value)) {
    head(2, value.length, out);
    for (const byte of value) out.push(byte);
  } else if (isList(value)) {
    if (style === 'indefinite') out.push(0x9f);
    else head(4, value.length, out);
    for (const item of value) put(item, style, out);
    if (style === 'indefinite') out.push(0xff);
  } else {
    const entries = Object.entries(value).filter((entry): entry is [string, CborValue] => entry[1] !== undefined);
    if (style === 'indefinite') out.push(0xbf);
    else head(5, entries.length, out);
    for (const [key, item] of entries) {
      put(key, style, out);
      put(item, style, out);
    }
    if (style === 'indefinite') out.push(0xff);
  }
}

/** @returns the map, or undefined for anything else (also for a repeated key). */
export function decodeCborMap(bytes: Uint8Array): Map<string, unknown> | undefined {
  try {
    const value: unknown = decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true });
    return value instanceof Map ? (value as Map<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
