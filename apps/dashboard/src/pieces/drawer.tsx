/** A drawer beside a table (a whole screen on a phone). The table under it stays usable; Escape closes, focus goes back. */
import { useEffect, useRef, type ReactNode } from 'react';
import classes from './drawer.module.css';

export function Drawer({ title, close, children }: { title: ReactNode; close: () => void; children: ReactNode }) {
  const ref = useRef<HTMLElement>(null);
  const closing = useRef(close);
  closing.current = close;
  useEffect(() => {
    const before = document.activeElement;
    // On a phone it covers everything, so focus goes into it; beside a table the rows keep it, to be walked on.
    if (window.matchMedia('(max-width: 760px)').matches) ref.current?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('[aria-modal="true"]')) {
        closing.current();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('keydown', onKey);
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <aside className={classes.drawer} ref={ref} tabIndex={-1} aria-label="Details">
      <header className={classes.head}>
        <h2>{title}</h2>
        <button type="button" className="plain-button" onClick={close} aria-label="Close details">
          ✕
        </button>
      </header>
      <div className={classes.body}>{children}</div>
    </aside>
  );
}
