/** A time: short to read, on hover or focus in every zone that matters. */
import { allZones, moment, when } from '../format/times.js';
import { useServerNow } from '../live/use-live.js';

interface Props {
  readonly at: string | number | null | undefined;
  readonly site?: { readonly name: string; readonly zone: string };
  /** Never "3 min ago". */
  readonly fixed?: boolean;
}

export function Time({ at, site, fixed = false }: Props) {
  const now = useServerNow(10_000);
  if (at === null || at === undefined) return <>–</>;
  return (
    <time dateTime={new Date(at).toISOString()} title={allZones(at, site)}>
      {fixed ? when(at, now) : moment(at, now)}
    </time>
  );
}
