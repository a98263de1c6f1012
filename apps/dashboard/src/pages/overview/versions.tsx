/** What runs where, over time: six versions, other, not known. Of whom is said, and can be changed. */
import { answerOf } from '@drydock/api-client';
import type { FleetVersions } from '@drydock/contracts';
import { NativeSelect } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { reading } from '../../data/api.js';
import { modelsQuery } from '../../data/sites.js';
import { count, counted, shareOf } from '../../format/numbers.js';
import { when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { ChipLinks } from '../../pieces/chip-links.js';
import { filterValue } from '../../pieces/filter-text.js';
import { Part } from '../../pieces/page-state.js';
import { Figure } from '../../pieces/plot.js';
import { Time } from '../../pieces/time.js';
import type { OverviewSearch } from './search.js';
import { inkOf, versionStack, type VersionLayer, type VersionStack } from './version-stack.js';
import { VersionsArea } from './versions-area.js';
import classes from './versions.module.css';

const route = getRouteApi('/');
/** Counted once an hour: looked for so often. */
const EVERY_MS = 5 * 60_000;
const SPANS = [
  [undefined, '30 d'],
  ['7', '7 d'],
  ['90', '90 d'],
  ['365', '1 year'],
] as const;

const versionsQuery = ({ seen, days, model }: OverviewSearch) => ({
  queryKey: ['fleet-versions', seen, days, model],
  queryFn: () =>
    answerOf(
      reading.GET('/api/v1/fleet/versions', {
        params: { query: { seen: seen ?? '30d', days: Number(days ?? 30), ...(model !== undefined && { model }) } },
      }),
    ),
  placeholderData: keepPreviousData,
  refetchInterval: EVERY_MS,
});

export default function Versions({ devices }: { devices: number }) {
  const search = route.useSearch();
  const versions = useQuery(versionsQuery(search));
  return (
    <section className="panel" aria-labelledby="versions">
      <header>
        <h2 id="versions">What runs where</h2>
        {devices > 0 && <Choices search={search} />}
      </header>
      <Part query={versions} rows={4}>
        {(data) => <Shown data={data} search={search} devices={devices} />}
      </Part>
    </section>
  );
}

function Choices({ search }: { search: OverviewSearch }) {
  const navigate = route.useNavigate();
  const models = useQuery(modelsQuery).data ?? [];
  const chosen = search.model;
  const names = [...new Set([...models.map(({ name }) => name), ...(chosen === undefined ? [] : [chosen])])];
  return (
    <div className="row">
      <ChipLinks
        label="Which devices"
        chips={[
          { label: 'seen in 30 d', search: { ...search, seen: undefined }, current: search.seen === undefined },
          { label: 'all', search: { ...search, seen: 'all' }, current: search.seen === 'all' },
        ]}
      />
      <ChipLinks
        label="How far back"
        chips={SPANS.map(([days, label]) => ({ label, search: { ...search, days }, current: search.days === days }))}
      />
      {names.length > 1 && (
        <NativeSelect
          size="xs"
          aria-label="Model"
          value={chosen ?? ''}
          data={[{ value: '', label: 'all models' }, ...names.map((name) => ({ value: name, label: name }))]}
          onChange={({ currentTarget }) =>
            void navigate({ search: { ...search, model: currentTarget.value || undefined }, resetScroll: false })
          }
        />
      )}
    </div>
  );
}

function Shown({ data, search, devices }: { data: FleetVersions; search: OverviewSearch; devices: number }) {
  const now = useServerNow(60_000);
  const newest = data.points.at(-1);
  if (newest === undefined || newest.total === 0) {
    return (
      <p className="muted">
        {devices === 0
          ? 'No device has been seen yet: what they run is counted once an hour from then on.'
          : search.model !== undefined
            ? `No ${search.model} ${search.seen === 'all' ? 'is in the fleet' : 'was seen in 30 days'}.`
            : search.seen === 'all'
              ? 'Not counted yet: the first count is made within minutes of the first device.'
              : 'No device was seen in the 30 days before the last count.'}
      </p>
    );
  }
  const stack = versionStack(data);
  const of =
    search.seen === 'all'
      ? `${counted(newest.total, 'device')}${search.model === undefined ? '' : ` ${search.model}`}, seen or not`
      : `${counted(newest.total, 'device')}${search.model === undefined ? '' : ` ${search.model}`} seen in the 30 days before each count`;
  const last = stack.atMs.length - 1;
  const say = (at: number) =>
    `${when(stack.atMs[at]!, now)}: ${stack.layers.map(({ label, values }) => `${label} ${count(values[at])}`).join(', ')}; ${count(stack.totals[at])} in all`;
  return (
    <div className="stack">
      <p className="small muted">
        Of {of}. Counted <Time at={newest.at} />, once an hour.
      </p>
      <div className={classes.both}>
        {stack.atMs.length < 2 ? (
          <p className="muted">The plot begins with the second count, within the hour.</p>
        ) : (
          <Figure label={`Versions over time. ${say(last)}`} table={tableOf(stack, now)}>
            <VersionsArea stack={stack} label={`Versions over time. ${say(last)}`} describe={say} />
          </Figure>
        )}
        <Legend stack={stack} />
      </div>
    </div>
  );
}

/** In the order of the drawing, from the top; each named version is a door to its devices. */
function Legend({ stack }: { stack: VersionStack }) {
  const last = stack.totals.length - 1;
  const total = stack.totals[last] ?? 0;
  return (
    <ul className={classes.legend}>
      {[...stack.layers].reverse().map((layer) => {
        const n = layer.values[last] ?? 0;
        return (
          <li key={layer.key}>
            <i className={classes.swatch} data-ink={inkOf(stack, layer)} aria-hidden />
            {layer.version ? (
              <Link to="/fleet/devices" search={{ q: filterOf(layer.version) }} className="mono">
                {layer.label}
              </Link>
            ) : layer.key === 'unknown' ? (
              <Link to="/fleet/devices" search={{ q: 'version!=*' }}>
                {layer.label}
              </Link>
            ) : (
              <span>{layer.label}</span>
            )}
            <b className="num">{count(n)}</b>
            <span className="num muted">{shareOf(n, total)}</span>
          </li>
        );
      })}
    </ul>
  );
}

const filterOf = ({ model, version }: NonNullable<VersionLayer['version']>): string =>
  [...(model === null ? [] : [`model==${filterValue(model)}`]), `version==${filterValue(version)}`].join(';');

function tableOf(stack: VersionStack, now: number): { head: string[]; rows: string[][] } {
  return {
    head: ['Time', ...stack.layers.map(({ label }) => label), 'In all'],
    rows: stack.atMs
      .map((at, index) => [
        when(at, now),
        ...stack.layers.map(({ values }) => count(values[index])),
        count(stack.totals[index]),
      ])
      .reverse(),
  };
}
