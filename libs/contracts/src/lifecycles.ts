/**
 * Tables of allowed moves (design, section 3). A spec walks them: every state reachable, every end
 * final but for the corrections named here. `docs/lifecycles.md` is generated from this file.
 */

export interface Lifecycle<State extends string> {
  readonly name: string;
  readonly start: State;
  readonly moves: Readonly<Record<State, readonly State[]>>;
  readonly ends: readonly State[];
  /** Moves out of an end that only evidence may cause, each once. */
  readonly corrections: Readonly<Partial<Record<State, readonly State[]>>>;
  /** What bounds each state that is no end, and where silence leads. `person`: waits for a person, shown as such. */
  readonly deadlines: Readonly<Partial<Record<State, { readonly bound: string; readonly next: State | 'person' }>>>;
}

export const CAMPAIGN_STATES = [
  'draft',
  'awaiting-approval',
  'scheduled',
  'running',
  'paused',
  'halted',
  'aborting',
  'aborted',
  'completed',
] as const;
export type CampaignState = (typeof CAMPAIGN_STATES)[number];

export const CAMPAIGN_LIFECYCLE: Lifecycle<CampaignState> = {
  name: 'campaign',
  start: 'draft',
  moves: {
    draft: ['awaiting-approval', 'scheduled', 'running', 'aborted'],
    'awaiting-approval': ['draft', 'scheduled', 'running', 'aborted'],
    scheduled: ['running', 'paused', 'aborting'],
    running: ['paused', 'halted', 'completed', 'aborting'],
    paused: ['running', 'halted', 'aborting'],
    halted: ['running', 'aborting'],
    aborting: ['aborted'],
    aborted: [],
    completed: [],
  },
  ends: ['aborted', 'completed'],
  corrections: {},
  deadlines: {
    draft: { bound: 'none: nothing runs', next: 'person' },
    'awaiting-approval': { bound: 'none: nothing runs', next: 'person' },
    scheduled: { bound: 'start time', next: 'running' },
    running: { bound: 'campaign deadline', next: 'paused' },
    paused: { bound: 'grants run out by noneAfter', next: 'person' },
    halted: { bound: 'grants run out by noneAfter', next: 'person' },
    aborting: { bound: 'latest finishBy plus clock margin', next: 'aborted' },
  },
};

export const STAGE_STATES = ['pending', 'open', 'soaking', 'held', 'passed', 'failed'] as const;
export type StageState = (typeof STAGE_STATES)[number];

export const STAGE_LIFECYCLE: Lifecycle<StageState> = {
  name: 'stage',
  start: 'pending',
  moves: {
    pending: ['open'],
    open: ['soaking', 'held', 'failed', 'passed'],
    soaking: ['passed', 'held', 'failed', 'open'],
    held: ['open', 'passed', 'failed'],
    passed: [],
    failed: [],
  },
  ends: ['passed', 'failed'],
  corrections: { passed: ['open'], failed: ['open'] },
  deadlines: {
    pending: { bound: 'the gate of the stage before it', next: 'person' },
    open: { bound: 'stage deadline', next: 'held' },
    soaking: { bound: 'soak time, then stage deadline', next: 'held' },
    held: { bound: 'none: grants have run out', next: 'person' },
  },
};

export const DEPLOYMENT_STATES = [
  'planned',
  'granted',
  'downloading',
  'transferring',
  'activating',
  'proving',
  'cancelling',
  'rescue',
  'proven',
  'unproven',
  'failed',
  'reverted',
  'cancelled',
  'skipped',
  'lost',
] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

const ANY_END = ['proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped', 'lost'] as const;

export const DEPLOYMENT_LIFECYCLE: Lifecycle<DeploymentState> = {
  name: 'deployment',
  start: 'planned',
  moves: {
    planned: ['granted', 'cancelled', 'skipped', 'failed', 'lost'],
    // back to `rescue`: an unused grant of a device that has no running application
    granted: ['downloading', 'transferring', 'planned', 'cancelling', 'rescue', ...ANY_END],
    downloading: ['transferring', 'planned', 'cancelling', 'rescue', ...ANY_END],
    transferring: ['activating', 'planned', 'cancelling', 'rescue', ...ANY_END],
    activating: ['proving', 'planned', 'cancelling', 'rescue', ...ANY_END],
    proving: ['planned', 'cancelling', 'rescue', ...ANY_END],
    // `planned`: called back because it took too long, and tried again
    cancelling: ['planned', 'rescue', ...ANY_END],
    rescue: ['granted', 'failed', 'cancelled', 'lost'],
    proven: [],
    unproven: [],
    failed: [],
    reverted: [],
    cancelled: [],
    skipped: [],
    lost: [],
  },
  ends: ANY_END,
  corrections: {
    // `planned`: the gateway came back and its journal shows that the attempt never started
    lost: ['proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped', 'planned'],
    unproven: ['proven', 'reverted'],
    cancelled: ['proven', 'unproven', 'failed', 'reverted'],
    proven: ['reverted'],
  },
  deadlines: {
    planned: { bound: 'campaign deadline', next: 'cancelled' },
    granted: { bound: 'finishBy plus clock margin', next: 'lost' },
    downloading: { bound: 'downloadMs, then called back; finishBy plus clock margin', next: 'lost' },
    transferring: { bound: 'transferMs, then called back; finishBy plus clock margin', next: 'lost' },
    activating: { bound: 'finishBy plus clock margin', next: 'lost' },
    proving: { bound: 'finishBy plus clock margin', next: 'lost' },
    cancelling: { bound: 'finishBy plus clock margin', next: 'lost' },
    rescue: { bound: 'attempts used up, or campaign deadline', next: 'failed' },
  },
};

/** States in which a grant is out or may be out: exactly one such deployment per device. */
export const LIVE_DEPLOYMENT_STATES: readonly DeploymentState[] = [
  'granted',
  'downloading',
  'transferring',
  'activating',
  'proving',
  'cancelling',
  'rescue',
];
/** Granted and not yet reported as touched: these count in `mayStillStart`. */
export const MAY_STILL_START_STATES: readonly DeploymentState[] = ['granted', 'downloading'];
/** States that hold a grant: a slot of the gateway and of the campaign (`rescue` holds the device only). */
export const HOLDING_DEPLOYMENT_STATES: readonly DeploymentState[] = [
  'granted',
  'downloading',
  'transferring',
  'activating',
  'proving',
  'cancelling',
];
/** Touched and not ended. */
export const RUNNING_DEPLOYMENT_STATES: readonly DeploymentState[] = [
  'transferring',
  'activating',
  'proving',
  'cancelling',
];

/** @returns whether the move is allowed; `evidence` admits corrections. */
export function mayMove<State extends string>(
  lifecycle: Lifecycle<State>,
  from: State,
  to: State,
  evidence = false,
): boolean {
  return lifecycle.moves[from].includes(to) || (evidence && (lifecycle.corrections[from]?.includes(to) ?? false));
}
