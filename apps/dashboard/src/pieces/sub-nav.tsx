/** The pages of one entry of the rail, side by side under the heading. */
import { Link } from '@tanstack/react-router';
import classes from './sub-nav.module.css';

export interface SubPage {
  readonly to: string;
  readonly label: string;
}

export function SubNav({ label, pages }: { label: string; pages: readonly SubPage[] }) {
  return (
    <nav aria-label={label}>
      <ul className={classes.list}>
        {pages.map(({ to, label: name }) => (
          <li key={to}>
            <Link
              to={to}
              search={{}}
              activeOptions={{ includeSearch: false }}
              activeProps={{ 'aria-current': 'page' }}
              className={classes.entry}
            >
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
