/** By which plan does it run, who wrote it, and what changed? */
import type { Campaign, PlanVersion } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { PageHead } from '../../../app/page-head.js';
import { isStatus } from '../../../data/api.js';
import { counted } from '../../../format/numbers.js';
import { command, CopyButton } from '../../../pieces/copy-button.js';
import { Part } from '../../../pieces/page-state.js';
import { SimpleTable } from '../../../pieces/simple-table.js';
import { Time } from '../../../pieces/time.js';
import { ChangeLines } from '../../../plan/change-lines.js';
import { planSentences, selectorWords } from '../../../plan/plan-words.js';
import { planChangesQuery, plansQuery, storedPlanQuery } from '../../../plan/plan-queries.js';
import { Sentences } from '../../../plan/sentences.js';
import { brakeQuery, campaignIdQuery, campaignQuery } from '../queries.js';
import classes from './policy.module.css';

const PlanFile = lazy(() => import('../../../plan/plan-file.js'));
const route = getRouteApi('/campaigns/$name/policy');

export default function PolicyPage() {
  const { name } = route.useParams();
  const { version } = route.useSearch();
  const id = useQuery(campaignIdQuery(name));
  return (
    <>
      <PageHead
        title={`Plan of ${name}`}
        crumbs={[
          { to: '/campaigns', label: 'Campaigns' },
          { to: `/campaigns/${name}`, label: name },
        ]}
        aside={<CopyButton text={command('campaign', 'plans', name)} label="Copy as command" />}
      />
      {isStatus(id.error, 404) ? (
        <p>No campaign is called {name}.</p>
      ) : (
        <Part query={id} headings={['In words', 'As a file']}>
          {(found) => <Plans id={found} asked={version} />}
        </Part>
      )}
    </>
  );
}

function Plans({ id, asked }: { id: string; asked: string | undefined }) {
  const campaign = useQuery(campaignQuery(id));
  const plans = useQuery(plansQuery(id));
  return (
    <Part query={campaign} rows={2}>
      {(data) => (
        <Part query={plans} rows={4}>
          {({ items, more }) => {
            const shown = items.find(({ version }) => String(version) === asked) ?? items[0];
            if (!shown) return <p>No version of the plan is kept.</p>;
            return <View campaign={data} items={items} more={more} shown={shown} />;
          }}
        </Part>
      )}
    </Part>
  );
}

interface ViewProps {
  readonly campaign: Campaign;
  readonly items: readonly PlanVersion[];
  readonly more: boolean;
  readonly shown: PlanVersion;
}

function View({ campaign, items, more, shown }: ViewProps) {
  const { id } = campaign;
  const plan = useQuery(storedPlanQuery(id, shown.version));
  const brake = useQuery({ ...brakeQuery(id), enabled: shown.current }).data;
  const before = items[items.indexOf(shown) + 1];
  return (
    <div className={classes.page}>
      <p className={classes.answer}>{answerOf(shown, items[0]?.version ?? shown.version)}</p>
      <p>
        Written by {shown.by ?? 'somebody, before versions were kept'}, <Time at={shown.at} />
        {shown.usedAt !== null && (
          <>
            ; put to use <Time at={shown.usedAt} />
          </>
        )}
        {shown.approvedAt !== null && campaign.approvals.needed > 0 && (
          <>
            ; approved <Time at={shown.approvedAt} />
          </>
        )}
        .{' '}
        <span className="nowrap">
          Digest <code title={shown.planDigest}>{shown.planDigest.slice(0, 12)}</code>{' '}
          <CopyButton text={shown.planDigest} label="Copy" what="Copy the whole digest" />
        </span>
      </p>
      <div className={classes.sides}>
        <section className="stack" aria-labelledby="in-words">
          <h2 id="in-words">In words</h2>
          <Part query={plan} rows={8}>
            {(stored) => {
              const lists = selectorWords(stored.selector);
              const { artifact, selector } = stored;
              return (
                <Sentences
                  sentences={[
                    {
                      about: 'What',
                      text: `${artifact.model} ${artifact.version}, ${artifact.fileName} (${artifact.sha256.slice(0, 12)}).`,
                    },
                    {
                      about: 'Which',
                      text: `${
                        [
                          selector.filter === undefined ? '' : `those that match ${selector.filter}`,
                          lists.length === 0 ? '' : `only ${lists.join(', ')}`,
                        ]
                          .filter((part) => part !== '')
                          .join('; ') || `all devices of ${artifact.model} that can take it`
                      }.`,
                    },
                    ...(stored.note === '' ? [] : [{ about: 'Note', text: stored.note }]),
                    ...planSentences(stored.policy, {
                      sizes: shown.current ? campaign.stages.map(({ size }) => size) : undefined,
                      staircase: brake?.tests.find(({ test }) => test === 'campaign')?.staircase,
                    }),
                  ]}
                />
              );
            }}
          </Part>
        </section>
        <section className="stack" aria-labelledby="as-file">
          <h2 id="as-file">As a file</h2>
          <Part query={plan} rows={8}>
            {(stored) => (
              <Suspense fallback={<div aria-busy style={{ minHeight: 200 }} />}>
                <PlanFile plan={stored} version={`${id} ${stored.planDigest} ${stored.name}`} />
              </Suspense>
            )}
          </Part>
        </section>
      </div>
      <section className="stack" aria-labelledby="changed">
        <h2 id="changed">What version {shown.version} changed</h2>
        {before === undefined ? (
          <p className="muted">It is the first version that is kept: there is nothing to compare it with.</p>
        ) : shown.lines.length === 0 ? (
          <p className="muted">Nothing: it says the same as version {before.version}.</p>
        ) : (
          <ChangeLines
            lines={shown.lines}
            label={`Fields that version ${shown.version} changed`}
            from={`Version ${before.version}`}
            to={`Version ${shown.version}`}
          />
        )}
        {!shown.current && shown.fieldsSince > 0 && <SinceThen id={id} shown={shown} />}
      </section>
      <section className="stack" aria-labelledby="versions">
        <h2 id="versions">Versions</h2>
        <SimpleTable
          label="Versions of the plan"
          head={['Version', 'Written', 'By', 'Put to use', 'Changed', 'Looser']}
          rows={items.map((item) => ({
            key: String(item.version),
            cells: [
              <Link
                key="link"
                to="/campaigns/$name/policy"
                params={{ name: campaign.name }}
                search={item.current ? {} : { version: String(item.version) }}
                aria-current={item === shown ? 'page' : undefined}
              >
                {item.version}
                {item.current ? ', now' : ''}
              </Link>,
              <Time key="at" at={item.at} />,
              item.by ?? '–',
              item.usedAt === null ? 'not yet' : <Time key="used" at={item.usedAt} />,
              item === items.at(-1) && !more ? 'the first' : counted(item.lines.length, 'field'),
              item.lines.some(({ looser }) => looser === true) ? '⚠ looser' : '–',
            ],
          }))}
        />
        {more && <p className="small muted">Older versions are kept that are not listed.</p>}
      </section>
    </div>
  );
}

function answerOf({ version, current, usedAt, fieldsSince }: PlanVersion, newest: number): string {
  if (current)
    return usedAt === null
      ? `Version ${version}: a draft that nothing goes by yet.`
      : `Version ${version}: the campaign goes by it.`;
  return `Version ${version} of ${newest}: ${fieldsSince === 0 ? 'the plan of now says the same' : `${counted(fieldsSince, 'field')} of it ${fieldsSince === 1 ? 'is' : 'are'} different now`}.`;
}

function SinceThen({ id, shown }: { id: string; shown: PlanVersion }) {
  const changes = useQuery(planChangesQuery(id, shown.version));
  return (
    <Part query={changes} rows={2}>
      {({ lines, from, to }) => (
        <>
          <h3>Different now</h3>
          <ChangeLines
            lines={lines}
            label="Fields that are different now"
            from={`Version ${from}`}
            to={`Version ${to}`}
          />
        </>
      )}
    </Part>
  );
}
