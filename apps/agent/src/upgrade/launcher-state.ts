/**
 * What the launcher and the agents it starts say to each other: one small file, `versions/launcher.json` in the state
 * folder, replaced as a whole. Its form never changes, because launchers are not upgraded with the agent.
 *
 * Only `node:fs` and `node:crypto` here: the launcher has to work whatever an agent broke.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface BundleRef {
  readonly sha256: string;
  readonly version: string;
}

export interface TrialState extends BundleRef {
  /** Starts so far; one that a person ended is not counted. */
  readonly starts: number;
  /** How long each start may take to prove itself. */
  readonly withinMs: number;
  /** Links that were up under the version before: they have to open again. */
  readonly links: readonly string[];
}

export interface LauncherState {
  readonly v: 1;
  /** Null: the agent that was installed beside the launcher. */
  readonly good: BundleRef | null;
  readonly trial: TrialState | null;
  readonly fellBack: (BundleRef & { readonly why: string }) | null;
}

/** A trial that did not come up so often is over. */
export const MAX_STARTS = 3;
/** Exit status that asks for the next start: EX_TEMPFAIL of sysexits.h. Whoever supervises starts it again after any. */
export const RESTART_STATUS = 75;
const EMPTY: LauncherState = { v: 1, good: null, trial: null, fellBack: null };
const SHA256 = /^[0-9a-f]{64}$/;

export const versionsDir = (stateDir: string): string => join(stateDir, 'versions');
export const bundleDir = (stateDir: string, sha256: string): string => join(versionsDir(stateDir), sha256);
const statePath = (stateDir: string): string => join(versionsDir(stateDir), 'launcher.json');

/** @returns what is there; the state of a fresh installation where nothing is or it cannot be read. */
export function readLauncherState(stateDir: string): LauncherState {
  try {
    const value = JSON.parse(readFileSync(statePath(stateDir), 'utf8')) as Partial<LauncherState> | null;
    if (value?.v !== 1) return EMPTY;
    const good = refOf(value.good);
    const trial = refOf(value.trial);
    const fellBack = refOf(value.fellBack);
    return {
      v: 1,
      good: good ?? null,
      trial: trial
        ? {
            ...trial,
            starts: numberOf(value.trial?.starts, MAX_STARTS),
            withinMs: numberOf(value.trial?.withinMs, 0),
            links: Array.isArray(value.trial?.links)
              ? value.trial.links.filter((link): link is string => typeof link === 'string')
              : [],
          }
        : null,
      fellBack: fellBack ? { ...fellBack, why: String(value.fellBack?.why ?? '') } : null,
    };
  } catch {
    return EMPTY;
  }
}

/** On disk when it returns. @throws Error of the file system. */
export function writeLauncherState(stateDir: string, state: LauncherState): void {
  const path = statePath(stateDir);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = openSync(`${path}.next`, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(state, undefined, 1)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.next`, path);
  syncFolderSync(dirname(path));
}

export function fallBack(state: LauncherState, why: string): LauncherState {
  if (!state.trial) return state;
  const { sha256, version } = state.trial;
  return { ...state, trial: null, fellBack: { sha256, version, why } };
}

export function confirm(state: LauncherState): LauncherState {
  if (!state.trial) return state;
  const { sha256, version } = state.trial;
  return { v: 1, good: { sha256, version }, trial: null, fellBack: null };
}

/** What the next start of the daemon runs. `bundle` null: what is installed beside the launcher. */
export interface Choice {
  readonly bundle: BundleRef | null;
  readonly onTrial: boolean;
  /** To be written before anything is run. */
  readonly state: LauncherState;
}

/** @param isWhole whether a bundle lies unpacked and unchanged in the state folder. */
export function chooseStart(before: LauncherState, isWhole: (sha256: string) => boolean): Choice {
  let state = before;
  if (state.trial) {
    const { trial } = state;
    if (trial.starts >= MAX_STARTS)
      state = fallBack(state, `it ended ${trial.starts} times before it had proven itself`);
    else if (!isWhole(trial.sha256)) state = fallBack(state, 'its files are damaged or missing');
    else {
      state = { ...state, trial: { ...trial, starts: trial.starts + 1 } };
      return { bundle: trial, onTrial: true, state };
    }
  }
  if (state.good && isWhole(state.good.sha256)) return { bundle: state.good, onTrial: false, state };
  return { bundle: null, onTrial: false, state };
}

/** Compares the unpacked files with their manifest, which was checked against its signature when they were unpacked. */
export function isWholeBundle(stateDir: string, sha256: string): boolean {
  const dir = bundleDir(stateDir, sha256);
  try {
    const manifest = JSON.parse(readFileSync(join(dir, 'drydock-agent.json'), 'utf8')) as {
      files: { name: string; sha256: string }[];
    };
    return manifest.files.every(
      ({ name, sha256: digest }) =>
        createHash('sha256')
          .update(readFileSync(join(dir, name)))
          .digest('hex') === digest,
    );
  } catch {
    return false;
  }
}

/** A rename is on disk only with its folder. Some file systems refuse that; then it is as durable as they make it. */
export function syncFolderSync(path: string): void {
  let folder: number | undefined;
  try {
    folder = openSync(path, 'r');
    fsyncSync(folder);
  } catch {
    // as durable as this file system makes it
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

function refOf(value: unknown): BundleRef | undefined {
  const { sha256, version } = (value ?? {}) as { sha256?: unknown; version?: unknown };
  if (typeof sha256 !== 'string' || !SHA256.test(sha256) || typeof version !== 'string') return undefined;
  return { sha256, version };
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : otherwise;
}
