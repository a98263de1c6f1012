/** The frame of pages before sign-in. */
import { useEffect, type ReactNode } from 'react';
import classes from './door.module.css';

export function Door({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Drydock`;
  }, [title]);
  return (
    <main className={classes.door}>
      <p className={classes.name}>Drydock</p>
      <h1>{title}</h1>
      {children}
    </main>
  );
}
