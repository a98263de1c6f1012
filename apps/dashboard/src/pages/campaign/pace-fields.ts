/** Pace and limits as fields of a form: what stands in the plan, what was typed, and what that makes of the plan. */
import type { Policy } from '@drydock/contracts';

type Steering = Pick<Policy, 'pace' | 'limits'>;

interface Rule {
  readonly key: string;
  readonly label: string;
  /** Of the command that does the same; left out where it has none. */
  readonly flag?: string;
  readonly kind?: Policy['pace']['kind'];
  readonly whole?: true;
  readonly optional?: true;
  readonly get: (steering: Steering) => number | undefined;
  readonly set: (steering: Steering, value: number | undefined) => Steering;
}

const pace = (key: string, get: (pace: Policy['pace']) => number | undefined): Pick<Rule, 'get' | 'set'> => ({
  get: (steering) => get(steering.pace),
  set: (steering, value) => ({ ...steering, pace: { ...steering.pace, [key]: value } as Policy['pace'] }),
});
const limits = (key: keyof Policy['limits']): Pick<Rule, 'get' | 'set'> => ({
  get: (steering) => steering.limits[key],
  set: (steering, value) => {
    const { [key]: _, ...others } = steering.limits;
    return { ...steering, limits: { ...others, ...(value !== undefined && { [key]: value }) } as Policy['limits'] };
  },
});

const RULES: readonly Rule[] = [
  {
    key: 'start',
    label: 'Starts a minute, at first',
    flag: '--start-per-minute',
    ...pace('startPerMinute', (p) => p.startPerMinute),
  },
  {
    key: 'doubling',
    label: 'Doubles every so many minutes',
    kind: 'ramp',
    ...pace('doublingMinutes', (p) => (p.kind === 'ramp' ? p.doublingMinutes : undefined)),
  },
  {
    key: 'factor',
    label: 'Grows by the factor',
    kind: 'steps',
    ...pace('factor', (p) => (p.kind === 'steps' ? p.factor : undefined)),
  },
  {
    key: 'every',
    label: 'for each so many proven',
    kind: 'steps',
    whole: true,
    ...pace('everyProven', (p) => (p.kind === 'steps' ? p.everyProven : undefined)),
  },
  { key: 'max', label: 'Up to, a minute', flag: '--up-to', ...pace('maxPerMinute', (p) => p.maxPerMinute) },
  { key: 'first', label: 'At once, before any is proven', flag: '--first', whole: true, ...limits('firstInFlight') },
  { key: 'earned', label: 'More for each proven', ...limits('earnedPerProven') },
  { key: 'inFlight', label: 'At once, at most', flag: '--in-flight', whole: true, ...limits('inFlight') },
  { key: 'gateway', label: 'At once on one gateway', flag: '--per-gateway', whole: true, ...limits('perGateway') },
  { key: 'site', label: 'At once at one site', flag: '--per-site', whole: true, optional: true, ...limits('perSite') },
];

export interface PaceField {
  readonly key: string;
  readonly label: string;
  /** As it stands in the plan. */
  readonly text: string;
  readonly optional: boolean;
}

const rulesFor = (steering: Steering): readonly Rule[] =>
  RULES.filter(({ kind }) => kind === undefined || kind === steering.pace.kind);
const textOf = (rule: Rule, steering: Steering): string => String(rule.get(steering) ?? '');

export function fieldsOf(steering: Steering): PaceField[] {
  return rulesFor(steering).map((rule) => ({
    key: rule.key,
    label: rule.label,
    text: textOf(rule, steering),
    optional: rule.optional ?? false,
  }));
}

/**
 * @param texts what was typed, by the key of the field; a field that is not named stays as it is.
 * @returns the plan's pace and limits with it, and what is wrong by field. Bounds are the server's to judge.
 */
export function steeringOf(
  base: Steering,
  texts: Readonly<Record<string, string>>,
): { steering: Steering; faults: Readonly<Record<string, string>> } {
  let steering: Steering = { pace: base.pace, limits: base.limits };
  const faults: Record<string, string> = {};
  for (const rule of rulesFor(base)) {
    const typed = texts[rule.key];
    if (typed === undefined || typed.trim() === textOf(rule, base)) continue;
    const value = typed.trim() === '' && rule.optional ? undefined : readNumber(typed, rule.whole ?? false);
    if (typeof value === 'string') faults[rule.key] = value;
    else steering = rule.set(steering, value);
  }
  return { steering, faults };
}

/** Fields that say something else than the plan, with the flag of the command where there is one. */
export function changedFields(
  base: Steering,
  texts: Readonly<Record<string, string>>,
): { flag: string; text: string }[] {
  return rulesFor(base).flatMap((rule) => {
    const typed = texts[rule.key]?.trim();
    return typed === undefined || typed === textOf(rule, base)
      ? []
      : [{ flag: rule.flag ?? `--${rule.key}`, text: typed }];
  });
}

function readNumber(text: string, whole: boolean): number | string {
  const value = /^\d+(?:[.,]\d+)?$/.test(text.trim()) ? Number(text.trim().replace(',', '.')) : Number.NaN;
  if (!Number.isFinite(value)) return 'Write a number.';
  return whole && !Number.isInteger(value) ? 'Write a whole number.' : value;
}
