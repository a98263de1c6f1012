/** A few ways to look at a list, as links: the address says which one it is. */
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import classes from './chip-links.module.css';

export interface Chip {
  readonly label: ReactNode;
  readonly search: Readonly<Record<string, string | undefined>>;
  readonly current: boolean;
}

export function ChipLinks({ label, chips }: { label: string; chips: readonly Chip[] }) {
  return (
    <div className="row" role="group" aria-label={label}>
      {chips.map((chip, index) => (
        <Link
          key={index}
          to="."
          search={chip.search}
          className={classes.chip}
          // Only the chip that says what is shown, not those whose part of the address is left out.
          activeOptions={{ exact: true, explicitUndefined: true }}
          aria-current={chip.current ? 'true' : undefined}
        >
          {chip.label}
        </Link>
      ))}
    </div>
  );
}
