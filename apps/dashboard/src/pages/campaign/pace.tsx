/** Fast enough, and when done? Starts a minute under their cap; devices proven over time, with the forecast behind. */
import type { Campaign, CampaignForecast, CampaignSeries } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { count } from '../../format/numbers.js';
import { clock, when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { Part } from '../../pieces/page-state.js';
import { Plot } from '../../pieces/plot.js';
import { paceLines, provenLines } from './pace-lines.js';
import { forecastQuery, seriesQuery } from './queries.js';

export function Pace({ campaign }: { campaign: Campaign }) {
  const series = useQuery(seriesQuery(campaign.id));
  const forecast = useQuery(forecastQuery(campaign.id));
  return (
    <section className="panel stack" aria-labelledby="pace">
      <header>
        <h2 id="pace">
          Pace <PaceWords series={series.data} />
        </h2>
      </header>
      <Part query={series} rows={4}>
        {(data) =>
          data.points.length < 2 ? (
            <p className="muted">Nothing has been measured yet.</p>
          ) : (
            <Lines series={data} forecast={forecast.data} />
          )
        }
      </Part>
      {forecast.data && <p>{forecast.data.sentence}</p>}
    </section>
  );
}

function PaceWords({ series }: { series: CampaignSeries | undefined }) {
  const rate = series?.points.at(-1)?.startsPerMinute;
  if (!series) return null;
  return (
    <span className="muted">
      {rate === null || rate === undefined ? '–' : count(Math.round(rate))} starts/min, cap {count(series.capPerMinute)}
    </span>
  );
}

function Lines({ series, forecast }: { series: CampaignSeries; forecast: CampaignForecast | undefined }) {
  const [what, setWhat] = useState<'proven' | 'starts'>('proven');
  const now = useServerNow(60_000);
  const proven = useMemo(() => provenLines(series, forecast), [series, forecast]);
  const pace = useMemo(() => paceLines(series), [series]);
  const lines = what === 'proven' ? proven : pace;
  return (
    <>
      <div className="row small" role="group" aria-label="What is drawn">
        <button
          type="button"
          className="plain-button"
          aria-pressed={what === 'proven'}
          onClick={() => setWhat('proven')}
        >
          proven over time
        </button>
        <button
          type="button"
          className="plain-button"
          aria-pressed={what === 'starts'}
          onClick={() => setWhat('starts')}
        >
          starts a minute
        </button>
      </div>
      <Plot
        key={what}
        label={
          what === 'proven' ? 'Devices proven over time, and the forecast' : 'Devices started a minute, and the cap'
        }
        time
        height={170}
        {...lines}
        describe={(index) =>
          `${when(lines.x[index] ?? 0, now)}: ${lines.series
            .filter((one) => one.values[index] !== null)
            .map((one) => `${one.label} ${count(one.values[index])}`)
            .join(', ')}`
        }
        table={{
          head: ['At', ...lines.series.map((one) => one.label)],
          rows: lines.x.map((at, index) => [
            `${clock(at, { seconds: true })}`,
            ...lines.series.map((one) => count(one.values[index])),
          ]),
        }}
      />
    </>
  );
}
