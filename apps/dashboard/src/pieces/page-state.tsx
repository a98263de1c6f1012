/** The states of a view: waiting, empty, failed, not allowed. Each part of a page has its own. */
import { Tooltip } from '@mantine/core';
import { useEffect, useState, type ReactElement, type ReactNode } from 'react';
import { errorSentence, errorTrace } from '../data/api.js';
import { TRY_AGAIN_MS } from '../data/query-client.js';
import { clock } from '../format/times.js';
import classes from './page-state.module.css';

/** Nothing for 150 ms, then headings with grey bars; after three seconds it says so. */
export function Waiting({ headings, rows = 3 }: { headings: readonly string[]; rows?: number }) {
  const [shownMs, setShownMs] = useState(0);
  useEffect(() => {
    const started = performance.now();
    const timers = [150, 3_000, 6_000, 10_000, 20_000].map((ms) =>
      setTimeout(() => setShownMs(performance.now() - started), ms),
    );
    return () => timers.forEach(clearTimeout);
  }, []);
  if (shownMs < 140) return <div aria-busy />;
  return (
    <div aria-busy className="stack">
      {shownMs >= 2_900 && <p role="status">Still asking the server ({Math.floor(shownMs / 1000)} s).</p>}
      {headings.map((heading) => (
        <div key={heading} className="stack">
          {heading !== '' && <h2>{heading}</h2>}
          {Array.from({ length: rows }, (_, index) => (
            <span key={index} className={classes.bar} style={{ width: `${72 - index * 14}%` }} />
          ))}
        </div>
      ))}
    </div>
  );
}

interface FailedProps {
  readonly error: unknown;
  /** When what is still on screen was read. */
  readonly shownSinceMs?: number;
  readonly retry?: () => void;
}

/** A part that failed fails alone: what happened, what one sees, when it is tried again. */
export function Failed({ error, shownSinceMs, retry }: FailedProps) {
  const trace = errorTrace(error);
  return (
    <div role="alert" className={classes.note}>
      <p>
        {errorSentence(error)}
        {trace !== '' && <span className="muted"> ({trace})</span>}
        {shownSinceMs !== undefined && shownSinceMs > 0 && ` You see ${clock(shownSinceMs, { seconds: true })}.`}{' '}
        <Again error={error} />
        {retry && (
          <button type="button" className="plain-button" onClick={retry}>
            Now
          </button>
        )}
      </p>
    </div>
  );
}

function Again({ error }: { error: unknown }) {
  const [left, setLeft] = useState(TRY_AGAIN_MS / 1000);
  useEffect(() => {
    setLeft(TRY_AGAIN_MS / 1000);
    const timer = setInterval(() => setLeft((seconds) => Math.max(0, seconds - 1)), 1_000);
    return () => clearInterval(timer);
  }, [error]);
  const status = (error as { status?: number }).status;
  if (status !== undefined && status < 500 && status !== 429) return null;
  return <span>Trying again in {left} s.</span>;
}

/** Nothing there: says why, and what to do. */
export function Empty({ children }: { children: ReactNode }) {
  return <div className={classes.empty}>{children}</div>;
}

/**
 * A query's data, or the state it is in. Data that could not be renewed stays, under a line that says so.
 * @param query of TanStack Query. @param headings of the grey bars.
 */
export function Part<T>({
  query,
  headings = [''],
  rows,
  children,
}: {
  query: {
    readonly data: T | undefined;
    readonly error: unknown;
    readonly isError: boolean;
    readonly dataUpdatedAt: number;
    readonly refetch: () => unknown;
  };
  headings?: readonly string[];
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  return (
    <>
      {query.isError && (
        <Failed error={query.error} shownSinceMs={query.dataUpdatedAt} retry={() => void query.refetch()} />
      )}
      {query.data !== undefined
        ? children(query.data)
        : !query.isError && <Waiting headings={headings} {...(rows !== undefined && { rows })} />}
    </>
  );
}

/** A control that may not be used: it stays visible, can be reached by keyboard, and says why. Gets `disabled` when `why` is set. */
export function Allowed({ why, children }: { why: string; children: (disabled: boolean) => ReactElement }) {
  if (why === '') return children(false);
  return (
    <Tooltip label={why} multiline maw={320} events={{ hover: true, focus: true, touch: true }}>
      <span tabIndex={0} aria-label={why} className={classes.refused}>
        {children(true)}
      </span>
    </Tooltip>
  );
}
