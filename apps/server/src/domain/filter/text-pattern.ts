/** Texts with wildcards: `*` stands for any run of characters, `\*` and `\\` for themselves. */
import type { TextPattern } from './filter.js';

export function parsePattern(text: string): TextPattern {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '*') {
      parts.push(part);
      part = '';
    } else if (char === '\\' && (text[at + 1] === '*' || text[at + 1] === '\\')) {
      part += text[++at]!;
    } else {
      part += char;
    }
  }
  parts.push(part);
  return parts;
}

export const literal = (text: string): TextPattern => [text];

/** The text itself when the pattern has no wildcard. */
export function literalOf(pattern: TextPattern): string | undefined {
  return pattern.length === 1 ? pattern[0] : undefined;
}

/** Linear in the text for each part: what matches from a later place of a part matches from its earliest, too. */
export function matchesPattern(pattern: TextPattern, text: string): boolean {
  const [first = '', ...rest] = pattern;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** For SQL's LIKE with its own escape character, the backslash. */
export function likeOf(pattern: TextPattern): string {
  return pattern.map((part) => part.replace(/[\\%_]/g, '\\$&')).join('%');
}

/** As a person writes it. */
export function patternText(pattern: TextPattern): string {
  return pattern.map((part) => part.replace(/[\\*]/g, '\\$&')).join('*');
}
