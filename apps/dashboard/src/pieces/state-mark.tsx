/** A state's mark and word: colour is never alone. The one place that knows which family a state belongs to. */
import type { CAMPAIGN_STATES, DEPLOYMENT_STATES, STAGE_STATES } from '@drydock/contracts';
import classes from './state-mark.module.css';

export type CampaignState = (typeof CAMPAIGN_STATES)[number];
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];
export type StageState = (typeof STAGE_STATES)[number];
export type Family = 'proven' | 'bad' | 'unknown' | 'flight' | 'waiting' | 'person';

export interface Look {
  readonly family: Family;
  readonly mark: string;
  readonly label: string;
}

const look = (family: Family, mark: string, label: string): Look => ({ family, mark, label });

const DEPLOYMENTS: Readonly<Record<DeploymentState, Look>> = {
  planned: look('waiting', '○', 'waiting'),
  granted: look('flight', '▷', 'may start'),
  downloading: look('flight', '▷', 'downloading'),
  transferring: look('flight', '▶', 'transferring'),
  activating: look('flight', '▶', 'activating'),
  proving: look('flight', '▶', 'proving'),
  cancelling: look('flight', '▶', 'cancelling'),
  rescue: look('flight', '⚑', 'rescue'),
  proven: look('proven', '✓', 'proven'),
  unproven: look('unknown', '◐', 'unproven'),
  failed: look('bad', '✕', 'failed'),
  reverted: look('bad', '↩', 'reverted'),
  cancelled: look('waiting', '–', 'cancelled'),
  skipped: look('waiting', '–', 'skipped'),
  lost: look('unknown', '┄', 'lost'),
};

const CAMPAIGNS: Readonly<Record<CampaignState, Look>> = {
  draft: look('waiting', '○', 'draft'),
  'awaiting-approval': look('person', '◇', 'awaiting approval'),
  scheduled: look('waiting', '○', 'scheduled'),
  running: look('flight', '▶', 'running'),
  paused: look('person', '‖', 'paused'),
  halted: look('bad', '■', 'halted'),
  aborting: look('flight', '▶', 'aborting'),
  aborted: look('waiting', '–', 'aborted'),
  completed: look('unknown', '✓', 'completed'),
};

const STAGES: Readonly<Record<StageState, Look>> = {
  pending: look('waiting', '○', 'pending'),
  open: look('flight', '▶', 'open'),
  soaking: look('flight', '◔', 'soaking'),
  passed: look('proven', '✓', 'passed'),
  held: look('person', '◇', 'held'),
  failed: look('bad', '✕', 'failed'),
};

export const deploymentLook = (state: DeploymentState): Look => DEPLOYMENTS[state];
export const stageLook = (state: StageState): Look => STAGES[state];

/** Completed is teal only when every selected device is proven. */
export function campaignLook(state: CampaignState, sums?: { proven: number; total: number; skipped: number }): Look {
  const known = CAMPAIGNS[state];
  const all = sums !== undefined && sums.total > 0 && sums.proven + sums.skipped === sums.total;
  return state === 'completed' && all ? { ...known, family: 'proven' } : known;
}

/** @param strong capitals, for the head of a page. */
export function StateMark({ look: { family, mark, label }, strong = false }: { look: Look; strong?: boolean }) {
  return (
    <span className={classes.state} data-family={family} data-strong={strong || undefined}>
      <span aria-hidden className={classes.mark}>
        {mark}
      </span>
      {label}
    </span>
  );
}
