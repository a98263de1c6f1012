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

const refused = (what: string, fix: string): CliError => new CliError('usage.where', EXIT.refused, what, { fix });

const unquoted = (text: string): string => (/^["']/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text);
