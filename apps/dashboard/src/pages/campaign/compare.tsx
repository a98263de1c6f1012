/** Two groups side by side, each a filter of its own in the address; the server counts, and says whether they credibly differ. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, GroupComparison } from '@drydock/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { errorSentence, reading } from '../../data/api.js';
import { filterValues, useFilterFields } from '../../data/filter-help.js';
import { count, percent, shareOf } from '../../format/numbers.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { faultOf } from './compare-words.js';
import classes from './compare.module.css';

const route = getRouteApi('/campaigns/$name');

export function Compare({ campaign }: { campaign: Campaign }) {
  const { a = '', b = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const fields = useFilterFields('member');
  const ready = a !== '' && b !== '';
  const found = useQuery({
    queryKey: ['campaign-part', campaign.id, 'compare', a, b],
    enabled: ready,
    placeholderData: keepPreviousData,
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/campaigns/{id}/compare', { params: { path: { id: campaign.id }, query: { a, b } } }),
      ),
  });
  const set = (group: 'a' | 'b', filter: string) =>
    void navigate({ search: (before) => ({ ...before, [group]: filter }), replace: true, resetScroll: false });
  const [wrongA, wrongB] = [faultOf(found.error, 'query.a'), faultOf(found.error, 'query.b')];
  return (
    <section className={classes.compare} aria-labelledby="compare">
      <header className="row spread">
        <h3 id="compare">Compare two groups</h3>
        <span className="row small">
          {ready && (
            <CopyButton
              text={command('campaign', 'compare', campaign.name, '--a', a, '--b', b)}
              label="Copy as command"
            />
          )}
          <Link
            to="/campaigns/$name"
            params={{ name: campaign.name }}
            search={(before) => ({ ...before, compare: undefined, a: undefined, b: undefined })}
            resetScroll={false}
          >
            Close
          </Link>
        </span>
      </header>
      <Presets campaign={campaign} />
      {(['a', 'b'] as const).map((group) => (
        <div key={group} className={classes.compareGroup}>
          <strong aria-hidden>{group.toUpperCase()}</strong>
          <FilterBar
            label={`Group ${group.toUpperCase()}`}
            value={group === 'a' ? a : b}
            onChange={(filter) => set(group, filter)}
            fields={fields}
            loadValues={(field, typed) => filterValues(field, typed, campaign.id)}
            bareWords={['identity', 'name']}
            error={group === 'a' ? wrongA : wrongB}
            placeholder={group === 'a' ? 'gateway==gw-oslo-03' : 'gateway!=gw-oslo-03'}
            quiet
          />
        </div>
      ))}
      {!ready && (
        <p className="muted">
          Write a filter for each group: the devices of one campaign by gateway, site, tag, link, or by what they ran
          before (from).
        </p>
      )}
      {found.isError && wrongA === undefined && wrongB === undefined && (
        <p role="alert">{errorSentence(found.error)}</p>
      )}
      {ready && found.data && !found.isError && <Result found={found.data} old={found.isPlaceholderData} />}
    </section>
  );
}

function Result({ found, old }: { found: GroupComparison; old: boolean }) {
  const { both, sentence, looked, complete } = found;
  const top = Math.max(0.02, ...(['a', 'b'] as const).map((group) => found[group].failed.likely?.high ?? 0));
  return (
    <div className="stack" aria-live="polite" data-old={old || undefined}>
      <table className={classes.compareTable}>
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col" className="num">
              Known
            </th>
            <th scope="col" className="num">
              Failed
            </th>
            <th scope="col" className="num">
              Share
            </th>
            <th scope="col">Likely</th>
          </tr>
        </thead>
        <tbody>
          {(['a', 'b'] as const).map((group) => (
            <GroupRows key={group} name={group.toUpperCase()} result={found[group]} top={top} />
          ))}
        </tbody>
      </table>
      <p>
        <strong>{sentence}</strong>
        {both > 0 && <span className="muted"> {count(both)} in both.</span>}
      </p>
      {!complete && (
        <p className="small muted">
          Counted among the first {count(looked)} devices with a known result, by their place in the plan.
        </p>
      )}
    </div>
  );
}

function GroupRows({ name, result, top }: { name: string; result: GroupComparison['a']; top: number }) {
  const { n, of, share, likely } = result.failed;
  return (
    <>
      <tr>
        <th scope="row">
          <strong>{name}</strong>
        </th>
        <td className="num">{count(of)}</td>
        <td className="num">{count(n)}</td>
        <td className="num">{shareOf(n, of)}</td>
        <td>
          {likely === null ? (
            '–'
          ) : (
            <span className={classes.interval}>
              <Interval low={likely.low / top} high={likely.high / top} at={(share ?? 0) / top} />
              {percent(likely.low).replace(' %', '')}–{percent(likely.high)}
            </span>
          )}
        </td>
      </tr>
      <tr className={classes.compareWords}>
        <td />
        <td colSpan={4}>{result.words}</td>
      </tr>
    </>
  );
}

/** A dot with its interval, from 0 to the upper end of both; the numbers stand beside it. */
function Interval({ low, high, at }: { low: number; high: number; at: number }) {
  const x = (share: number) => 2 + 96 * Math.min(1, Math.max(0, share));
  return (
    <svg width="100" height="12" viewBox="0 0 100 12" aria-hidden className={classes.dots}>
      <line x1={x(low)} x2={x(high)} y1="6" y2="6" />
      <circle cx={x(at)} cy="6" r="3" />
    </svg>
  );
}

/** Groups that suggest themselves: what ran an earlier version against the others. */
function Presets({ campaign }: { campaign: Campaign }) {
  const versions = campaign.strata.filter(({ tried, version }) => tried > 0 && version !== '').slice(0, 4);
  if (versions.length < 2) return null;
  return (
    <p className="row small">
      <span className="muted">ran before:</span>
      {versions.map(({ version }) => (
        <Link
          key={version}
          to="/campaigns/$name"
          params={{ name: campaign.name }}
          search={(before) => ({ ...before, a: `from==${version}`, b: `from!=${version}` })}
          resetScroll={false}
          replace
        >
          {version} against the rest
        </Link>
      ))}
    </p>
  );
}
