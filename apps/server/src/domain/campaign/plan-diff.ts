/** What differs between two plans, and where the new one is looser: lets more through, or stops later. */
import { isSameJson } from './canonical-json.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface PlanLine {
  readonly path: string;
  readonly from: Json;
  readonly to: Json;
  readonly looser: boolean | null;
}

/** `up`: more is looser; `down`: less is looser; `on`/`off`: true or false is looser; `gone`: leaving it out is looser. */
type Direction = 'up' | 'down' | 'on' | 'off' | 'gone' | 'there';

/** Which way is looser. What is not named here is neither: timeouts and deadlines trade one risk for another. */
const LOOSER: readonly (readonly [RegExp, Direction])[] = [
  [/^policy\.stages\[\d+\]\.(?:percent|count)$/, 'up'],
  [/\.gate\.minKnown$/, 'down'],
  [/\.gate\.maxFailureShare$/, 'up'],
  [/\.gate\.soakMs$/, 'down'],
  [/\.gate\.approval$/, 'off'],
  [/\.gate\.strata$/, 'gone'],
  [/^policy\.limits\.(?:inFlight|firstInFlight|earnedPerProven|perGateway)$/, 'up'],
  [/^policy\.limits\.(?:perSite|unproven)$/, 'up'],
  [/^policy\.pace\.(?:startPerMinute|maxPerMinute|factor)$/, 'up'],
  [/^policy\.pace\.(?:doublingMinutes|everyProven)$/, 'down'],
  [/^policy\.brake\.(?:limit|transportLimit)$/, 'up'],
  // A smaller level of false halts needs more evidence before it halts.
  [/^policy\.brake\.alpha$/, 'down'],
  [/^policy\.brake\.baseline$/, 'off'],
  [/^policy\.brake\.thresholds(?:\[\d+\])?$/, 'gone'],
  [/^policy\.brake\.thresholds\[\d+\]\./, 'up'],
  [/^policy\.windows(?:\[\d+\])?$/, 'gone'],
  [/^policy\.approvals$/, 'down'],
  [/^policy\.minBatteryPercent$/, 'down'],
  [/^policy\.retry\.\w+\.maxAttempts$/, 'up'],
  [/^policy\.(?:acceptUnproven|allowDowngrade)$/, 'on'],
  [/^policy\.(?:urgent|vendorTool)$/, 'there'],
  // One stage fewer is one look fewer.
  [/^policy\.stages\[\d+\]$/, 'gone'],
];

const isRecord = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isEmpty = (value: Json | undefined): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/** @returns a line for each leaf that differs, in the order of the new plan; at most 200. */
export function diffPlans(from: Json, to: Json): PlanLine[] {
  const lines: PlanLine[] = [];
  walk('', from, to, lines);
  return lines.slice(0, 200);
}

function walk(path: string, from: Json | undefined, to: Json | undefined, lines: PlanLine[]): void {
  if (isSameJson(from, to)) return;
  if (isRecord(from) && isRecord(to)) {
    for (const key of new Set([...Object.keys(to), ...Object.keys(from)])) {
      walk(path === '' ? key : `${path}.${key}`, from[key], to[key], lines);
    }
    return;
  }
  // Lists of things with parts are compared place by place, lists of words as one.
  if (Array.isArray(from) && Array.isArray(to) && [...from, ...to].every((one: Json) => isRecord(one))) {
    const [before, after] = [from as readonly Json[], to as readonly Json[]];
    for (let at = 0; at < Math.max(before.length, after.length); at += 1) {
      walk(`${path}[${at}]`, before[at], after[at], lines);
    }
    return;
  }
  lines.push({ path, from: from ?? null, to: to ?? null, looser: isLooser(path, from, to) });
}

function isLooser(path: string, from: Json | undefined, to: Json | undefined): boolean | null {
  const direction = LOOSER.find(([pattern]) => pattern.test(path))?.[1];
  switch (direction) {
    case undefined:
      return null;
    case 'up':
    case 'down':
      // A bound that is left out bounds nothing.
      if (isEmpty(to) !== isEmpty(from)) return isEmpty(to);
      if (typeof from !== 'number' || typeof to !== 'number') return null;
      return direction === 'up' ? to > from : to < from;
    case 'on':
      return to === true;
    case 'off':
      return to !== true;
    case 'gone':
      return isEmpty(to) !== isEmpty(from) ? isEmpty(to) : null;
    case 'there':
      return isEmpty(to) !== isEmpty(from) ? isEmpty(from) : null;
  }
}
