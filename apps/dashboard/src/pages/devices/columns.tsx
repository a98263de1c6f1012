import type { Device } from '../../data/shapes.js';
import type { MouseEvent, ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { cutMiddle } from '../../format/numbers.js';
import { useServerNow } from '../../live/use-live.js';
import type { Column } from '../../pieces/data-table.js';
import { withComparison } from '../../pieces/filter-text.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { deviceLook, deviceName } from '../fleet/device-look.js';
import classes from './devices.module.css';

/** Shown where nobody chose others. */
export const USUAL_COLUMNS: readonly string[] = ['model', 'version', 'site', 'gateway', 'heard', 'stands'];

/**
 * @param cols keys with commas, as the address has them; what is not known is left out.
 * @returns the columns of the table, the name always first, in the order in which they are listed here.
 */
export function chosenColumns(all: readonly Column<Device>[], cols: string | undefined): readonly Column<Device>[] {
  const chosen = new Set(cols === undefined ? USUAL_COLUMNS : cols.split(','));
  return all.filter(({ key }) => key === 'device' || chosen.has(key));
}

/** @param setFilter called when a value is clicked: added, or with Alt left out. */
export function deviceColumns(q: string, setFilter: (next: string) => void): readonly Column<Device>[] {
  const narrowing = (field: string, value: string | null, shown: ReactNode = value): ReactNode =>
    value === null ? (
      <span className="muted">–</span>
    ) : (
      <button
        type="button"
        tabIndex={-1}
        className={`plain-button ${classes.value}`}
        title={`Only ${field} ${value}; with Alt all others`}
        onClick={(event: MouseEvent) => setFilter(withComparison(q, field, event.altKey ? '!=' : '==', value))}
      >
        {shown}
      </button>
    );
  return [
    {
      key: 'device',
      head: 'Device',
      width: '25%',
      card: 'first',
      cell: (row) => (
        <Link to="/fleet/devices/$id" params={{ id: row.id }} className={classes.name} title={row.identity.value}>
          {row.name === null ? <span className="mono">{cutMiddle(deviceName(row), 22, 6)}</span> : row.name}
          {row.name !== null && <span className="muted mono"> {cutMiddle(row.identity.value, 12, 6)}</span>}
        </Link>
      ),
    },
    { key: 'model', head: 'Model', width: '15%', cell: (row) => narrowing('model', row.model) },
    {
      key: 'version',
      head: 'Runs',
      width: '12%',
      cell: (row) => narrowing('version', row.runningVersion, <span className="mono">{row.runningVersion}</span>),
    },
    { key: 'site', head: 'Site', width: '13%', cell: (row) => narrowing('site', row.siteName) },
    {
      key: 'gateway',
      head: 'Gateway',
      width: '15%',
      card: 'none',
      cell: (row) => narrowing('gateway', row.gatewayName),
    },
    { key: 'heard', head: 'Heard', width: '104px', card: 'none', cell: (row) => <Time at={row.lastSeenAt} /> },
    { key: 'protocol', head: 'Protocol', width: '11%', card: 'none', cell: (row) => row.protocol ?? '–' },
    {
      key: 'battery',
      head: 'Battery',
      width: '72px',
      align: 'right',
      card: 'none',
      cell: (row) => (row.battery === null ? '–' : `${row.battery.percent} %`),
    },
    { key: 'tags', head: 'Tags', width: '16%', card: 'none', cell: (row) => <Tags tags={row.tags} set={narrowing} /> },
    { key: 'first', head: 'First seen', width: '104px', card: 'none', cell: (row) => <Time at={row.firstSeenAt} /> },
    { key: 'stands', head: 'State', width: '128px', cell: (row) => <Stands device={row} /> },
  ];
}

function Stands({ device }: { device: Device }) {
  return <StateMark look={deviceLook(device, useServerNow(60_000))} />;
}

interface TagsProps {
  readonly tags: Device['tags'];
  readonly set: (field: string, value: string) => ReactNode;
}

function Tags({ tags, set }: TagsProps) {
  const all = Object.entries(tags);
  if (all.length === 0) return <span className="muted">–</span>;
  return all.map(([key, value]) => <span key={key}>{set('tag', value === '' ? key : `${key}:${value}`)} </span>);
}
