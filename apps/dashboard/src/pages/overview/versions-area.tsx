/** The stacked area itself: straight lines from count to count, a gap where nothing was counted, walked by arrow keys. */
import { useEffect, useId, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { count, shortCount } from '../../format/numbers.js';
import { ownZone } from '../../format/own-zone.js';
import { clock, dayLine } from '../../format/times.js';
import { inkOf, roundTicks, type VersionStack } from './version-stack.js';
import classes from './versions.module.css';

const HEIGHT = 220;
const LEFT = 52;
const RIGHT = 8;
const TOP = 8;
const BELOW = 22;
const DAY_MS = 86_400_000;
/** A lone count between two gaps is drawn so wide. */
const ALONE_PX = 3;

interface Props {
  readonly stack: VersionStack;
  readonly label: string;
  readonly describe: (at: number) => string;
}

export function VersionsArea({ stack, label, describe }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [at, setAt] = useState<number>();
  const id = useId();
  const { atMs, layers, stretches, totals } = stack;
  const first = atMs[0] ?? 0;
  const span = Math.max(1, (atMs.at(-1) ?? 0) - first);
  const ticks = roundTicks(Math.max(...totals));
  const most = ticks.at(-1) ?? 1;
  const x = (ms: number) => LEFT + ((ms - first) / span) * Math.max(1, width - LEFT - RIGHT);
  const y = (n: number) => TOP + (1 - n / most) * (HEIGHT - TOP - BELOW);
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    setAt((before) => Math.max(0, Math.min((before ?? (step > 0 ? -1 : atMs.length)) + step, atMs.length - 1)));
  };
  const onMove = (event: PointerEvent) => {
    const ms = first + ((event.nativeEvent.offsetX - LEFT) / Math.max(1, width - LEFT - RIGHT)) * span;
    setAt(nearest(atMs, ms));
  };
  return (
    <>
      <div
        ref={box}
        className={classes.area}
        style={{ height: HEIGHT }}
        role="img"
        aria-label={label}
        tabIndex={0}
        onKeyDown={onKey}
      >
        {width > 0 && (
          <svg width={width} height={HEIGHT} aria-hidden onPointerMove={onMove} onPointerLeave={() => setAt(undefined)}>
            <defs>
              <pattern
                id={`${id}-hatch`}
                width="6"
                height="6"
                patternUnits="userSpaceOnUse"
                patternTransform="rotate(45)"
              >
                <rect width="6" height="6" className={classes.hatchGround} />
                <rect width="2" height="6" className={classes.hatch} />
              </pattern>
            </defs>
            {ticks.map((tick) => (
              <g key={tick}>
                <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} className={classes.rule} />
                <text x={LEFT - 6} y={y(tick) + 4} textAnchor="end" className={classes.word}>
                  {most >= 100_000 ? shortCount(tick) : count(tick)}
                </text>
              </g>
            ))}
            {timeTicks(first, first + span, width).map((ms) => (
              <text
                key={ms}
                x={Math.min(x(ms), width - 24)}
                y={HEIGHT - 4}
                textAnchor="middle"
                className={classes.word}
              >
                {span > 2 * DAY_MS ? dayLine(ms).replace(/^\S+ /, '') : clock(ms)}
              </text>
            ))}
            {layers.map((layer) => (
              <path
                key={layer.key}
                className={classes.layer}
                data-ink={inkOf(stack, layer)}
                {...(layer.key === 'unknown' && { style: { fill: `url(#${id}-hatch)` } })}
                d={stretches
                  .map((stretch) => outline(stretch, atMs.map(x), layer.from.map(y), layer.to.map(y)))
                  .join('')}
              />
            ))}
            {at !== undefined && atMs[at] !== undefined && (
              <line x1={x(atMs[at])} x2={x(atMs[at])} y1={TOP} y2={HEIGHT - BELOW} className={classes.cursor} />
            )}
          </svg>
        )}
      </div>
      <p className={classes.tip} aria-live="polite">
        {at !== undefined && at < atMs.length && describe(at)}
      </p>
    </>
  );
}

function outline(
  [from, to]: readonly [number, number],
  x: readonly number[],
  low: readonly number[],
  high: readonly number[],
): string {
  if (from === to) {
    const [left, right] = [x[from]! - ALONE_PX / 2, x[from]! + ALONE_PX / 2];
    return `M${left} ${low[from]}V${high[from]}H${right}V${low[from]}Z`;
  }
  const indices = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const point = (values: readonly number[]) => (index: number) =>
    `${x[index]!.toFixed(1)} ${values[index]!.toFixed(1)}`;
  return `M${indices.map(point(high)).join('L')}L${indices.reverse().map(point(low)).join('L')}Z`;
}

/** Midnights, or full hours of a short span: as many as there is room for. */
function timeTicks(from: number, to: number, width: number): number[] {
  const room = Math.max(2, Math.floor(width / 90));
  const unit = to - from > 2 * DAY_MS ? DAY_MS : 3_600_000;
  const step = Math.max(1, Math.ceil((to - from) / unit / room)) * unit;
  const begin = new Date(from);
  if (unit === DAY_MS && ownZone.current() === 'UTC') begin.setUTCHours(24, 0, 0, 0);
  else if (unit === DAY_MS) begin.setHours(24, 0, 0, 0);
  else begin.setMinutes(60, 0, 0);
  const ticks: number[] = [];
  for (let at = begin.getTime(); at <= to && ticks.length <= room; at += step) ticks.push(at);
  return ticks;
}

function nearest(atMs: readonly number[], ms: number): number {
  let best = 0;
  atMs.forEach((at, index) => {
    if (Math.abs(at - ms) < Math.abs(atMs[best]! - ms)) best = index;
  });
  return best;
}

function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return width;
}
