/** The plan as the form holds it: always whole, every default filled in; values by the paths that the server's errors name. */
import { ApiProblemError } from '@drydock/api-client';
import { CampaignDraft, Policy, type StagePolicy } from '@drydock/contracts';
import { pathOf } from '../../format/paths.js';
import type { Step } from './steps.js';

export interface PlanForm {
  readonly name: string;
  readonly note: string;
  /** Empty: none is chosen yet. */
  readonly artifactId: string;
  readonly selector: CampaignDraft['selector'];
  readonly policy: Policy;
}

export interface Fault {
  /** `policy.stages[0].gate.minKnown`; empty: of the plan as a whole. */
  readonly path: string;
  readonly message: string;
  /** Nothing is wrong yet, but without it the plan is not whole. */
  readonly isMissing?: boolean;
}

/** The server's own defaults; the last stage takes what is left, so that a change before it needs none of it. */
export function emptyForm(): PlanForm {
  const policy = Policy.parse({});
  const stages = policy.stages.map((stage, index) => (index === policy.stages.length - 1 ? restStage(stage) : stage));
  return { name: '', note: '', artifactId: '', selector: {}, policy: { ...policy, stages } };
}

/** The same stage, for everything that is left. */
export function restStage({ percent: _, count: __, ...stage }: StagePolicy): StagePolicy {
  return stage;
}

/** `policy.stages[0].name` → keys. */
export function keysOf(path: string): (string | number)[] {
  return path
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .filter((key) => key !== '')
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
}

/** The value at a path; undefined where there is none. */
export function valueAt(form: PlanForm, path: string): unknown {
  return keysOf(path).reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[key] : undefined),
    form,
  );
}

/** A copy with another value; `undefined` takes the key away. */
export function withValue(form: PlanForm, path: string, value: unknown): PlanForm {
  return changed(form, keysOf(path), value) as PlanForm;
}

function changed(at: unknown, [key, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(at)) {
    const list: unknown[] = [...(at as unknown[])];
    list[Number(key)] = changed(list[Number(key)], rest, value);
    return list;
  }
  const record = { ...(typeof at === 'object' ? (at as Record<string, unknown>) : {}) };
  const next = changed(record[key], rest, value);
  if (next === undefined) delete record[key];
  else record[key] = next;
  return record;
}

/** What the form can see by itself, before any server is asked. */
export function ownFaults(form: PlanForm): Fault[] {
  const faults: Fault[] = [];
  if (form.name === '') faults.push({ path: 'name', message: 'Give it a name.', isMissing: true });
  if (form.artifactId === '') faults.push({ path: 'artifactId', message: 'Choose what is sent.', isMissing: true });
  const parsed = CampaignDraft.safeParse(form);
  if (parsed.success) return faults;
  const said = new Set(faults.map(({ path }) => path));
  for (const issue of parsed.error.issues) {
    const path = pathOf(issue.path);
    if (said.has(path)) continue;
    said.add(path);
    faults.push({ path, message: path === 'name' ? NAME_RULE : readable(issue) });
  }
  return faults;
}

const NAME_RULE = 'Lower-case letters, digits, dots and hyphens; it begins with a letter or digit; at most 63.';

function readable(issue: {
  code: string;
  message: string;
  minimum?: unknown;
  maximum?: unknown;
  inclusive?: unknown;
}): string {
  if (issue.code === 'too_small')
    return `${issue.inclusive === false ? 'More than' : 'At least'} ${String(issue.minimum)}.`;
  if (issue.code === 'too_big')
    return `${issue.inclusive === false ? 'Less than' : 'At most'} ${String(issue.maximum)}.`;
  return issue.message;
}

/** What the server says against it, place by place; undefined where the error is about something else. */
export function faultsOf(error: unknown): Fault[] | undefined {
  if (!(error instanceof ApiProblemError) || error.status >= 500) return undefined;
  const places = error.problem.errors ?? [];
  if (places.length === 0) return undefined;
  return places.map(({ path, message, nearest }) => ({
    path: path.replace(/^body\.(?:draft\.)?/, ''),
    message: nearest === undefined || message.includes(nearest) ? message : `${message} Did you mean ${nearest}?`,
  }));
}

/** Where a fault is mended. */
export function stepOf(path: string): Step {
  if (/^(?:name|note|artifactId)/.test(path)) return 'what';
  return /^(?:selector|policy\.(?:membership|allowDowngrade))/.test(path) ? 'which' : 'how';
}

/** A name that the server takes: `sensor-2.0.0`. */
export function suggestedName(...parts: readonly string[]): string {
  return parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63)
    .replace(/[^a-z0-9]+$/, '');
}

/** The next free-looking name after one that is taken: `x` → `x-2` → `x-3`. */
export function nextName(name: string): string {
  const [, head = name, number] = /^(.*?)-(\d{1,3})$/.exec(name) ?? [];
  return `${head.slice(0, 59)}-${number === undefined ? 2 : Number(number) + 1}`;
}
