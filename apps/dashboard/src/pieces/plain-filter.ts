/**
 * Filters of lists that the server narrows by fixed fields: the same form as RSQL (`name==gw-*;site==oslo`), but only
 * comparisons with `==` joined by `;`. What cannot be asked is said, not guessed.
 */
import { tokenize, topLevelParts } from './filter-text.js';

export interface PlainFilter {
  readonly values: Readonly<Record<string, string>>;
  /** What is wrong with the text. */
  readonly fault?: string;
}

/** @param fields names that may be compared, each once. */
export function readPlainFilter(text: string, fields: readonly string[]): PlainFilter {
  const values: Record<string, string> = {};
  for (const part of topLevelParts(text)) {
    const pieces = tokenize(part).filter((token) => token.kind !== 'other');
    const [field, sign, ...rest] = pieces;
    if (field?.kind !== 'field' || sign?.kind !== 'operator' || rest.length === 0) {
      return {
        values: {},
        fault: `“${part}” is no comparison: write field==value, joined by ; where there are several.`,
      };
    }
    if (!fields.includes(field.text)) {
      return { values: {}, fault: `There is no field ${field.text} here. Fields are ${fields.join(', ')}.` };
    }
    if (sign.text !== '==') {
      return { values: {}, fault: `${field.text} has no operator ${sign.text} in this list. Use ==.` };
    }
    if (rest.some((token) => token.kind !== 'value') || rest.length > 1) {
      return { values: {}, fault: `This list takes comparisons joined by ; only, each with one value.` };
    }
    if (values[field.text] !== undefined) return { values: {}, fault: `${field.text} can be named once.` };
    values[field.text] = unquoted(rest[0]!.text);
  }
  return { values };
}

function unquoted(text: string): string {
  const quote = text[0];
  if ((quote !== '"' && quote !== "'") || !text.endsWith(quote) || text.length < 2) return text;
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}
