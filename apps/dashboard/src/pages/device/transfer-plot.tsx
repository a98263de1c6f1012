/** Bytes over time of the transfer under way, with what this link has done before beside it. */
import type { DeviceNow } from '@drydock/contracts';
import { useMemo, useRef } from 'react';
import { bytes } from '../../format/numbers.js';
import { duration } from '../../format/times.js';
import { useTransfer } from '../../live/use-live.js';
import { Plot } from '../../pieces/plot.js';
import { linkLine, withHeard, type ByteSample } from './transfer-samples.js';

type Deployment = NonNullable<DeviceNow['deployment']>;

/** What the server knew when the page was opened, and what this browser heard since. */
export default function TransferPlot({ live }: { live: Deployment }) {
  const heard = useTransfer(live.id);
  const kept = useRef<readonly ByteSample[]>([]);
  const samples = useMemo(() => {
    kept.current = withHeard(kept.current, live.progress?.samples ?? [], live.progress ?? undefined, heard);
    return kept.current;
  }, [live.progress, heard]);
  const first = samples[0];
  const last = samples.at(-1);
  const total = live.progress?.totalBytes ?? heard?.totalBytes ?? live.artifact.sizeBytes;
  const rate = live.linkRate?.bytesPerSecond;
  const plot = useMemo(() => {
    const x = samples.map(({ atMs }) => (atMs - (first?.atMs ?? 0)) / 1000);
    return {
      x,
      series: [
        { label: 'sent', values: samples.map(({ sentBytes }) => sentBytes / 1000), ink: 'flight', dot: true },
        ...(rate === undefined
          ? []
          : [
              {
                label: 'at the link’s rate',
                values: linkLine(samples, rate, total).map((n) => n / 1000),
                ink: 'waiting',
                dashed: true,
                width: 1,
              } as const,
            ]),
      ] as const,
    };
  }, [samples, first?.atMs, rate, total]);
  if (first === undefined || last === undefined || samples.length < 3) return null;
  const say = (at: number) => {
    const sample = samples[at];
    return sample === undefined ? '' : `${bytes(sample.sentBytes)} after ${duration(sample.atMs - first.atMs)}`;
  };
  return (
    <div className="stack" style={{ gap: 0 }}>
      <Plot
        {...plot}
        height={150}
        yMax={total / 1000}
        xLabel="seconds"
        label={`Kilobytes sent over seconds: ${say(samples.length - 1)} of ${bytes(total)}`}
        describe={say}
        table={{
          head: ['After', 'Sent'],
          rows: samples.map((sample) => [duration(sample.atMs - first.atMs), bytes(sample.sentBytes)]),
        }}
      />
      <p className="small muted">
        kB over seconds.{' '}
        {rate === undefined
          ? 'What this link can do is not known yet: it takes five proven transfers of this model.'
          : `Dashed: ${bytes(Math.round(rate))}/s, what nine in ten of the last ${live.linkRate!.of} transfers of this model stayed below here.`}
      </p>
    </div>
  );
}
