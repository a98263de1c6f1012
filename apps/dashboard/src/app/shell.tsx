/** What stands around every page: the rail (on a phone a bar below), the lamp, the palette, the list of keys. */
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { Fragment, lazy, Suspense, useEffect, useState, useSyncExternalStore } from 'react';
import { ownZone } from '../format/own-zone.js';
import { followQueries } from '../live/follow-queries.js';
import { openLiveLink } from '../live/live-link.js';
import { useApprovalsWaiting } from '../data/approvals.js';
import { queryClient } from '../data/query-client.js';
import { useAttention } from './attention.js';
import { listenForKeys, useKeys } from './keys.js';
import { Lamp } from './lamp.js';
import { PersonMenu } from './person-menu.js';
import { RAIL, type RailEntry } from './rail-entries.js';
import { Speaker } from './speaker.js';
import classes from './shell.module.css';

const Palette = lazy(() => import('./palette.js'));
const KeyList = lazy(() => import('./key-list.js'));

export function Shell() {
  const navigate = useNavigate();
  const [open, setOpen] = useState<'palette' | 'keys'>();
  useEffect(() => {
    const undo = [openLiveLink(), followQueries(queryClient), listenForKeys()];
    return () => undo.forEach((step) => step());
  }, []);
  useKeys([
    {
      keys: 't',
      does: 'times in UTC, and back',
      act: () => ownZone.choose(ownZone.current() === 'UTC' ? undefined : 'UTC'),
    },
    ...RAIL.map((entry) => ({
      keys: `g ${entry.key}`,
      does: `go to ${entry.label}`,
      act: () => void navigate({ to: entry.to }),
    })),
    { keys: 'Mod+k', does: 'go anywhere, do anything', act: () => setOpen('palette') },
    { keys: '?', does: 'list the keys', act: () => setOpen('keys') },
  ]);
  const zone = useSyncExternalStore(ownZone.subscribe, ownZone.current);
  const close = () => setOpen(undefined);
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#page-title">
        Skip to the page
      </a>
      <Rail />
      <div className={classes.side}>
        <header className={classes.bar}>
          <span className={classes.phoneName}>Drydock</span>
          <Lamp />
          <span className={classes.grow} />
          <button type="button" className="plain-button" onClick={() => setOpen('palette')}>
            <kbd className={classes.kbd}>⌘K</kbd>
            <span className="sr-only"> go or do anything</span>
          </button>
          <PersonMenu onKeys={() => setOpen('keys')} />
        </header>
        <main className={classes.main} id="main">
          {/* Every time on the page is written anew. */}
          <Fragment key={zone ?? ''}>
            <Outlet />
          </Fragment>
        </main>
      </div>
      <Speaker />
      <Suspense fallback={null}>
        {open === 'palette' && <Palette close={close} />}
        {open === 'keys' && <KeyList close={close} />}
      </Suspense>
    </div>
  );
}

function Rail() {
  const waiting: Readonly<Record<string, number>> = { '/': useAttention(), '/approvals': useApprovalsWaiting() };
  const item = (entry: RailEntry) => (
    <li key={entry.to}>
      <Link
        to={entry.to}
        activeOptions={{ exact: entry.to === '/', includeSearch: false }}
        className={classes.entry}
        activeProps={{ 'aria-current': 'page' }}
      >
        {entry.label}
        {(waiting[entry.to] ?? 0) > 0 && (
          <span className={classes.badge} aria-label={`${waiting[entry.to]} wait for a person`}>
            {waiting[entry.to]}
          </span>
        )}
      </Link>
    </li>
  );
  return (
    <nav className={classes.rail} aria-label="Pages">
      <span className={classes.name}>Drydock</span>
      <ul>{RAIL.filter((entry) => !entry.below).map(item)}</ul>
      {RAIL.some((entry) => entry.below) && <ul className={classes.below}>{RAIL.filter((e) => e.below).map(item)}</ul>}
    </nav>
  );
}
