/** JSON and text that Postgres can hold: strangers write NUL and halves of surrogate pairs, which `jsonb` and `text` refuse. */

/** JSON.stringify escapes these only where they cannot be text: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/** @returns the value as JSON, with U+FFFD in the place of what cannot be stored. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value) ?? 'null';
  return json.includes('\\u') ? json.replace(UNSTORABLE, '$1\\ufffd') : json;
}
