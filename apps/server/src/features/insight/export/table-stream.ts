/**
 * Tables that leave the server as a file: CSV (RFC 4180, with a header) or JSON lines, written page by page, so that neither
 * side holds the whole. What a spreadsheet would take for a formula is made text by the library (`escape_formulas`).
 */
import { once } from 'node:events';
import { stringify } from 'csv-stringify';
import type { Response } from 'express';
import { ApiResponse } from '@nestjs/swagger';
import { ProblemError } from '../../../http/problem-error.js';

export type Cell = string | number | boolean | null;
export type TableRow<C extends string> = Readonly<Record<C, Cell>>;

/** A reader that takes nothing for so long is let go. */
const STALLED_MS = 60_000;

export interface Table<C extends string> {
  /** Without its ending; other letters than a-z 0-9 . - are taken out. */
  readonly name: string;
  readonly columns: readonly C[];
  /** Pages of rows, in a fixed order. */
  readonly pages: AsyncIterator<readonly TableRow<C>[]>;
}

/** Begins to answer once the first page was read, so that what is wrong before it is still told as a problem. */
export async function sendTable<C extends string>(
  response: Response,
  format: 'csv' | 'json',
  table: Table<C>,
): Promise<void> {
  let page = await table.pages.next();
  const name = table.name.replace(/[^A-Za-z0-9.-]/g, '') || 'export';
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader(
    'Content-Type',
    format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/jsonl',
  );
  response.setHeader('Content-Disposition', `attachment; filename="${name}.${format === 'csv' ? 'csv' : 'jsonl'}"`);
  const write = async (text: string | Buffer): Promise<void> => {
    if (response.destroyed) throw new Gone();
    if (response.write(text)) return;
    // The connection's own end, or a reader that stopped reading, ends the wait.
    await Promise.race([
      once(response, 'drain', { signal: AbortSignal.timeout(STALLED_MS) }),
      once(response, 'close').then(() => Promise.reject(new Gone())),
    ]);
  };
  try {
    if (format === 'csv') await write(await csvOf(table.columns, [table.columns]));
    while (!page.done) {
      const rows = page.value.map((row) => table.columns.map((column) => row[column]));
      if (format === 'csv' && rows.length > 0) await write(await csvOf(table.columns, rows));
      if (format === 'json') await write(page.value.map((row) => `${JSON.stringify(row)}\n`).join(''));
      page = await table.pages.next();
    }
    response.end();
  } catch (error) {
    await table.pages.return?.();
    // What was begun cannot become a problem any more: a connection that ends early is no whole file.
    response.destroy(error instanceof Gone ? undefined : (error as Error));
    if (!(error instanceof Gone) && !(error instanceof ProblemError)) throw error;
  }
}

class Gone extends Error {}

function csvOf(columns: readonly string[], rows: readonly (readonly (Cell | undefined)[])[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stringify(
      rows.map((row) => [...row]),
      {
        columns: [...columns],
        escape_formulas: true,
        record_delimiter: 'windows',
        cast: { boolean: (yes) => (yes ? 'true' : 'false') },
      },
      (error, text) => (error ? reject(error) : resolve(Buffer.from(text, 'utf8'))),
    );
  });
}

/** What such a route answers, for OpenAPI. */
export const ApiTable = (): MethodDecorator =>
  ApiResponse({
    status: 200,
    description: 'The table, as a file.',
    content: { 'text/csv': { schema: { type: 'string' } }, 'application/jsonl': { schema: { type: 'string' } } },
  });
