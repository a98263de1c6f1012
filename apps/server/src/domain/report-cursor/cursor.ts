/**
 * P4: one cursor per (gateway, epoch). At or below it = duplicate, acknowledged again; a gap is refused
 * and answered with the cursor; what follows directly is taken.
 */
export type CursorVerdict =
  | {
      readonly kind: 'take';
      /** Reports at the front that are committed already. */ readonly skip: number;
      readonly cursor: number;
    }
  | { readonly kind: 'duplicate'; readonly cursor: number }
  | { readonly kind: 'gap'; readonly cursor: number };

export function judgeBatch(cursor: number, firstSeq: number, count: number): CursorVerdict {
  if (firstSeq > cursor + 1) return { kind: 'gap', cursor };
  const last = firstSeq + count - 1;
  if (last <= cursor) return { kind: 'duplicate', cursor };
  return { kind: 'take', skip: cursor + 1 - firstSeq, cursor: last };
}
