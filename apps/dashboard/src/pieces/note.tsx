/** Something that stands in the way, said where it matters: a hold, a quarantine, a device without application. */
import type { ReactNode } from 'react';
import classes from './page-state.module.css';

export function Note({ children, bad = false }: { children: ReactNode; bad?: boolean }) {
  return (
    <div className={classes.note} data-bad={bad || undefined}>
      {children}
    </div>
  );
}
