/** Problems of a file as a person reads them in a terminal. */
import { printable } from './places.js';
import type { CampaignFileProblem } from './read-campaign-file.js';

/** Units of a line that are shown around the place. */
const SHOWN = 76;

/** @param fileName as the person named it. */
export function problemLines(fileName: string, problem: CampaignFileProblem): string[] {
  const { line, column, length, path, message } = problem;
  const number = String(line);
  const gutter = ' '.repeat(number.length);
  const text = printable(problem.text);
  // What is far to the right is brought into sight.
  const from = column + length <= SHOWN ? 0 : Math.max(0, Math.min(column - 1 - 30, text.length - SHOWN + 1));
  const cut = text.slice(from, from + SHOWN);
  const before = from > 0 ? '…' : '';
  const after = from + SHOWN < text.length ? '…' : '';
  const indent = ' '.repeat(column - 1 - from + before.length);
  const carets = '^'.repeat(Math.max(1, Math.min(length, from + cut.length - (column - 1))));
  return [
    `${fileName}:${line}:${column}${path === '' ? '' : `  ${path}`}`,
    ` ${number} | ${before}${cut}${after}`,
    ` ${gutter} | ${indent}${carets}`,
    `  ${message}`,
  ];
}
