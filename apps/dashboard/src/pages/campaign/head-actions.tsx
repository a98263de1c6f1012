/** What can be done now: stopping is nearest. Under it, what is rarer. */
import type { Campaign } from '@drydock/contracts';
import { Button, Menu } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactElement } from 'react';
import { useKeys } from '../../app/keys.js';
import { command } from '../../pieces/copy-button.js';
import { Allowed } from '../../pieces/page-state.js';
import { PHONE, useMedia } from '../../pieces/use-media.js';
import { useMayDo } from '../../session/use-session.js';
import classes from './campaign.module.css';
import { AbortDialog } from './dialogs/abort-dialog.js';
import { ApproveDialog } from './dialogs/approve-dialog.js';
import { PaceDialog } from './dialogs/pace-dialog.js';
import { PauseDialog } from './dialogs/pause-dialog.js';
import { ResumeDialog } from './dialogs/resume-dialog.js';
import { CompleteDialog, RollBackDialog } from './dialogs/smaller-dialogs.js';
import { StartDialog } from './dialogs/start-dialog.js';
import { shortExposure } from './exposure-words.js';

const DIALOGS = {
  pause: PauseDialog,
  resume: ResumeDialog,
  abort: AbortDialog,
  start: StartDialog,
  approve: ApproveDialog,
  rollBack: RollBackDialog,
  complete: CompleteDialog,
  pace: PaceDialog,
} satisfies Record<string, (props: { campaign: Campaign; close: () => void }) => ReactElement | null>;
type Act = keyof typeof DIALOGS;

const MAIN: Partial<Record<Campaign['state'], { act: Act; label: string; role: 'operator' | 'approver' }>> = {
  draft: { act: 'start', label: 'Start…', role: 'operator' },
  'awaiting-approval': { act: 'approve', label: 'Approve…', role: 'approver' },
  running: { act: 'pause', label: '‖ Pause…', role: 'operator' },
  paused: { act: 'resume', label: 'Resume…', role: 'operator' },
  halted: { act: 'resume', label: 'Resume with a reason…', role: 'operator' },
};
const CAN_CHANGE_PACE: readonly Campaign['state'][] = ['scheduled', 'running', 'paused', 'halted'];
const CAN_ABORT: readonly Campaign['state'][] = ['running', 'paused', 'halted', 'scheduled', 'awaiting-approval'];

export function HeadActions({ campaign }: { campaign: Campaign }) {
  const [open, setOpen] = useState<Act>();
  const navigate = useNavigate();
  const isPhone = useMedia(PHONE);
  const main = MAIN[campaign.state];
  const mayMain = useMayDo(main?.role ?? 'viewer');
  const operator = useMayDo('operator');
  const commandText = command('campaign', 'show', campaign.name);
  const copy = () => void navigator.clipboard?.writeText(commandText).catch(() => undefined);
  useKeys([
    ...(campaign.state === 'running' && mayMain.may
      ? [{ keys: 'P', does: 'pause this campaign', act: () => setOpen('pause') }]
      : []),
    { keys: 'y', does: 'copy as command', act: copy },
    { keys: 'e', does: 'export its devices as CSV', act: () => location.assign(exportUrl(campaign, 'csv')) },
  ]);
  const Dialog = open && DIALOGS[open];
  const isPause = main?.act === 'pause';
  const button = main && (
    <Allowed why={mayMain.why}>
      {(disabled) => (
        <Button
          variant={isPause || campaign.state === 'halted' ? 'default' : 'filled'}
          disabled={disabled}
          onClick={() => setOpen(main.act)}
          aria-describedby={isPause ? 'pause-number' : undefined}
        >
          {main.label}
        </Button>
      )}
    </Allowed>
  );
  const exposure = isPause && (
    <span id="pause-number" className="small muted live-number">
      {shortExposure(campaign.exposure)}
    </span>
  );
  return (
    <>
      <div className="row">
        {!isPhone && exposure}
        {!isPhone && button}
        <Menu position="bottom-end" width={260} transitionProps={{ duration: 0 }}>
          <Menu.Target>
            <Button aria-label="More actions">⋯</Button>
          </Menu.Target>
          <Menu.Dropdown>
            {campaign.state === 'draft' && (
              <Menu.Item
                disabled={!operator.may}
                onClick={() => void navigate({ to: '/campaigns/new', search: { draft: campaign.id } })}
              >
                Change this draft
              </Menu.Item>
            )}
            <Menu.Item
              disabled={!operator.may}
              onClick={() => void navigate({ to: '/campaigns/new', search: { from: campaign.name } })}
            >
              New campaign like this one
            </Menu.Item>
            {CAN_CHANGE_PACE.includes(campaign.state) && (
              <Menu.Item disabled={!operator.may} onClick={() => setOpen('pace')}>
                Pace and limits…
              </Menu.Item>
            )}
            <Menu.Item
              onClick={() =>
                void navigate({ to: '/campaigns/$name/policy', params: { name: campaign.name }, search: {} })
              }
            >
              The plan, as a file and in words
            </Menu.Item>
            {campaign.policy.membership === 'dynamic' && campaign.state === 'running' && (
              <Menu.Item disabled={!operator.may} onClick={() => setOpen('complete')}>
                Complete…
              </Menu.Item>
            )}
            {campaign.parts.proven > 0 && (
              <Menu.Item disabled={!operator.may} onClick={() => setOpen('rollBack')}>
                Roll back…
              </Menu.Item>
            )}
            {CAN_ABORT.includes(campaign.state) && (
              <Menu.Item disabled={!operator.may} onClick={() => setOpen('abort')} className={classes.danger}>
                Abort…
              </Menu.Item>
            )}
            <Menu.Divider />
            <Menu.Item component="a" href={exportUrl(campaign, 'csv')} download>
              Export its devices, CSV
            </Menu.Item>
            <Menu.Item component="a" href={exportUrl(campaign, 'json')} download>
              Export its devices, JSON lines
            </Menu.Item>
            <Menu.Item onClick={() => void copyYaml(campaign)}>Copy as YAML</Menu.Item>
            <Menu.Item onClick={copy}>Copy as command</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {isPhone && main && (
        <div className={classes.sticky}>
          {exposure}
          {button}
        </div>
      )}
      {Dialog && <Dialog campaign={campaign} close={() => setOpen(undefined)} />}
    </>
  );
}

/** The writer is loaded when it is asked for. */
async function copyYaml(campaign: Campaign): Promise<void> {
  const { yamlOf } = await import('../../plan/plan-file.js');
  await navigator.clipboard?.writeText(await yamlOf(campaign));
}

export function exportUrl(campaign: Campaign, format: 'csv' | 'json', what = 'export'): string {
  return `/api/v1/campaigns/${campaign.id}/${what}?format=${format}`;
}
