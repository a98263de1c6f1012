/**
 * The text of a filter (RSQL, docs/filters.md) as the bar needs it: coloured, completed at the caret, bare words rewritten.
 * Whether it is right is the server's to say.
 */

export type TokenKind = 'field' | 'operator' | 'value' | 'joint' | 'other';
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly start: number;
}

export const OPERATORS = ['==', '!=', '=in=', '=out=', '=lt=', '=le=', '=gt=', '=ge=', '<=', '>=', '<', '>'] as const;
const OPERATOR = /^(?:=[a-z]*=|!=|<=|>=|<|>)/;

/** Cuts a filter into pieces; every character is in exactly one of them. Survives any text. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let expects: 'field' | 'value' = 'field';
  let depth = 0;
  const push = (kind: TokenKind, length: number) => {
    tokens.push({ kind, text: text.slice(at, at + length), start: at });
    at += length;
  };
  while (at < text.length) {
    const rest = text.slice(at);
    const operator = OPERATOR.exec(rest);
    const quoted = /^(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)/.exec(rest);
    if (quoted) push('value', quoted[0].length);
    else if (operator) {
      push('operator', operator[0].length);
      expects = 'value';
    } else if (/^[;,()]/.test(rest)) {
      if (rest[0] === '(' && expects === 'value') depth++;
      if (rest[0] === ')' && depth > 0) depth--;
      push('joint', 1);
      // A comma inside of a list is followed by a further value.
      if (depth === 0) expects = 'field';
    } else if (/^\s/.test(rest)) push('other', /^\s+/.exec(rest)![0].length);
    else push(expects, /^[^\s;,()=!<>'"]+/.exec(rest)?.[0].length ?? 1);
  }
  return tokens;
}

/** Bare words become a search in id and name. @returns the rewritten text, or the same. */
export function rewriteBareWords(text: string, fields: readonly string[]): string {
  const trimmed = text.trim();
  if (trimmed === '' || /[=<>!;,()'"]/.test(trimmed)) return text;
  const comparisons = trimmed.split(/\s+/).map((word) => {
    const safe = word.replace(/[*\\]/g, '');
    return fields.map((field) => `${field}==*${safe}*`).join(',');
  });
  return comparisons.length === 1 ? comparisons[0]! : comparisons.map((part) => `(${part})`).join(';');
}

export interface Completion {
  /** What is completed: the characters from here to the caret are replaced. */
  readonly from: number;
  readonly wants: 'field' | 'operator' | 'value';
  readonly typed: string;
  /** Of a value: the field it is compared with. */
  readonly field?: string;
}

/** What fits at the caret. */
export function completionAt(text: string, caret: number): Completion {
  const tokens = tokenize(text.slice(0, caret)).filter((token) => token.kind !== 'other');
  const last = tokens.at(-1);
  const field = tokens.findLast((token) => token.kind === 'field');
  if (!last || (last.kind === 'joint' && tokens.at(-2)?.kind !== 'operator' && !isInList(tokens))) {
    return { from: caret, wants: 'field', typed: '' };
  }
  if (last.kind === 'field') {
    return caret > last.start + last.text.length
      ? { from: caret, wants: 'operator', typed: '', field: last.text }
      : { from: last.start, wants: 'field', typed: last.text };
  }
  if (last.kind === 'value' && caret <= last.start + last.text.length) {
    return {
      from: last.start,
      wants: 'value',
      typed: last.text.replace(/^["']/, ''),
      ...(field && { field: field.text }),
    };
  }
  return { from: caret, wants: 'value', typed: '', ...(field && { field: field.text }) };
}

function isInList(tokens: readonly Token[]): boolean {
  const open = tokens.findLastIndex((token) => token.text === '(');
  return open > 0 && tokens[open - 1]!.kind === 'operator' && !tokens.slice(open).some((token) => token.text === ')');
}

/** A value as a filter takes it: quoted where it holds what has a meaning of its own. */
export function filterValue(value: string): string {
  return /^[^\s;,()=!<>'"\\*]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/** Adds a comparison with "and". */
export function withComparison(text: string, field: string, operator: string, value: string): string {
  const part = `${field}${operator}${filterValue(value)}`;
  const trimmed = text.trim();
  if (trimmed === '') return part;
  return /,/.test(trimmed) && !/^\(.*\)$/.test(trimmed) ? `(${trimmed});${part}` : `${trimmed};${part}`;
}

/** The parts that a filter joins by "and" at its top; one part where it joins by "or" there, none where it is empty. */
export function topLevelParts(text: string): string[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const { kind, text: piece } of tokenize(trimmed)) {
    if (kind === 'joint' && piece === '(') depth++;
    if (kind === 'joint' && piece === ')') depth = Math.max(0, depth - 1);
    if (kind === 'joint' && depth === 0 && piece === ',') return [trimmed];
    if (kind === 'joint' && depth === 0 && piece === ';') {
      parts.push(part.trim());
      part = '';
    } else part += piece;
  }
  return [...parts, part.trim()].filter((each) => each !== '');
}

/**
 * What a press on a chip makes of a filter: only that value of the field, or with Alt all but it; pressed again, it goes.
 * Other comparisons of the same field give way, so that chips never contradict each other.
 */
export function pressChip(text: string, field: string, value: string, excludes: boolean): string {
  const wanted = `${field}${excludes ? '!=' : '=='}${filterValue(value)}`;
  const parts = joinsByOr(text) ? [`(${text.trim()})`] : topLevelParts(text);
  if (parts.includes(wanted)) return parts.filter((part) => part !== wanted).join(';');
  const kept = parts.filter((part) => {
    const [name, operator] = tokenize(part).filter(({ kind }) => kind !== 'other');
    if (name?.kind !== 'field' || name.text !== field) return true;
    // What is excluded joins what is excluded already; what is wanted stands alone.
    return excludes && (operator?.text === '!=' || operator?.text === '=out=');
  });
  return [...kept, wanted].join(';');
}

/** Whether the filter says exactly this about the field, as one of its parts. */
export function hasChip(text: string, field: string, value: string, excludes: boolean): boolean {
  return topLevelParts(text).includes(`${field}${excludes ? '!=' : '=='}${filterValue(value)}`);
}

function joinsByOr(text: string): boolean {
  let depth = 0;
  return tokenize(text).some(({ kind, text: piece }) => {
    if (kind !== 'joint') return false;
    if (piece === '(') depth++;
    if (piece === ')') depth = Math.max(0, depth - 1);
    return depth === 0 && piece === ',';
  });
}

/** The complement of one comparison, for "all but these": `state=in=(a,b)` becomes `state=out=(a,b)`. */
export function complementOf(comparison: string): string {
  const turned: Readonly<Record<string, string>> = { '==': '!=', '!=': '==', '=in=': '=out=', '=out=': '=in=' };
  return tokenize(comparison)
    .map(({ kind, text }) => (kind === 'operator' ? (turned[text] ?? text) : text))
    .join('');
}

/** Adds a whole comparison with "and"; nothing where it is there already. */
export function withPart(text: string, part: string): string {
  const parts = joinsByOr(text) ? [`(${text.trim()})`] : topLevelParts(text);
  return parts.includes(part) ? text : [...parts, part].join(';');
}
