/**
 * Where the comparisons of an RSQL text stand. The library's tree carries no positions; its comparisons come in the order
 * of the text, as these do. Also counts what is limited before the text is parsed.
 */

export interface ComparisonPlace {
  readonly field: { readonly at: number; readonly length: number };
  readonly operator: { readonly at: number; readonly length: number };
  readonly value: { readonly at: number; readonly length: number };
}

export interface TextShape {
  readonly comparisons: readonly ComparisonPlace[];
  readonly depth: number;
}

const RESERVED = new Set('"\'();,=!~<> \n\t\r');
const SPACE = new Set(' \n\t\r');

/** Survives any text; what does not parse is placed as far as it can be. */
export function shapeOf(text: string): TextShape {
  const comparisons: ComparisonPlace[] = [];
  let depth = 0;
  let deepest = 0;
  let word = { at: 0, length: 0 };
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (SPACE.has(char) || char === ';' || char === ',') {
      at++;
    } else if (char === '(' || char === ')') {
      depth += char === '(' ? 1 : -1;
      deepest = Math.max(deepest, depth);
      at++;
    } else if ('=!~<>'.includes(char)) {
      const end = endOfOperator(text, at);
      const operator = { at, length: end - at };
      const value = valueAt(text, end);
      comparisons.push({ field: word, operator, value });
      at = value.at + value.length;
    } else {
      const end = endOfWord(text, at);
      word = { at, length: end - at };
      at = end;
    }
  }
  return { comparisons, depth: deepest };
}

function endOfOperator(text: string, at: number): number {
  const next = text[at + 1];
  if (text[at] !== '=') return next === '=' ? at + 2 : at + 1;
  let end = at + 1;
  while (end < text.length && text[end]! >= 'a' && text[end]! <= 'z') end++;
  return text[end] === '=' ? end + 1 : at + 1;
}

function valueAt(text: string, from: number): { at: number; length: number } {
  let at = from;
  while (at < text.length && SPACE.has(text[at]!)) at++;
  if (text[at] !== '(') return { at, length: endOfWord(text, at) - at };
  let end = at + 1;
  while (end < text.length && text[end] !== ')') {
    end = text[end] === '"' || text[end] === "'" ? endOfWord(text, end) : end + 1;
  }
  return { at, length: Math.min(end + 1, text.length) - at };
}

/** The end of a quoted or unquoted word that begins here; at least one character on, unless the text ends. */
function endOfWord(text: string, from: number): number {
  const quote = text[from];
  let end = from;
  if (quote === '"' || quote === "'") {
    for (end = from + 1; end < text.length && text[end] !== quote; end++) if (text[end] === '\\') end++;
    return Math.min(end + 1, text.length);
  }
  while (end < text.length && !RESERVED.has(text[end]!)) end++;
  return end;
}
