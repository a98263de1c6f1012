/** The campaigns that send what mends it, when they end, and why their devices still wait. */
import { answerOf } from '@drydock/api-client';
import type { Advisory, CampaignSummary, Exposure } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { reading } from '../../data/api.js';
import { count, counted } from '../../format/numbers.js';
import { Allowed, Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { useMayDo } from '../../session/use-session.js';
import { Group } from './groups.js';
import { answersQuery } from './queries.js';
import classes from './advisories.module.css';

const LIVE = ['awaiting-approval', 'scheduled', 'running', 'paused', 'halted'];

export function Answers({ advisory, exposure }: { advisory: Advisory; exposure: Exposure }) {
  const { may, why } = useMayDo('operator');
  const mends = [...new Set(advisory.models.flatMap(({ fixedBy }) => (fixedBy === null ? [] : [fixedBy])))];
  const answers = useQuery(answersQuery(mends));
  const live = answers.data?.find(({ state }) => LIVE.includes(state));
  return (
    <section className="panel stack" aria-labelledby="answer">
      <header>
        <h2 id="answer">Answer</h2>
        {advisory.state === 'open' && exposure.affected.devices > 0 && (
          <Allowed why={why}>
            {() =>
              may ? (
                <Link to="/campaigns/new" search={{ advisory: advisory.id }} className={classes.act}>
                  New urgent…
                </Link>
              ) : (
                <span className={classes.act} data-off>
                  New urgent…
                </span>
              )
            }
          </Allowed>
        )}
      </header>
      {mends.length === 0 ? (
        <p className="muted">It names no artifact that mends it yet.</p>
      ) : (
        <Part query={answers} rows={1}>
          {(all) =>
            all.length === 0 ? (
              <p className="muted">No campaign sends what mends it yet.</p>
            ) : (
              <ul className={classes.answers}>
                {all.slice(0, 6).map((campaign) => (
                  <li key={campaign.id}>
                    <Link
                      to={campaign.state === 'awaiting-approval' ? '/approvals/$name' : '/campaigns/$name'}
                      params={{ name: campaign.name }}
                      search={{}}
                    >
                      {campaign.name}
                    </Link>
                    <StateMark look={campaignLook(campaign.state, campaign.sums)} />
                    <span className="muted">
                      {count(campaign.sums.proven)} of {count(campaign.sums.total - campaign.sums.skipped)} proven
                    </span>
                  </li>
                ))}
              </ul>
            )
          }
        </Part>
      )}
      {live && <Waits campaign={live} outOfReach={exposure.affected.silent} />}
    </section>
  );
}

function Waits({ campaign, outOfReach }: { campaign: CampaignSummary; outOfReach: number }) {
  const { id } = campaign;
  const forecast = useQuery({
    queryKey: ['campaign-part', id, 'forecast'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/forecast', { params: { path: { id } } })),
  });
  const waiting = useQuery({
    queryKey: ['campaign-part', id, 'waiting'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/waiting', { params: { path: { id } } })),
  });
  return (
    <>
      {forecast.data && (
        <p>
          {forecast.data.sentence}
          {outOfReach > 0 &&
            ` The ${counted(outOfReach, 'device')} out of reach ${outOfReach === 1 ? 'has' : 'have'} no forecast: ${outOfReach === 1 ? 'its gateway is' : 'their gateways are'} away.`}
        </p>
      )}
      {waiting.data && waiting.data.reasons.length > 0 && (
        <Group
          title={`Why ${count(waiting.data.waiting)} still wait there`}
          rows={waiting.data.reasons.map(({ code, n, sentence }) => ({ key: code, name: sentence, n, more: [] }))}
          rest={
            waiting.data.looked < waiting.data.waiting
              ? `${count(waiting.data.looked)} of ${count(waiting.data.waiting)} were looked at`
              : ''
          }
        />
      )}
    </>
  );
}
