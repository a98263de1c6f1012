/** A bar of parts with a gap between them; no part that is not zero is ever too thin to see. */
import type { BarPart } from './bar-parts.js';
import { sentenceOf } from './bar-parts.js';
import classes from './bar.module.css';

interface Props {
  readonly parts: readonly BarPart[];
  /** What it is a bar of: "stage 3". */
  readonly of: string;
  readonly height?: number;
}

export function Bar({ parts, of, height = 12 }: Props) {
  const shown = parts.filter((part) => part.n > 0);
  return (
    <div className={classes.bar} role="img" aria-label={sentenceOf(parts, of)} style={{ height }}>
      {shown.map((part) => (
        <span
          key={part.key}
          className={classes.part}
          data-ink={part.ink}
          data-pattern={part.pattern}
          style={{ flexGrow: part.n }}
          title={`${part.n} ${part.label}`}
        />
      ))}
    </div>
  );
}
