/**
 * `--where` of lists that the server narrows by fixed fields: comparisons with `==` joined by `;`, as the dashboard's address
 * has them. Lists of devices and members take the whole language (docs/filters.md), judged by the server.
 */
import { nearestOf } from '@drydock/contracts';
import { CliError } from './errors/cli-error.js';
import { EXIT } from './exit-codes.js';

/** A word, or anything in quotes. */
const PART =
  /^\s*([A-Za-z]\w*)\s*(==|!=|=[a-z]*=|[<>]=?)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;,()'"]+)\s*(?:;|$)/;

/**
 * @param fields that the list knows.
 * @throws CliError `usage.where`, exit 3, with the nearest field or the operator to use.
 */
export function plainWhere<Field extends string>(
  text: string | undefined,
  fields: readonly Field[],
): Partial<Record<Field, string>> {
  const values: Partial<Record<Field, string>> = {};
  let rest = text ?? '';
  while (rest.trim() !== '') {
    const found = PART.exec(rest);
    if (!found)
      throw refused(`“${rest.trim()}” is no comparison.`, 'write field==value, joined by ; where there are several');
    const [whole, name = '', operator, value = ''] = found;
    const field = fields.find((each) => each === name);
    if (field === undefined) {
      const nearest = nearestOf(name, [...fields]);
      throw refused(
        `There is no field ${name} here.`,
        nearest === undefined ? `fields are ${fields.join(', ')}` : `did you mean ${nearest}?`,
      );
    }
    if (operator !== '==') throw refused(`${name} has no operator ${operator ?? ''} in this list.`, 'use ==');
    if (values[field] !== undefined) throw refused(`${name} is named twice.`, 'name each field once');
    values[field] = unquoted(value);
    rest = rest.slice(whole.length);
  }
  return values;
}

/**
 * For lists that the server does not narrow: whether a row has every value that is asked for; `*` stands for anything.
 * @param row of a field with several values one must fit.
 */
export function keptBy<Field extends string>(
  wanted: Partial<Record<Field, string | undefined>>,
  row: Readonly<Record<Field, string | readonly string[]>>,
): boolean {
  return (Object.keys(wanted) as Field[]).every((field) => {
    const value = wanted[field];
    const found: string | readonly string[] = row[field];
    return value === undefined || (typeof found === 'string' ? [found] : found).some((each) => fits(value, each));
  });
}

/** Part by part, so that no text makes it slow. */
function fits(pattern: string, text: string): boolean {
  const parts = pattern.toLowerCase().split('*');
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  const lower = text.toLowerCase();
  if (parts.length === 1) return lower === first;
  if (!lower.startsWith(first) || !lower.endsWith(last) || lower.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = lower.indexOf(part, at);
    if (found < 0 || found + part.length > lower.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

const refused = (what: string, fix: string): CliError => new CliError('usage.where', EXIT.refused, what, { fix });

const unquoted = (text: string): string => (/^["']/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text);
