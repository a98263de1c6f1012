/** Versions that the devices ran before: what was stopped and may be let go on, and what goes one by one. */
import type { Campaign } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useState } from 'react';
import { count, counted } from '../../format/numbers.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { command } from '../../pieces/copy-button.js';
import { Allowed } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { releaseStratum } from './acts.js';
import classes from './campaign.module.css';

type Stratum = Campaign['strata'][number];
const nameOf = ({ version }: Pick<Stratum, 'version'>): string => version || 'an unknown version';

export function Strata({ campaign }: { campaign: Campaign }) {
  const { strata } = campaign;
  const [releasing, setReleasing] = useState<Stratum>();
  const operator = useMayDo('operator');
  const stopped = strata.filter((stratum) => stratum.stopped !== null);
  const alone = strata.filter(({ inFirstStage, tried, size }) => inFirstStage === 0 && tried < size);
  if (strata.length === 0 || (stopped.length === 0 && alone.length === 0 && strata.length === 1)) return null;
  return (
    <>
      <ul className={classes.quarantines}>
        {stopped.map((stratum) => (
          <li key={stratum.index}>
            <span>
              Devices that ran <strong>{nameOf(stratum)}</strong> stopped <Time at={stratum.stopped!.at} />:{' '}
              {stratum.stopped!.note} {counted(stratum.size - stratum.tried, 'device')} of it{' '}
              {stratum.size - stratum.tried === 1 ? 'waits' : 'wait'}.
            </span>
            <Allowed why={operator.why}>
              {(disabled) => (
                <Button disabled={disabled} onClick={() => setReleasing(stratum)}>
                  Release…
                </Button>
              )}
            </Allowed>
          </li>
        ))}
      </ul>
      <details>
        <summary>
          {counted(strata.length, 'version')} before the update
          {alone.length > 0 && `; ${counted(alone.length, 'one', 'of them')} without a canary of its own`}
        </summary>
        <div className={classes.scroll}>
          <table className={classes.groups}>
            <thead>
              <tr>
                <th scope="col">Ran before</th>
                <th scope="col" className="num">
                  Devices
                </th>
                <th scope="col" className="num">
                  In stage 1
                </th>
                <th scope="col" className="num">
                  Tried
                </th>
                <th scope="col">How it goes on</th>
              </tr>
            </thead>
            <tbody>
              {strata.map((stratum) => (
                <tr key={stratum.index}>
                  <td className="mono">{nameOf(stratum)}</td>
                  <td className="num">{count(stratum.size)}</td>
                  <td className="num">{count(stratum.inFirstStage)}</td>
                  <td className="num">{count(stratum.tried)}</td>
                  <td>{standing(stratum)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
      {releasing && (
        <ConfirmDialog
          title={`Let devices that ran ${nameOf(releasing)} go on?`}
          verb="Release"
          keep="Leave them stopped"
          reason="required"
          close={() => setReleasing(undefined)}
          act={(reason) => releaseStratum(campaign, releasing.index, reason)}
          command={command('campaign', 'release', campaign.name, releasing.version, '--reason', 'TEXT')}
        >
          <p>{releasing.stopped?.note}</p>
          <p>
            {counted(releasing.size - releasing.tried, 'device')} of {count(releasing.size)} that ran{' '}
            {nameOf(releasing)} may start again. The brake begins a new epoch: what failed stays shown, and counts no
            more towards a halt.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}

function standing({ stopped, inFirstStage, tried, size }: Stratum): string {
  if (stopped !== null) return 'stopped by the brake';
  if (tried >= size) return 'all tried';
  if (inFirstStage > 0) return 'with its stages';
  return tried === 0 ? 'held back: its first devices go one by one, then the rest' : 'one by one until one is proven';
}
