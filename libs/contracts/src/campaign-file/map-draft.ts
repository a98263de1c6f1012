/**
 * A campaign file and the body of `POST|PUT /api/v1/campaigns`: one table of places says what is where, for both ways and
 * for faults that the API finds.
 */
import type { z } from 'zod';
import type { CampaignDraft, Campaign } from '../http/campaigns-api.js';
import { CAMPAIGN_FILE_VERSION, namedRestore, type CampaignFile } from './file-schema.js';
import {
  formatDuration,
  formatMinutes,
  formatShare,
  parseDuration,
  parseMinutes,
  parsePercent,
  parseShare,
} from './quantities.js';

export type CampaignDraftInput = z.input<typeof CampaignDraft>;
/** `*` stands for every place of a list. */
export type Path = readonly (string | number)[];
type Leaf = string | number | boolean | object | null;

export interface Spelling {
  /** From the file; the form has been checked. */
  readonly read: (value: Leaf) => Leaf;
  /** Into the file. */
  readonly write: (value: Leaf) => Leaf;
}

const same: Spelling = { read: (value) => value, write: (value) => value };
const length: Spelling = {
  read: (value) => (typeof value === 'string' ? (parseDuration(value) ?? value) : value),
  write: (value) => formatDuration(Number(value)),
};
const share: Spelling = {
  read: (value) => (typeof value === 'string' ? (parseShare(value) ?? value) : value),
  write: (value) => formatShare(Number(value)),
};
const percent: Spelling = {
  read: (value) => (typeof value === 'string' ? (parsePercent(value) ?? value) : value),
  write: (value) => `${String(value)}%`,
};
const minutes: Spelling = {
  read: (value) => (typeof value === 'string' ? (parseMinutes(value) ?? value) : value),
  write: (value) => formatMinutes(Number(value)),
};

interface Place {
  readonly file: Path;
  readonly api: Path;
  readonly spelling: Spelling;
}

const place = (file: string, api: string, spelling: Spelling = same): Place => ({
  file: file.split('.'),
  api: api.split('.'),
  spelling,
});

const BLAMES = ['firmware', 'device', 'link', 'gateway', 'server', 'operator'];

const PLACES: readonly Place[] = [
  place('name', 'name'),
  place('note', 'note'),
  place('devices.where', 'selector.filter'),
  ...['models', 'tags', 'sites', 'gateways', 'runningVersions', 'updatedBy'].map((key) =>
    place(`devices.${key}`, `selector.${key}`),
  ),
  place('devices.ids', 'selector.devices'),
  place('devices.membership', 'policy.membership'),
  place('devices.allowDowngrade', 'policy.allowDowngrade'),
  place('stages.*.name', 'policy.stages.*.name'),
  place('stages.*.where', 'policy.stages.*.filter'),
  place('stages.*.gate.minKnown', 'policy.stages.*.gate.minKnown'),
  place('stages.*.gate.maxFailureShare', 'policy.stages.*.gate.maxFailureShare', share),
  place('stages.*.gate.soak', 'policy.stages.*.gate.soakMs', length),
  place('stages.*.gate.approval', 'policy.stages.*.gate.approval'),
  place('stages.*.gate.strata', 'policy.stages.*.gate.strata'),
  place('stages.*.deadline', 'policy.stages.*.deadlineMs', length),
  place('brake.limit', 'policy.brake.limit', share),
  place('brake.falseHalt', 'policy.brake.alpha', share),
  place('brake.transportLimit', 'policy.brake.transportLimit', share),
  place('brake.baseline', 'policy.brake.baseline'),
  place('brake.thresholds.*.minTried', 'policy.brake.thresholds.*.minTried'),
  place('brake.thresholds.*.maxFailureShare', 'policy.brake.thresholds.*.maxFailureShare', share),
  place('pace.startPerMinute', 'policy.pace.startPerMinute'),
  place('pace.doubleEvery', 'policy.pace.doublingMinutes', minutes),
  place('pace.factor', 'policy.pace.factor'),
  place('pace.everyProven', 'policy.pace.everyProven'),
  place('pace.upTo', 'policy.pace.maxPerMinute'),
  place('inFlight.first', 'policy.limits.firstInFlight'),
  place('inFlight.perProven', 'policy.limits.earnedPerProven'),
  place('inFlight.campaign', 'policy.limits.inFlight'),
  place('inFlight.site', 'policy.limits.perSite'),
  place('inFlight.gateway', 'policy.limits.perGateway'),
  place('unprovenAtMost', 'policy.limits.unproven'),
  place('windows.*.rule', 'policy.windows.*.rule'),
  place('windows.*.from', 'policy.windows.*.from'),
  place('windows.*.lasts', 'policy.windows.*.durationMs', length),
  place('time.start', 'policy.startAt'),
  place('time.deadline', 'policy.deadlineMs', length),
  place('approvals.needed', 'policy.approvals'),
  place('minBattery', 'policy.minBatteryPercent', percent),
  place('timeouts.start', 'policy.timeouts.startMs', length),
  place('timeouts.download', 'policy.timeouts.downloadMs', length),
  place('timeouts.transfer', 'policy.timeouts.transferMs', length),
  place('timeouts.activate', 'policy.timeouts.activateMs', length),
  place('timeouts.prove', 'policy.timeouts.proveMs', length),
  ...BLAMES.flatMap((blame) => [
    place(`retry.${blame}.attempts`, `policy.retry.${blame}.maxAttempts`),
    place(`retry.${blame}.backOff`, `policy.retry.${blame}.backOffMs`, length),
  ]),
  place('retry.upTo', 'policy.retry.backOffMaxMs', length),
  place('acceptUnproven', 'policy.acceptUnproven'),
  place('confirm', 'policy.confirm'),
  place('urgent.advisory', 'policy.urgent.advisory'),
  place('vendorTool.lasts', 'policy.vendorTool.minutes', minutes),
];

/** Places that are no plain copy of one another; they serve faults alone. */
const NAMED_OTHERWISE: readonly Place[] = [
  place('artifact', 'artifactId'),
  place('stages.*.take', 'policy.stages.*.percent', percent),
  place('stages.*.take', 'policy.stages.*.count'),
  place('onAbort', 'policy.onAbort'),
  place('pace', 'policy.pace.kind'),
];

/** Lists and groups that say something although nothing is in them. */
const LISTS: readonly Place[] = [
  place('stages', 'policy.stages'),
  place('windows', 'policy.windows'),
  place('brake.thresholds', 'policy.brake.thresholds'),
];
const GROUPS: readonly Place[] = [place('vendorTool', 'policy.vendorTool'), place('pace', 'policy.pace')];

type Tree = Record<string | number, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

function get(tree: unknown, path: Path): unknown {
  let at: unknown = tree;
  for (const key of path) {
    if (!isTree(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

function put(tree: Tree, path: Path, value: unknown): void {
  let at = tree;
  for (const [index, key] of path.entries()) {
    if (index === path.length - 1) at[key] = value;
    else {
      if (!isTree(at[key])) at[key] = typeof path[index + 1] === 'number' ? [] : {};
      at = at[key] as Tree;
    }
  }
}

/** Copies every place of the table that has a value. */
function copy(from: unknown, to: Tree, way: 'file-to-api' | 'api-to-file'): void {
  const [here, there] = way === 'file-to-api' ? (['file', 'api'] as const) : (['api', 'file'] as const);
  for (const list of LISTS) {
    const items = get(from, list[here]);
    if (Array.isArray(items))
      put(
        to,
        list[there],
        items.map(() => ({})),
      );
  }
  for (const each of PLACES) {
    const star = each[here].indexOf('*');
    if (star < 0) {
      copyOne(from, to, each, each[here], each[there], way);
      continue;
    }
    const items = get(from, each[here].slice(0, star));
    if (!Array.isArray(items)) continue;
    for (const index of items.keys()) {
      const exact = (path: Path): Path => path.map((key) => (key === '*' ? index : key));
      copyOne(from, to, each, exact(each[here]), exact(each[there]), way);
    }
  }
}

function copyOne(
  from: unknown,
  to: Tree,
  { spelling }: Place,
  here: Path,
  there: Path,
  way: 'file-to-api' | 'api-to-file',
): void {
  const value = get(from, here);
  if (value === undefined) return;
  put(to, there, (way === 'file-to-api' ? spelling.read : spelling.write)(value as Leaf));
}

/**
 * The body that creates or replaces the campaign. What the file leaves out is left out, so that the server's defaults hold.
 * @param ids of the artifacts that the file names.
 */
export function draftOfFile(
  file: CampaignFile,
  ids: { readonly artifactId: string; readonly restoreId?: string | undefined },
): CampaignDraftInput {
  const draft: Tree = { artifactId: ids.artifactId, selector: {}, policy: {} };
  copy(file, draft, 'file-to-api');
  for (const group of GROUPS) {
    if (get(file, group.file) !== undefined && get(draft, group.api) === undefined) put(draft, group.api, {});
  }
  for (const [index, stage] of (file.stages ?? []).entries()) {
    const at = ['policy', 'stages', index];
    if (typeof stage.take === 'number') put(draft, [...at, 'count'], stage.take);
    else if (stage.take !== undefined && stage.take !== 'rest')
      put(draft, [...at, 'percent'], parsePercent(stage.take));
  }
  if (file.pace) {
    const steps = file.pace.factor !== undefined || file.pace.everyProven !== undefined;
    put(draft, ['policy', 'pace', 'kind'], steps ? 'steps' : 'ramp');
  }
  if (namedRestore(file.onAbort) !== undefined) put(draft, ['policy', 'onAbort', 'restore'], ids.restoreId);
  else if (file.onAbort !== undefined) put(draft, ['policy', 'onAbort'], file.onAbort);
  return draft as CampaignDraftInput;
}

/** What a stored campaign says, as a file would: everything, so that nothing hangs on the defaults of a release. */
export type StoredCampaign = Pick<Campaign, 'name' | 'note' | 'selector' | 'policy'> & {
  readonly artifact: { readonly sha256: string };
};

/** @param restoreSha256 of the artifact that `policy.onAbort.restore` names. */
export function fileOfCampaign(campaign: StoredCampaign, restoreSha256?: string): CampaignFile {
  const file: Tree = {
    apiVersion: CAMPAIGN_FILE_VERSION,
    kind: 'Campaign',
    name: campaign.name,
    ...(campaign.note !== '' && { note: campaign.note }),
    artifact: `sha256:${campaign.artifact.sha256}`,
  };
  copy(campaign, file, 'api-to-file');
  if (campaign.note === '') delete file['note'];
  const { policy } = campaign;
  for (const [index, stage] of policy.stages.entries()) {
    const take =
      stage.count ??
      (stage.percent !== undefined ? `${stage.percent}%` : stage.filter === undefined ? 'rest' : undefined);
    const stages = file['stages'] as Tree[];
    // `take` is read beside the name.
    const { name, ...rest } = stages[index] as { name: string };
    stages[index] = { name, ...(take !== undefined && { take }), ...rest };
  }
  if (policy.vendorTool && file['vendorTool'] === undefined) file['vendorTool'] = {};
  const { onAbort } = policy;
  file['onAbort'] = typeof onAbort === 'string' ? onAbort : `restore:sha256:${restoreSha256 ?? onAbort.restore}`;
  return file as CampaignFile;
}

/** `policy.stages[2].gate`, `body.policy.stages.2.gate` → keys. */
export function apiPathOf(text: string): Path {
  const keys = text
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .filter((key) => key !== '')
    .map((key) => (/^\d{1,6}$/.test(key) ? Number(key) : key));
  return keys[0] === 'body' ? keys.slice(1) : keys;
}

/** Where in the file stands what the API calls so; the nearest place above where there is no exact one. */
export function filePathOf(api: Path): Path {
  const fits = (pattern: Path, count: number): boolean =>
    pattern
      .slice(0, count)
      .every((key, index) => key === api[index] || (key === '*' && typeof api[index] === 'number'));
  const numbers = api.filter((key) => typeof key === 'number');
  const fill = (path: Path): Path => {
    let next = 0;
    return path.map((key) => (key === '*' ? (numbers[next++] ?? 0) : key));
  };
  const all = [...PLACES, ...NAMED_OTHERWISE];
  const within = all.find(({ api: pattern }) => pattern.length <= api.length && fits(pattern, pattern.length));
  if (within) return [...fill(within.file), ...api.slice(within.api.length)];
  const above = all.find(
    (each) =>
      each.api.length > api.length && fits(each.api, api.length) && each.file.length > each.api.length - api.length,
  );
  if (!above || api.length < 2) return api[0] === 'selector' ? ['devices'] : [];
  return fill(above.file).slice(0, above.file.length - (above.api.length - api.length));
}

/** How the file spells what the API calls so. */
export function spellingOf(api: Path): Spelling {
  const found = [...PLACES, ...NAMED_OTHERWISE].find(
    ({ api: pattern }) =>
      pattern.length === api.length &&
      pattern.every((key, index) => key === api[index] || (key === '*' && typeof api[index] === 'number')),
  );
  return found?.spelling ?? same;
}
