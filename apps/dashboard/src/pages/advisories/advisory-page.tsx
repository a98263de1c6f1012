/** Still exposed? How many, whom we reach, how it goes down, who they are, and which campaign answers it. */
import type { Advisory, Exposure } from '@drydock/contracts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { answerOf } from '@drydock/api-client';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Button } from '@mantine/core';
import { PageHead } from '../../app/page-head.js';
import { changing } from '../../data/api.js';
import { count, counted, percent } from '../../format/numbers.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { useSeen } from '../../pieces/use-seen.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { Allowed, Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { Answers } from './answers.js';
import { Curve } from './curve.js';
import { ExposedDevices } from './exposed-devices.js';
import { exposureCurve, zeroSince } from './exposure-curve.js';
import { Groups } from './groups.js';
import { advisoryQuery, exposureQuery, historyQuery } from './queries.js';
import classes from './advisories.module.css';

const route = getRouteApi('/advisories/$id');
/** Of fewer the numbers alone say it. */
const FEWEST_FOR_SHARE = 20;

export default function AdvisoryPage() {
  const { id } = route.useParams();
  const advisory = useQuery(advisoryQuery(id));
  const exposure = useQuery(exposureQuery(id));
  const history = useQuery(historyQuery(id));
  return (
    <>
      <PageHead
        title={advisory.data ? `${advisory.data.cve} “${advisory.data.title}”` : 'Advisory'}
        crumbs={[{ to: '/advisories', label: 'Advisories' }]}
        aside={advisory.data && <Acts advisory={advisory.data} exposure={exposure.data} />}
      />
      <Part query={advisory} headings={['Exposed']}>
        {(found) => (
          <>
            <Affects advisory={found} />
            <Part query={exposure} headings={['Exposed now']}>
              {(now) => (
                <>
                  <Answer exposure={now} since={history.data && zeroSince(exposureCurve(history.data))} />
                  <Part query={history} rows={3}>
                    {(samples) => <Curve points={exposureCurve(samples, now)} />}
                  </Part>
                  <Answers advisory={found} exposure={now} />
                  <Groups exposure={now} />
                  <ExposedDevices advisory={found} exposure={now} />
                </>
              )}
            </Part>
            {found.text !== '' && (
              <section className="panel" aria-labelledby="text">
                <h2 id="text">What it says</h2>
                <p className={classes.text}>{found.text}</p>
              </section>
            )}
          </>
        )}
      </Part>
    </>
  );
}

function Affects({ advisory }: { advisory: Advisory }) {
  return (
    <p className="muted">
      {advisory.severity} · affects{' '}
      {advisory.models
        .map(({ model, affected, affectedVersions, unaffectedVersions }) =>
          [
            model,
            affected ?? '',
            affectedVersions.length > 0 ? `also ${affectedVersions.join(', ')}` : '',
            unaffectedVersions.length > 0 ? `but not ${unaffectedVersions.join(', ')}` : '',
          ]
            .filter((part) => part !== '')
            .join(' '),
        )
        .join('; ')}
      {advisory.closedAt !== null && (
        <>
          {' '}
          · closed <Time at={advisory.closedAt} />: no longer counted over time
        </>
      )}
    </p>
  );
}

function Answer({ exposure, since }: { exposure: Exposure; since: number | undefined }) {
  const { affected, unaffected, unknown, total } = exposure;
  const notKnown =
    unknown.devices === 0
      ? ''
      : ` Of ${counted(unknown.devices, 'device')} the version is not known: ${unknown.devices === 1 ? 'it is' : 'they are'} not counted as safe.`;
  return (
    <p className={classes.answer}>
      {total === 0 ? (
        'No device of these models is in the fleet.'
      ) : affected.devices === 0 ? (
        <>
          0 of {count(total)} exposed
          {since !== undefined && (
            <>
              {' '}
              since <Time at={since} fixed />
            </>
          )}
          .
          {unaffected.silent > 0 &&
            ` ${counted(unaffected.silent, 'device')} cannot be heard now and may return exposed: they are watched.`}
          {notKnown}
        </>
      ) : (
        <>
          Still exposed: {count(affected.devices)} of {count(total)}
          {total < FEWEST_FOR_SHARE ? '' : ` (${percent(affected.devices / total)})`}.{' '}
          {count(affected.devices - affected.silent)} in reach, {count(affected.silent)} out of reach.{notKnown}
        </>
      )}
    </p>
  );
}

function Acts({ advisory, exposure }: { advisory: Advisory; exposure: Exposure | undefined }) {
  const { may, why } = useMayDo('approver');
  const [asks, setAsks] = useState(false);
  const isOpen = advisory.state === 'open';
  return (
    <div className="row">
      <CopyCommand words={['exposure', advisory.cve]} />
      {may && (
        <Link to="/advisories/$id/edit" params={{ id: advisory.id }} className={classes.act}>
          Edit
        </Link>
      )}
      <Allowed why={why}>
        {(disabled) => (
          <Button disabled={disabled} onClick={() => setAsks(true)}>
            {isOpen ? 'Close…' : 'Reopen…'}
          </Button>
        )}
      </Allowed>
      {asks && <MoveDialog advisory={advisory} exposure={exposure} close={() => setAsks(false)} />}
    </div>
  );
}

interface MoveProps {
  readonly advisory: Advisory;
  readonly exposure: Exposure | undefined;
  readonly close: () => void;
}

function MoveDialog({ advisory, exposure, close }: MoveProps) {
  const client = useQueryClient();
  const { seen, before, renew } = useSeen(advisory, () =>
    client.fetchQuery({ ...advisoryQuery(advisory.id), staleTime: 0 }),
  );
  const isOpen = before.state === 'open';
  const move = async () => {
    const request = { params: { path: { id: advisory.id }, header: { 'If-Match': `"${seen.revision}"` } } };
    await (isOpen
      ? answerOf(changing.POST('/api/v1/advisories/{id}/close', request))
      : answerOf(changing.POST('/api/v1/advisories/{id}/reopen', request)));
    await client.invalidateQueries({ predicate: ({ queryKey }) => RENEWED.has(String(queryKey[0])) });
  };
  return (
    <ConfirmDialog
      title={isOpen ? `Close ${advisory.cve}?` : `Reopen ${advisory.cve}?`}
      verb={isOpen ? 'Close the advisory' : 'Reopen the advisory'}
      keep={isOpen ? 'Keep it open' : 'Keep it closed'}
      conflict={{ kind: 'advisory', id: advisory.id, renew }}
      close={close}
      act={move}
    >
      <p>
        {isOpen
          ? `${exposure ? `${counted(exposure.affected.devices, 'device')} ${exposure.affected.devices === 1 ? 'is' : 'are'} exposed now. ` : ''}It is no longer counted over time, and nobody is told when a device returns exposed. It can be reopened.`
          : 'From now on it is counted over time again who is exposed.'}
      </p>
    </ConfirmDialog>
  );
}

const RENEWED = new Set(['advisory', 'advisories', 'exposure', 'overview']);
