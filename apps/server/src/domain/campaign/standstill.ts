/**
 * A running campaign whose waiting devices nothing will start, whatever time passes: it ends in a person's hands, with
 * the reason and the next step. What waits for something that comes by itself (a window, a back-off, a token, the end of
 * an attempt) stands under the deadline of its stage and is not meant here.
 */
import { REASON_CODES, type Reason } from '@drydock/contracts';
import type { CampaignSnapshot, StageSnapshot } from './decide.js';

export type Standstill =
  | { readonly kind: 'halt'; readonly rule: string; readonly evidence: Readonly<Record<string, unknown>> }
  | { readonly kind: 'pause'; readonly reason: string };

type Standing = Pick<CampaignSnapshot, 'stages' | 'holding' | 'brakes' | 'policy'>;

/**
 * @param open stages whose devices may be started now.
 * @param shut the stage that would open now, were the brake quiet; undefined where none would.
 */
export function standstillOf(
  snapshot: Standing,
  open: readonly number[],
  shut: StageSnapshot | undefined,
  nowMs: number,
): Standstill | undefined {
  // What is under way may still change everything.
  if (snapshot.holding > 0) return undefined;
  return amberForEver(snapshot, open, shut, nowMs) ?? unprovenForEver(snapshot, open);
}

/**
 * The present evidence falls by further devices alone (E counts those in flight as good already): where the open stages
 * have none, and the next stays shut by that very evidence, nothing moves any more. Devices that wait for another try
 * are given until the deadline of the newest stage that has opened.
 */
function amberForEver(
  { stages, brakes, policy }: Standing,
  open: readonly number[],
  shut: StageSnapshot | undefined,
  nowMs: number,
): Standstill | undefined {
  if (!shut || brakes?.amber !== true) return undefined;
  const last = stages.find((stage) => stage.index === shut.index - 1);
  if (plannedIn(stages, open) > 0 && nowMs < (last?.deadlineAtMs ?? nowMs)) return undefined;
  const name = policy.stages[shut.index]?.name ?? String(shut.index);
  const because = brakes.rising ? ` (${brakes.rising.sentence})` : '';
  return {
    kind: 'halt',
    rule:
      `the evidence is rising${because}, and nothing is left to start that could lower it: ` +
      `stage ${name} stays shut until a person resumes or aborts`,
    evidence: { kind: 'amber', stage: name, ...brakes.rising },
  };
}

/** Results that stand unproven have used up the policy's number: a person says whether as many again may. */
function unprovenForEver({ stages, policy }: Standing, open: readonly number[]): Standstill | undefined {
  const { unproven: limit } = policy.limits;
  if (limit === undefined || plannedIn(stages, open) === 0) return undefined;
  const unproven = stages.reduce((sum, stage) => sum + stage.sums.unproven, 0);
  if (unproven < limit) return undefined;
  return {
    kind: 'pause',
    reason: `${unproven} results stand unproven, the limit is ${limit}: look at those devices; resume to let ${limit} more stand, or abort`,
  };
}

function plannedIn(stages: readonly StageSnapshot[], open: readonly number[]): number {
  return stages.reduce((sum, stage) => sum + (open.includes(stage.index) ? stage.sums.planned : 0), 0);
}

/**
 * What keeps everything of a running campaign from starting until a person has mended it; null where nothing does. A
 * missing file holds devices, it does not fail them; a brake that cannot be judged lets nothing start (P11).
 */
export function standingOf(
  snapshot: Pick<CampaignSnapshot, 'state' | 'stages' | 'blobPresent' | 'brakes'>,
): Reason | null {
  if (snapshot.state !== 'running') return null;
  const planned = snapshot.stages.reduce((sum, stage) => sum + stage.sums.planned, 0);
  const rescue = snapshot.stages.reduce((sum, stage) => sum + stage.sums.rescue, 0);
  if (!snapshot.blobPresent && planned + rescue > 0) return { code: 'artifact.blob-missing', params: {} };
  return !snapshot.brakes && planned > 0 ? { code: 'stopped.brake', params: {} } : null;
}

const NEXT_STEP: Readonly<Record<string, string>> = {
  'artifact.blob-missing': 'Put the file back into the store, or abort.',
  'stopped.brake': 'The page of its brake and the log of the server name the test: mend it, or abort.',
};

/** The reason as a person reads it, and what can be done. @param code as it is stored with the campaign. */
export function standingSentence(code: string | null): string {
  const known = REASON_CODES[code as keyof typeof REASON_CODES] ?? 'nobody can say why.';
  return [known, ...(code !== null && code in NEXT_STEP ? [NEXT_STEP[code]!] : [])].join(' ');
}
