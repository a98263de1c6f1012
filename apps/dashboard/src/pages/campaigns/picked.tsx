/** What can be done to the campaigns that were selected by `x`. Stopping is nearest. */
import type { CampaignSummary } from '@drydock/contracts';
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { useState } from 'react';
import { reading } from '../../data/api.js';
import { counted } from '../../format/numbers.js';
import { useServerNow } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { filterValue } from '../../pieces/filter-text.js';
import { Allowed } from '../../pieces/page-state.js';
import { useMayDo } from '../../session/use-session.js';
import { pause } from '../campaign/acts.js';
import { exposureSentences } from '../campaign/exposure-words.js';
import classes from './campaigns-page.module.css';

const MOST_PAUSED_AT_ONCE = 20;

interface Props {
  readonly campaigns: readonly CampaignSummary[];
  readonly names: readonly string[];
  readonly filter: (filter: string) => void;
  readonly clear: () => void;
}

export function Picked({ campaigns, names, filter, clear }: Props) {
  const [pauses, setPauses] = useState(false);
  const operator = useMayDo('operator');
  const running = campaigns.filter(({ state }) => state === 'running').slice(0, MOST_PAUSED_AT_ONCE);
  return (
    <div className={`row ${classes.picked}`} role="region" aria-label="Selected campaigns">
      <span>{counted(names.length, 'campaign')} selected</span>
      {running.length > 0 && (
        <Allowed why={operator.why}>
          {(disabled) => (
            <Button size="xs" disabled={disabled} onClick={() => setPauses(true)}>
              ‖ Pause {running.length === 1 ? running[0]!.name : running.length}…
            </Button>
          )}
        </Allowed>
      )}
      <button
        type="button"
        className="plain-button"
        onClick={() =>
          filter(names.length === 1 ? `name==${names[0]}` : `name=in=(${names.map(filterValue).join(',')})`)
        }
      >
        Show only these
      </button>
      <CopyButton text={names.join('\n')} label="Copy names" />
      <button type="button" className="plain-button" onClick={clear}>
        Select none
      </button>
      {pauses && <PauseDialog running={running} close={() => setPauses(false)} />}
    </div>
  );
}

function PauseDialog({ running, close }: { running: readonly CampaignSummary[]; close: () => void }) {
  const now = useServerNow();
  const exposures = useQueries({
    queries: running.map(({ id }) => ({
      queryKey: ['campaign', id, 'exposure'],
      queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/exposure', { params: { path: { id } } })),
      refetchInterval: 2_000,
    })),
  });
  const act = async (reason: string) => {
    const done = await Promise.allSettled(running.map((each) => pause(each, reason)));
    const refused = done.flatMap((one, index) =>
      one.status === 'rejected' ? [{ one, name: running[index]!.name }] : [],
    );
    if (refused.length === 0) return;
    throw new Error(
      `${running.length - refused.length} of ${running.length} are paused. ${refused.map(({ one, name }) => `${name}: ${String((one.reason as Error).message)}`).join(' ')}`,
    );
  };
  return (
    <ConfirmDialog
      title={running.length === 1 ? `Pause ${running[0]!.name}?` : `Pause ${running.length} campaigns?`}
      verb="‖ Pause now"
      keep="Keep running"
      focusOn="act"
      reason="optional"
      close={close}
      act={act}
    >
      <ul className={classes.pausing}>
        {running.map(({ id, name }, index) => (
          <li key={id}>
            <strong>{name}</strong>{' '}
            {exposures[index]?.data === undefined
              ? 'How many may still start is not known right now.'
              : exposureSentences(exposures[index].data, 0, now).join(' ')}
          </li>
        ))}
      </ul>
    </ConfirmDialog>
  );
}
