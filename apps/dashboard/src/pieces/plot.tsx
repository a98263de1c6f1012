/** A plot whose numbers can also be read as a table. The drawing library is loaded when the first plot is shown. */
import { lazy, Suspense, useState, type ReactNode } from 'react';
import type { PlotCanvasProps } from './plot-canvas.js';
import classes from './plot.module.css';

const PlotCanvas = lazy(() => import('./plot-canvas.js'));

interface FigureProps {
  /** The sentence that the plot shows, for those who do not see it. */
  readonly label: string;
  /** Head and rows of the same numbers. */
  readonly table: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

export interface PlotProps extends PlotCanvasProps, FigureProps {
  readonly label: string;
}

export function Plot({ label, table, ...canvas }: PlotProps) {
  return (
    <Figure label={label} table={table}>
      <Suspense fallback={<div style={{ height: canvas.height ?? 200 }} aria-busy />}>
        <PlotCanvas {...canvas} label={label} />
      </Suspense>
    </Figure>
  );
}

/** Any drawing, and the numbers that it draws as a table. */
export function Figure({ label, table, children }: FigureProps & { readonly children: ReactNode }) {
  const [asTable, setAsTable] = useState(false);
  return (
    <figure className={classes.plot}>
      {asTable ? (
        <div className={classes.table} tabIndex={0} role="region" aria-label={label}>
          <table>
            <thead>
              <tr>
                {table.head.map((head) => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, column) => (
                    <td key={column}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        children
      )}
      <figcaption>
        <button
          type="button"
          className="plain-button small"
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? 'as plot' : 'as table'}
        </button>
      </figcaption>
    </figure>
  );
}
