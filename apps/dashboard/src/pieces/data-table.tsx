/**
 * A table of any length: pages by keyset, drawn by a window of rows, walked by arrows or j and k. A real table for
 * assistive technology; on a phone each row is a card of two lines.
 */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import type { KeysetRows } from '../data/keyset.js';
import { count } from '../format/numbers.js';
import { Part } from './page-state.js';
import { useFrozenRows } from './use-frozen-rows.js';
import { PHONE, useMedia } from './use-media.js';
import classes from './data-table.module.css';

export interface Column<T> {
  readonly key: string;
  readonly head: string;
  readonly cell: (row: T) => ReactNode;
  /** CSS width; left out: what is left. */
  readonly width?: string;
  readonly align?: 'right';
  /** On a phone: the first line, the second, or not shown. */
  readonly card?: 'first' | 'second' | 'none';
}

export interface DataTableProps<T> {
  /** Names the table for those who do not see it: "Devices of the campaign". */
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  readonly rows: KeysetRows<T>;
  /** Shown where there is no row. */
  readonly empty: ReactNode;
  /** Enter or click. */
  readonly onOpen?: (row: T) => void;
  /** Other keys on a row: Space peeks, `w` asks why. */
  readonly rowKeys?: Readonly<Record<string, (row: T) => void>>;
  /** Key of the row that a drawer shows. */
  readonly openKey?: string | undefined;
  /** Called when the arrows walk to another row while `openKey` is set. */
  readonly onWalk?: (row: T) => void;
  readonly height?: string;
}

const ROW = 32;
const CARD = 60;
const OVERSCAN = 12;

export function DataTable<T>(props: DataTableProps<T>) {
  return (
    <Part query={props.rows} rows={6}>
      {(rows) => (rows.length === 0 ? <>{props.empty}</> : <Rows {...props} all={rows} />)}
    </Part>
  );
}

function Rows<T>(props: DataTableProps<T> & { all: readonly T[] }) {
  const { columns, rowKey, rows, onOpen, rowKeys, openKey, onWalk, all } = props;
  const isPhone = useMedia(PHONE);
  const box = useRef<HTMLDivElement>(null);
  const [isInside, setIsInside] = useState(false);
  const [at, setAt] = useState<string>();
  const wantsFocus = useRef(false);
  const { shown, newer, letIn } = useFrozenRows(all, rowKey, isInside || openKey !== undefined);
  const height = isPhone ? CARD : ROW;
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: OVERSCAN,
  });
  useEffect(() => virtual.measure(), [height, virtual]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (rows.hasMore && last >= shown.length - OVERSCAN * 2) rows.loadMore();
  }, [last, shown.length, rows]);

  const current = at === undefined ? -1 : shown.findIndex((row) => rowKey(row) === at);
  const walk = (to: number) => {
    const row = shown[Math.max(0, Math.min(to, shown.length - 1))];
    if (row === undefined) return;
    wantsFocus.current = true;
    setAt(rowKey(row));
    virtual.scrollToIndex(shown.indexOf(row));
    if (openKey !== undefined) onWalk?.(row);
  };
  const onKey = (event: KeyboardEvent, index: number, row: T) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    // A control inside of the row has its keys to itself.
    if (event.target !== event.currentTarget && !/^Arrow/.test(event.key)) return;
    const steps: Record<string, number> = {
      ArrowDown: index + 1,
      j: index + 1,
      ArrowUp: index - 1,
      k: index - 1,
      PageDown: index + 20,
      PageUp: index - 20,
      Home: 0,
      End: shown.length - 1,
    };
    const step = steps[event.key];
    if (step !== undefined) walk(step);
    else if (event.key === 'Enter' && onOpen) onOpen(row);
    else if (rowKeys?.[event.key]) rowKeys[event.key]!(row);
    else return;
    event.preventDefault();
  };

  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const known = rows.total;
  const position =
    items.length === 0
      ? ''
      : `rows ${count(items[0]!.index + 1)}–${count(last + 1)} of ${known === undefined ? `${count(shown.length)}+` : count(known)}`;
  return (
    <div className={classes.frame} data-old={rows.isOld || undefined}>
      {newer > 0 && (
        <button type="button" className={`plain-button ${classes.newer}`} onClick={letIn}>
          {count(newer)} newer ↑
        </button>
      )}
      <div
        ref={box}
        className={classes.box}
        style={{ maxHeight: props.height ?? '60vh' }}
        onFocus={() => setIsInside(true)}
        onBlur={(event) => {
          if (!event.currentTarget.contains(event.relatedTarget)) setIsInside(false);
        }}
      >
        <table className={classes.table} role="table" aria-label={props.label} aria-rowcount={(known ?? -2) + 1}>
          <colgroup>
            {columns.map((column) => (
              <col key={column.key} style={column.width === undefined ? undefined : { width: column.width }} />
            ))}
          </colgroup>
          <thead role="rowgroup">
            <tr role="row" aria-rowindex={1}>
              {columns.map((column) => (
                <th key={column.key} scope="col" role="columnheader" className={column.align === 'right' ? 'num' : ''}>
                  {column.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {before > 0 && <tr aria-hidden style={{ height: before }} />}
            {items.map(({ index }) => {
              const row = shown[index]!;
              const key = rowKey(row);
              const isStop = key === at || (current < 0 && index === items[0]!.index);
              return (
                <tr
                  key={key}
                  role="row"
                  aria-rowindex={index + 2}
                  aria-current={key === openKey ? 'true' : undefined}
                  tabIndex={isStop ? 0 : -1}
                  style={{ height }}
                  ref={(element) => {
                    if (!element || key !== at || !wantsFocus.current) return;
                    wantsFocus.current = false;
                    element.focus({ preventScroll: true });
                  }}
                  onFocus={() => setAt(key)}
                  onKeyDown={(event) => onKey(event, index, row)}
                  onClick={(event) => {
                    if (onOpen && !(event.target as HTMLElement).closest('a, button')) onOpen(row);
                  }}
                  data-opens={onOpen ? true : undefined}
                >
                  {columns.map((column) => (
                    <td
                      key={column.key}
                      role="cell"
                      className={column.align === 'right' ? 'num' : ''}
                      data-card={column.card ?? 'second'}
                    >
                      {column.cell(row)}
                    </td>
                  ))}
                </tr>
              );
            })}
            {after > 0 && <tr aria-hidden style={{ height: after }} />}
          </tbody>
        </table>
      </div>
      <p className="small muted">
        {position}
        {rows.isLoadingMore && ' · asking for more'}
        {rows.isOld && ' · rows of the filter before'}
      </p>
    </div>
  );
}
