import { useState, type ReactNode } from 'react';
import classes from './campaign.module.css';

/** On a phone a closed row that opens in place; else what it holds. */
export function Fold({ title, closed, children }: { title: string; closed: boolean; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  if (!closed) return children;
  return (
    <details className={classes.fold} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {open && children}
    </details>
  );
}
