/** A short table, all of whose rows are here. On a phone each row is a block with the heads beside its values. */
import type { ReactNode } from 'react';
import classes from './simple-table.module.css';

export interface SimpleRow {
  readonly key: string;
  readonly cells: readonly ReactNode[];
}

export function SimpleTable({
  label,
  head,
  rows,
}: {
  label: string;
  head: readonly string[];
  rows: readonly SimpleRow[];
}) {
  return (
    <table className={classes.table} aria-label={label} role="table">
      <thead role="rowgroup">
        <tr role="row">
          {head.map((name) => (
            <th key={name} scope="col" role="columnheader">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={row.key} role="row">
            {row.cells.map((cell, index) => (
              <td key={head[index]} role="cell" data-head={index === 0 ? undefined : head[index]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
