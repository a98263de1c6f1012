/** The plan that is signed: by its digest, in words, and against the last one. */
import { answerOf } from '@drydock/api-client';
import type { ApprovalItem, Campaign } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { changing, reading } from '../../data/api.js';
import { artifactById } from '../../data/artifacts.js';
import { bytes, counted } from '../../format/numbers.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { PlanDiff } from '../../plan/plan-diff.js';
import { planSentences, selectorWords, type PlanSentence } from '../../plan/plan-words.js';
import { RehearsalView } from '../../plan/rehearsal-view.js';
import { Sentences } from '../../plan/sentences.js';
import classes from './approvals.module.css';

const SIGNED = {
  verified: 'signed by a release key of the model ✓',
  present: 'signed by a key that is not kept here',
  none: 'not signed',
} as const;

export function PlanView({ campaign, item }: { campaign: Campaign; item: ApprovalItem }) {
  const artifact = useQuery({
    queryKey: ['artifact', campaign.artifact.id],
    queryFn: () => artifactById(campaign.artifact.id),
  }).data;
  const { id } = campaign;
  const diff = useQuery({
    queryKey: ['campaign-part', id, 'diff'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/diff', { params: { path: { id } } })),
  });
  const brake = useQuery({
    queryKey: ['campaign-part', id, 'brake'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/brake', { params: { path: { id } } })),
  }).data;
  const digits = item.planDigest.slice(0, 12).replace(/(.{4})(?=.)/g, '$1 ');
  return (
    <>
      <p>
        Asked by {item.askedBy ?? 'the server'}, <Time at={item.askedAt} />.{' '}
        {item.endsAt !== null && (
          <>
            Without its approvals it is a draft again <Time at={item.endsAt} />.{' '}
          </>
        )}
        {campaign.note !== '' && <>“{campaign.note}” </>}
        <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}}>
          Open the campaign
        </Link>
      </p>
      <div className={classes.digest}>
        <span>You approve exactly this plan:</span>
        <code title={item.planDigest}>{digits}</code>
        <span className="small muted">(first 12 digits)</span>
        <CopyButton text={item.planDigest} label="Copy" what="Copy the whole digest" />
        <span className="small muted">Any later change makes what was approved void.</span>
      </div>
      <section className="stack" aria-labelledby="plan-in-words">
        <h2 id="plan-in-words">What it does</h2>
        <Sentences
          sentences={[
            {
              about: 'What',
              text: `${campaign.artifact.model} ${campaign.artifact.version}, ${campaign.artifact.fileName}${artifact ? `, ${bytes(artifact.sizeBytes)}, ${SIGNED[artifact.signature]}` : ''}.`,
              heed: artifact?.signature === 'none',
            },
            whoWords(campaign),
            ...planSentences(campaign.policy, {
              sizes: campaign.stages.map(({ size }) => size),
              staircase: brake?.tests.find(({ test }) => test === 'campaign')?.staircase,
            }),
          ]}
        />
      </section>
      <Rehearsed campaign={campaign} />
      <section className="panel" aria-labelledby="against">
        <header>
          <h2 id="against">Against the model’s last campaign</h2>
        </header>
        <Part query={diff}>{(answer) => <PlanDiff diff={answer} />}</Part>
      </section>
    </>
  );
}

function whoWords({ sums, selector, policy }: Campaign): PlanSentence {
  const lists = selectorWords(selector);
  const members = sums.total - sums.skipped;
  return {
    about: 'Who',
    text: [
      `${counted(members, 'device')} now`,
      selector.filter === undefined ? '' : `those that match ${selector.filter}`,
      lists.length === 0 ? '' : `only ${lists.join(', ')}`,
      sums.skipped === 0 ? '' : `${counted(sums.skipped, 'device')} that match are left out`,
      policy.membership === 'dynamic' ? 'devices that match later join' : '',
    ]
      .filter((part) => part !== '')
      .join('; ')
      .concat('.'),
  };
}

/** Whoever may plan may also play it; the others read what was played. */
function Rehearsed({ campaign }: { campaign: Campaign }) {
  const { id } = campaign;
  const [operates, approves] = [useMayDo('operator').may, useMayDo('approver').may];
  const may = operates || approves;
  const forecast = useQuery({
    queryKey: ['campaign-part', id, 'forecast'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/forecast', { params: { path: { id } } })),
  });
  const rehearsal = useQuery({
    queryKey: ['rehearsal', 'stored', id, campaign.revision],
    queryFn: () => answerOf(changing.POST('/api/v1/campaigns/{id}/rehearsal', { params: { path: { id } }, body: {} })),
    enabled: false,
    refetchInterval: false,
  });
  return (
    <section className="panel stack" aria-labelledby="rehearsed">
      <header>
        <h2 id="rehearsed">Rehearsal</h2>
        {may && (
          <Button loading={rehearsal.isFetching} onClick={() => void rehearsal.refetch()}>
            {rehearsal.data ? 'Play again' : 'Rehearse it'}
          </Button>
        )}
      </header>
      {rehearsal.data || rehearsal.isError ? (
        <Part query={rehearsal}>{(answer) => <RehearsalView rehearsal={answer} startMs={answer.atMs} />}</Part>
      ) : (
        <Part query={forecast} rows={1}>
          {({ sentence }) => <p>{sentence}</p>}
        </Part>
      )}
    </section>
  );
}
