/**
 * Filters over devices in RSQL, the usual form of FIQL (draft-nottingham-atompub-fiql-00), read by `@rsql/parser`:
 * comparisons joined by `;` or `and` (binds closer) and `,` or `or`, with parentheses. Every thing that is wrong is named
 * with its place and its mend.
 */
import type { ComparisonNode, ExpressionNode } from '@rsql/ast';
import { parse } from '@rsql/parser';
import { FILTER_LIMITS, type Filter, type FilterError } from './filter.js';
import type { FilterScope } from './filter-fields.js';
import { shapeOf, type TextShape } from './locate-comparisons.js';
import { readComparison } from './read-comparison.js';

export type ParsedFilter =
  { readonly ok: true; readonly filter: Filter } | { readonly ok: false; readonly errors: readonly FilterError[] };

/** @param text what a person wrote; any text is survived. @param scope `member`: may ask for state, stage, code and the version before; `campaign`: asks of campaigns. */
export function parseFilter(text: string, scope: FilterScope = 'device'): ParsedFilter {
  const shape = shapeOf(text.slice(0, FILTER_LIMITS.lengthChars));
  const refused = checkText(text) ?? checkShape(text, shape);
  if (refused) return { ok: false, errors: [refused] };
  let tree: ExpressionNode;
  try {
    tree = parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, errors: [syntaxError(text, shape, error)] };
    throw error;
  }
  const errors: FilterError[] = [];
  let next = 0;
  const read = (node: ExpressionNode): Filter => {
    if (node.type === 'LOGIC') {
      const kind = node.operator === ';' || node.operator === 'and' ? 'and' : 'or';
      const parts = [read(node.left), read(node.right)];
      // Chains lean to the left in the library's tree; here they are flat.
      return { kind, parts: parts.flatMap((part) => (part.kind === kind ? part.parts : [part])) };
    }
    const place = shape.comparisons[next++];
    const found = readComparison(
      fieldOf(node),
      node.operator,
      valuesOf(node),
      place ?? { field: whole(text), operator: whole(text), value: whole(text) },
      scope,
    );
    if (!('errors' in found)) return found;
    errors.push(...found.errors);
    return { kind: 'or', parts: [] };
  };
  const filter = read(tree);
  return errors.length > 0 ? { ok: false, errors } : { ok: true, filter };
}

const fieldOf = (node: ComparisonNode): string => node.left.selector;
const valuesOf = ({ right: { value } }: ComparisonNode): readonly string[] =>
  typeof value === 'string' ? [value] : value;
const whole = (text: string): { at: number; length: number } => ({ at: 0, length: text.length });

function checkText(text: string): FilterError | undefined {
  if (text.trim() === '') {
    return {
      ...whole(text),
      what: 'The filter is empty.',
      mend: 'Write a comparison, for instance model==sensor-*, or leave the filter out to mean every device.',
    };
  }
  if (text.length > FILTER_LIMITS.lengthChars) {
    return {
      at: FILTER_LIMITS.lengthChars,
      length: text.length - FILTER_LIMITS.lengthChars,
      what: `The filter has ${text.length} characters; at most ${FILTER_LIMITS.lengthChars} are taken.`,
      mend: 'Put a tag on the devices and filter by the tag.',
    };
  }
  // Neither can be stored as text by the database. A surrogate of a pair is not matched with the u flag.
  const bad = /[\0-\u001f\u007f]|\p{Surrogate}/u.exec(text.replace(/[\t\n\r]/g, ' '));
  if (!bad) return undefined;
  const code = bad[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return {
    at: bad.index,
    length: 1,
    what: `The filter contains U+${code}, which is no printable character.`,
    mend: 'Take the character out.',
  };
}

function checkShape(text: string, shape: TextShape): FilterError | undefined {
  if (shape.depth > FILTER_LIMITS.depth) {
    return {
      ...whole(text),
      what: `Parentheses are nested ${shape.depth} deep; at most ${FILTER_LIMITS.depth} are taken.`,
      mend: 'Take out parentheses that are not needed, or filter by a tag.',
    };
  }
  const first = shape.comparisons[FILTER_LIMITS.comparisons];
  if (!first) return undefined;
  return {
    at: first.field.at,
    length: text.length - first.field.at,
    what: `The filter has ${shape.comparisons.length} comparisons; at most ${FILTER_LIMITS.comparisons} are taken.`,
    mend: 'Join comparisons of one field with =in=, for instance site=in=(a,b,c), or filter by a tag.',
  };
}

/** The library says the place within its message, counted from one, or that the text ends too early. */
function syntaxError(text: string, shape: TextShape, error: SyntaxError): FilterError {
  const open = /close parenthesis at position (\d+)\?$/.exec(error.message)?.[1];
  if (open !== undefined) {
    return {
      at: Number(open) - 1,
      length: 1,
      what: 'The parenthesis is not closed.',
      mend: 'Put a ) behind the last comparison that belongs to it.',
    };
  }
  const quote = /^Unclosed quote .{1,2} ?.*? at position (\d+) in "/su.exec(error.message)?.[1];
  if (quote !== undefined) {
    return {
      at: Number(quote) - 1,
      length: text.length - Number(quote) + 1,
      what: 'The quoted text does not end.',
      mend: 'Put the same quote behind it; within it, a quote is written with a \\ before it.',
    };
  }
  // The message quotes the text itself at its end, so its first position is the library's own.
  const found = /^Unexpected (?:string|character) '(.*?)' at position (\d+) in "/su.exec(error.message);
  if (!found) {
    return {
      at: text.length,
      length: 0,
      what: 'The filter ends where more is expected.',
      mend: 'Write field, operator and value, for instance model==sensor-*, and join comparisons by ; or ,',
    };
  }
  const at = Math.min(Number(found[2]) - 1, text.length);
  const length = Math.min(found[1]!.length, text.length - at);
  const missing = shape.comparisons.some(({ value }) => value.length === 0 && value.at === at);
  return {
    at,
    length,
    what: missing ? 'A value is missing here.' : `${text.slice(at, at + length)} is not expected here.`,
    mend: missing
      ? 'Write the value; one with spaces, quotes or any of ( ) ; , = ! ~ < > goes in quotes.'
      : 'Join comparisons by ; (and) or , (or); put a value with spaces or any of ( ) ; , = ! ~ < > in quotes.',
  };
}
