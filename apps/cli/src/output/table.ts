/** Tables for people: no lines, columns two spaces apart, numbers to the right. */
import Table from 'cli-table3';
import stringWidth from 'string-width';
import { nearestOf } from '@drydock/contracts';
import { EXIT } from '../exit-codes.js';
import { CliError } from '../errors/cli-error.js';

export interface Column<Row> {
  readonly key: string;
  readonly value: (row: Row) => string | number | null | undefined;
  readonly title?: string;
  readonly right?: boolean;
  /** Shown only where it is asked for with --columns. */
  readonly hidden?: boolean;
}

const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((name) => [name, '']),
);

/** @param wanted of `--columns a,b`. @throws CliError for one that is not there. */
export function chooseColumns<Row>(columns: readonly Column<Row>[], wanted: string | undefined): Column<Row>[] {
  if (wanted === undefined) return columns.filter((column) => column.hidden !== true);
  return wanted.split(',').map((name) => {
    const key = name.trim();
    const found = columns.find((column) => column.key === key);
    if (found) return found;
    const known = columns.map((column) => column.key);
    const nearest = nearestOf(key, known);
    throw new CliError('usage.columns', EXIT.usage, `There is no column ${key}.`, {
      fix: nearest === undefined ? `columns are ${known.join(', ')}` : `did you mean ${nearest}?`,
    });
  });
}

/** Rows come in pages: what was written stays, and later pages keep the widths of earlier ones. */
export class TableWriter<Row> {
  #widths: number[];
  #headed = false;

  constructor(readonly columns: readonly Column<Row>[]) {
    this.#widths = columns.map((column) => stringWidth(titleOf(column)));
  }

  /** @returns lines; the first call has the heading, also without rows. */
  lines(rows: readonly Row[]): string[] {
    const cells = rows.map((row) => this.columns.map((column) => cellOf(column.value(row))));
    this.#widths = this.#widths.map((width, index) =>
      cells.reduce((most, row) => Math.max(most, stringWidth(row[index]!)), width),
    );
    const heading = this.#headed ? [] : [this.columns.map(titleOf)];
    this.#headed = true;
    if (heading.length + cells.length === 0) return [];
    const table = new Table({
      chars: { ...NO_LINES, middle: '  ' },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
      // The library takes a width of nothing for "as wide as needed".
      colWidths: this.#widths.map((width) => Math.max(1, width)),
      colAligns: this.columns.map((column) => (column.right === true ? 'right' : 'left')),
    });
    table.push(...heading, ...cells);
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd());
  }
}

const titleOf = (column: Pick<Column<never>, 'key' | 'title'>): string => column.title ?? column.key.toUpperCase();

function cellOf(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === '') return '–';
  return String(value).replace(/[\n\r\t]+/g, ' ');
}
