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
    { key: 'stands', head: 'State', width: '128px', cell: (row) => <Stands device={row} /> },
  ];
}

function Stands({ device }: { device: Device }) {
  return <StateMark look={deviceLook(device, useServerNow(60_000))} />;
}
