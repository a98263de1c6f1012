/** What is known of a thing, line by line: name left, value right. Lines without a value are left out. */
import type { ReactNode } from 'react';
import classes from './facts.module.css';

export type Fact = readonly [name: string, value: ReactNode] | false | undefined;

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className={classes.facts}>
      {facts.map((fact) =>
        fact ? (
          <div key={fact[0]}>
            <dt>{fact[0]}</dt>
            <dd>{fact[1] ?? '–'}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}

/** Tags as they are written in a filter. */
export function TagList({ tags }: { tags: Readonly<Record<string, string>> }) {
  const entries = Object.entries(tags);
  if (entries.length === 0) return <span className="muted">none</span>;
  return (
    <span className="row">
      {entries.map(([key, value]) => (
        <code key={key} className={classes.tag}>
          {value === '' ? key : `${key}:${value}`}
        </code>
      ))}
    </span>
  );
}
