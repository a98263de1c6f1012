/** uPlot (https://github.com/leeoniya/uPlot), drawn in the page's inks, walked by arrow keys. */
import { useEffect, useRef, useState, useSyncExternalStore, type KeyboardEvent } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { count } from '../format/numbers.js';
import { clock } from '../format/times.js';
import classes from './plot.module.css';

export interface PlotSeries {
  readonly label: string;
  /** One value for each x; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly ink: 'proven' | 'bad' | 'unknown' | 'flight' | 'waiting' | 'person' | 'text';
  /** A staircase instead of straight lines. */
  readonly steps?: boolean;
  readonly dashed?: boolean;
  readonly width?: number;
  /** Filled down to zero. */
  readonly fill?: boolean;
  /** A dot at the last value. */
  readonly dot?: boolean;
}

export interface PlotCanvasProps {
  /** Ascending. Milliseconds where `time`. */
  readonly x: readonly number[];
  readonly series: readonly PlotSeries[];
  readonly time?: boolean;
  readonly height?: number;
  readonly yMax?: number;
  readonly xLabel?: string;
  readonly label?: string;
  /** What is said of the point under the pointer or reached by the arrow keys. */
  readonly describe?: (index: number) => string;
}

/** Light or dark, as the page is drawn now: a canvas has to be drawn anew when it changes. */
const schemeNow = (): string => document.documentElement.dataset['mantineColorScheme'] ?? '';
function watchScheme(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-mantine-color-scheme'] });
  return () => observer.disconnect();
}

export default function PlotCanvas(props: PlotCanvasProps) {
  const { height = 200, label, describe } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [at, setAt] = useState<number>();
  const scheme = useSyncExternalStore(watchScheme, schemeNow);
  const shape = JSON.stringify([
    props.series.map(({ label, ink, steps, dashed }) => [label, ink, steps, dashed]),
    props.time,
    props.xLabel,
    height,
    scheme,
  ]);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(optionsOf(latest.current, element, setAt), dataOf(latest.current), element);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, height]);
  useEffect(() => {
    plot.current?.setData(dataOf(latest.current));
  }, [props.x, props.series]);

  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0 || props.x.length === 0) return;
    event.preventDefault();
    const next = Math.max(0, Math.min((at ?? (step > 0 ? -1 : props.x.length)) + step, props.x.length - 1));
    const left = plot.current?.valToPos(props.x[next]!, 'x') ?? 0;
    plot.current?.setCursor({ left, top: 0 });
    setAt(next);
  };
  return (
    <>
      {/* The arrow keys walk through the points; what each says is written below. */}
      <div
        ref={box}
        className={classes.canvas}
        style={{ height }}
        role="img"
        aria-label={label}
        tabIndex={0}
        onKeyDown={onKey}
      />
      <p className={classes.tip} aria-live="polite">
        {at !== undefined && at < props.x.length && describe?.(at)}
      </p>
    </>
  );
}

function dataOf({ x, series }: PlotCanvasProps): uPlot.AlignedData {
  return [[...x], ...series.map((one) => [...one.values])] as uPlot.AlignedData;
}

function optionsOf(
  props: PlotCanvasProps,
  element: HTMLElement,
  setAt: (at: number | undefined) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const ink = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const stepped = uPlot.paths.stepped!({ align: 1 });
  const axis = {
    stroke: ink('muted'),
    grid: { stroke: ink('line'), width: 1 },
    ticks: { stroke: ink('line'), width: 1 },
  };
  const font = '12px system-ui, sans-serif';
  return {
    width: element.clientWidth,
    height: props.height ?? 200,
    ms: 1,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false },
    hooks: { setCursor: [(made) => setAt(made.cursor.idx ?? undefined)] },
    scales: {
      x: { time: props.time ?? false },
      // Counts begin at zero, always.
      y: { range: (_, __, max) => [0, Math.max(props.yMax ?? 0, (Number.isFinite(max) ? max : 0) * 1.05, 1)] },
    },
    axes: [
      {
        ...axis,
        font,
        size: 28,
        ...(props.time
          ? { values: (_, ticks) => ticks.map((tick) => clock(tick, { seconds: isShort(props.x) })) }
          : { values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : '')) }),
      },
      {
        ...axis,
        font,
        size: 48,
        values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : '')),
      },
    ],
    series: [
      {},
      ...props.series.map((one) => ({
        label: one.label,
        stroke: ink(one.ink),
        width: one.width ?? 2,
        ...(one.dashed && { dash: [6, 4] }),
        ...(one.steps && { paths: stepped }),
        ...(one.fill && { fill: ink(`tint-${one.ink}`) }),
        spanGaps: false,
        points: one.dot
          ? {
              show: true,
              size: 8,
              fill: ink(one.ink),
              filter: (_: uPlot, index: number) => lastPoint(index, one.values),
            }
          : { show: false },
      })),
    ],
  };
}

function lastPoint(_: number, values: readonly (number | null)[]): number[] {
  for (let index = values.length - 1; index >= 0; index--) if (values[index] !== null) return [index];
  return [];
}

/** Of a few minutes a clock without seconds would say the same at every tick. */
const isShort = (x: readonly number[]): boolean => (x.at(-1) ?? 0) - (x[0] ?? 0) < 10 * 60_000;
