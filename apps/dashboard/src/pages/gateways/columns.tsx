import { Link } from '@tanstack/react-router';
import type { Gateway } from '../../data/shapes.js';
import { count } from '../../format/numbers.js';
import type { Column } from '../../pieces/data-table.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { ConnectedLight, gatewayLook } from '../fleet/gateway-look.js';
import classes from './gateways.module.css';

export const GATEWAY_COLUMNS: readonly Column<Gateway>[] = [
  {
    key: 'name',
    head: 'Gateway',
    width: '24%',
    card: 'first',
    cell: (row) => (
      <Link to="/fleet/gateways/$id" params={{ id: row.id }} className={classes.name}>
        {row.name}
      </Link>
    ),
  },
  { key: 'site', head: 'Site', width: '16%', cell: (row) => row.siteName },
  { key: 'light', head: 'Connected', width: '116px', cell: (row) => <ConnectedLight online={row.online} /> },
  { key: 'seen', head: 'Last heard', width: '112px', cell: (row) => <Time at={row.lastSeenAt} /> },
  { key: 'links', head: 'Links', width: '110px', card: 'none', cell: (row) => linksText(row) },
  { key: 'devices', head: 'Devices', width: '76px', align: 'right', card: 'none', cell: (row) => count(row.devices) },
  { key: 'agent', head: 'Agent', card: 'none', cell: (row) => <span className="mono">{row.agentVersion ?? '–'}</span> },
  { key: 'state', head: 'State', width: '132px', cell: (row) => <StateMark look={gatewayLook(row)} /> },
];

function linksText({ links }: Gateway): string {
  const up = links.filter((link) => link.state === 'up').length;
  if (links.length === 0) return '–';
  return up === links.length ? `${up} up` : `${links.length - up} of ${links.length} down`;
}
