/** Decisions as sentences. Kinds and parameters are the server's; one that is not known here is shown as it came. */
import type { Decision } from '@drydock/contracts';
import { count, counted, percent } from '../../format/numbers.js';
import { when } from '../../format/times.js';
import { diffPlace, diffValue } from '../../plan/diff-words.js';

type Params = Decision['params'];
const text = (params: Params, name: string): string => {
  const value = params[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};
const number = (params: Params, name: string): number => Number(params[name] ?? 0);
const quoted = (params: Params, name = 'reason'): string => {
  const value = text(params, name);
  return value === '' ? '' : `: “${value}”`;
};
const colon = (params: Params, name: string): string => {
  const value = text(params, name);
  return value === '' ? '' : `: ${value}`;
};

const KINDS: Readonly<Record<string, (params: Params, nowMs: number) => string>> = {
  'campaign.started': (p) =>
    `started${number(p, 'preempted') > 0 ? `, ${counted(number(p, 'preempted'), 'grant')} of others taken back` : ''}${quoted(p)}`,
  'campaign.start-pressed': (p) =>
    `start pressed${number(p, 'skipped') > 0 ? `, ${counted(number(p, 'skipped'), 'device')} skipped` : ''}`,
  'campaign.paused': (p) => `paused${quoted(p)}`,
  'campaign.resumed': (p) => `resumed${quoted(p)}`,
  'campaign.halted': (p) => `halted${colon(p, 'rule') || quoted(p)}`,
  'campaign.aborting': (p) => `aborting${quoted(p)}`,
  'campaign.aborted': (p) => `aborted${quoted(p)}`,
  'campaign.completed': (p) => `completed${quoted(p)}`,
  'campaign.approval-expired': (p) => `not approved within ${text(p, 'hours')} h, so it is a draft again`,
  'campaign.pace-changed': (p) => {
    const changed = Array.isArray(p['changed']) ? p['changed'] : [];
    const words = changed.slice(0, 3).flatMap((one: unknown) => {
      const line = one as { path?: unknown; from?: unknown; to?: unknown };
      return typeof line.path === 'string'
        ? [`${diffPlace(line.path)} ${diffValue(line.path, line.from)} → ${diffValue(line.path, line.to)}`]
        : [];
    });
    return `changed ${words.join(', ') || 'the pace'}${changed.length > 3 ? ` and ${changed.length - 3} more` : ''}${quoted(p)}`;
  },
  'stratum.released': (p) => `devices that ran ${text(p, 'version') || 'an unknown version'} may go on${quoted(p)}`,
  'stage.opened': (p) => `stage ${text(p, 'stage')} opened`,
  'stage.reopened': (p) => `stage ${text(p, 'stage')} opened again`,
  'stage.soaking': (p, now) =>
    `stage ${text(p, 'stage')} is watched until ${p['untilMs'] === undefined ? '–' : when(number(p, 'untilMs'), now)}` +
    (p['share'] === undefined || p['share'] === null ? '' : `, share ${percent(number(p, 'share'))}`),
  'stage.passed': (p) => `stage ${text(p, 'stage')} passed its gate${colon(p, 'note')}`,
  'stage.held': (p) => `stage ${text(p, 'stage')} is held for a person${colon(p, 'note')}`,
  'stage.failed': (p) => `the gate of stage ${text(p, 'stage')} failed${colon(p, 'note')}`,
  'stage.approved': (p) => `stage ${text(p, 'stage')} approved${quoted(p)}`,
  'grants.given': (p) =>
    `${counted(number(p, 'count'), 'device')} may start on ${counted(number(p, 'gateways'), 'gateway')}` +
    (p['mode'] === 'rescue' ? ', to be rescued' : ''),
  'deployments.lost': (p) => `${counted(number(p, 'count'), 'device')} lost: silent past the deadline`,
};

export function decisionSentence(decision: Decision, nowMs: number): string {
  const words = KINDS[decision.kind];
  if (words) return words(decision.params, nowMs);
  const params = Object.entries(decision.params)
    .filter(([, value]) => value !== null && typeof value !== 'object')
    .map(([name, value]) => `${name} ${typeof value === 'number' ? count(value) : String(value)}`);
  return `${decision.kind.replace('.', ' ')}${params.length > 0 ? `: ${params.join(', ')}` : ''}`;
}

export interface DecisionLine {
  /** The newest one of what the line tells. */
  readonly decision: Decision;
  /** More than one: how many grants in a row it sums up. */
  readonly grants: number;
}

/** Grants that follow each other directly become one line with their sum: what was decided between them stays visible. */
export function decisionLines(decisions: readonly Decision[]): DecisionLine[] {
  const lines: DecisionLine[] = [];
  for (const decision of decisions) {
    const before = lines.at(-1);
    const isGrant = decision.kind === 'grants.given' && decision.params['mode'] !== 'rescue';
    if (isGrant && before?.decision.kind === 'grants.given' && before.decision.params['mode'] !== 'rescue') {
      const devices = number(before.decision.params, 'count') + number(decision.params, 'count');
      const params = { ...before.decision.params, count: devices };
      lines[lines.length - 1] = { decision: { ...before.decision, params }, grants: before.grants + 1 };
    } else lines.push({ decision, grants: 1 });
  }
  return lines;
}

export function lineSentence({ decision, grants }: DecisionLine, nowMs: number): string {
  return grants === 1
    ? decisionSentence(decision, nowMs)
    : `${counted(number(decision.params, 'count'), 'device')} may start, by ${counted(grants, 'decision')}`;
}
