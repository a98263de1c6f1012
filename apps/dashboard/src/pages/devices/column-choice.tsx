/** Which columns the table shows; the choice is a part of the address, so that a link shows the same. */
import { Checkbox, Popover } from '@mantine/core';
import type { Device } from '../../data/shapes.js';
import type { Column } from '../../pieces/data-table.js';
import { USUAL_COLUMNS } from './columns.js';

interface Props {
  readonly all: readonly Column<Device>[];
  readonly cols: string | undefined;
  readonly choose: (cols: string | undefined) => void;
}

export function ColumnChoice({ all, cols, choose }: Props) {
  const chosen = new Set(cols === undefined ? USUAL_COLUMNS : cols.split(','));
  const toggle = (key: string, wanted: boolean) => {
    const next = all.map((column) => column.key).filter((each) => (each === key ? wanted : chosen.has(each)));
    choose(next.join() === USUAL_COLUMNS.join() ? undefined : next.join());
  };
  return (
    <Popover position="bottom-end" trapFocus withinPortal={false}>
      <Popover.Target>
        <button type="button" className="plain-button">
          Columns ▾
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <fieldset style={{ border: 0, margin: 0, padding: 0, display: 'grid', gap: 6 }}>
          <legend className="sr-only">Columns</legend>
          {all
            .filter(({ key }) => key !== 'device')
            .map(({ key, head }) => (
              <Checkbox
                key={key}
                size="md"
                label={head}
                checked={chosen.has(key)}
                onChange={(event) => toggle(key, event.currentTarget.checked)}
              />
            ))}
          {cols !== undefined && (
            <button type="button" className="plain-button" onClick={() => choose(undefined)}>
              The usual ones
            </button>
          )}
        </fieldset>
      </Popover.Dropdown>
    </Popover>
  );
}
