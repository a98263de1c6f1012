/** Lists that are at hand already. */
import type { Cli } from '../cli.js';
import type { Column } from './table.js';

export async function answerPages<T extends object>(
  cli: Cli,
  pages: readonly (readonly T[])[],
  columns: readonly Column<T>[],
  wanted?: string,
): Promise<number> {
  async function* given(): AsyncGenerator<readonly T[]> {
    for (const page of pages) yield await Promise.resolve(page);
  }
  return cli.out.list(given(), columns, wanted);
}
