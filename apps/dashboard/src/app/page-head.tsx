/** Where one is, and the title of the tab: "(2) Campaigns · Drydock". */
import { Link } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';
import { useAttention } from './attention.js';
import classes from './shell.module.css';

export interface Crumb {
  readonly to: string;
  readonly label: string;
}

/** The one `h1` of a page, its way back, and its actions. @param aside stands right of the heading. */
export function PageHead({
  title,
  crumbs = [],
  aside,
}: {
  title: string;
  crumbs?: readonly Crumb[];
  aside?: ReactNode;
}) {
  const waiting = useAttention();
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${title} · Drydock`;
  }, [title, waiting]);
  return (
    <header className={classes.head}>
      <div>
        {crumbs.length > 0 && (
          <nav aria-label="Way back" className="small muted">
            {crumbs.map((crumb) => (
              <span key={crumb.to}>
                <Link to={crumb.to}>{crumb.label}</Link>
                <span aria-hidden> › </span>
              </span>
            ))}
          </nav>
        )}
        <h1 tabIndex={-1} id="page-title">
          {title}
        </h1>
      </div>
      {aside}
    </header>
  );
}
