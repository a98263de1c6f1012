/**
 * What systemd, Docker or a person starts: chooses the bundle, counts starts of one that is on trial, and runs it in this
 * process. It is installed once and not upgraded with the agent, so it does as little as can be.
 *
 * Whoever supervises has to start it again whenever it ends by itself (`Restart=always`): that is how a trial that crashes
 * is counted, and how the last good agent comes back.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  bundleDir,
  chooseStart,
  fallBack,
  isWholeBundle,
  MAX_STARTS,
  readLauncherState,
  RESTART_STATUS,
  writeLauncherState,
  type BundleRef,
} from './launcher-state.js';

/** Ample time for the agent to end its own trial, which knows better what is missing. */
const GRACE_MS = 10_000;

const here = dirname(fileURLToPath(import.meta.url));
const installed = join(here, 'agent.mjs');
const [command] = process.argv.slice(2);
const stateDir = optionOf('--state');

let bundle: BundleRef | null = null;
if (stateDir !== undefined && existsSync(stateDir)) {
  if (command === 'run') bundle = startOf(stateDir);
  else {
    // Commands of a person are those of the agent that is good, and count for nothing.
    const { good } = readLauncherState(stateDir);
    bundle = good && existsSync(join(bundleDir(stateDir, good.sha256), 'agent.mjs')) ? good : null;
  }
}
process.env['DRYDOCK_LAUNCHER'] = '1';
if (bundle) process.env['DRYDOCK_BUNDLE'] = bundle.sha256;
else delete process.env['DRYDOCK_BUNDLE'];

const main = bundle && stateDir !== undefined ? join(bundleDir(stateDir, bundle.sha256), 'agent.mjs') : installed;
process.argv[1] = main;
await import(pathToFileURL(main).href);

function startOf(dir: string): BundleRef | null {
  const before = readLauncherState(dir);
  const choice = chooseStart(before, (sha256) => isWholeBundle(dir, sha256));
  if (choice.state !== before) {
    try {
      writeLauncherState(dir, choice.state);
    } catch (error) {
      // A start that cannot be counted must not be a trial: it could be tried for ever.
      say(`cannot write down the start: ${(error as Error).message}`);
      return before.good && isWholeBundle(dir, before.good.sha256) ? before.good : null;
    }
  }
  const { fellBack } = choice.state;
  if (fellBack && !before.fellBack) say(`version ${fellBack.version} is left: ${fellBack.why}`);
  if (choice.onTrial && choice.state.trial) watchTrial(dir, choice.state.trial.sha256, choice.state.trial.withinMs);
  return choice.bundle;
}

function watchTrial(dir: string, sha256: string, withinMs: number): void {
  say(`version ${readLauncherState(dir).trial?.version ?? ''} is on trial, start ${startsOf(dir)} of ${MAX_STARTS}`);
  const isPending = (): boolean => readLauncherState(dir).trial?.sha256 === sha256;
  setTimeout(() => {
    if (!isPending()) return;
    writeLauncherState(dir, fallBack(readLauncherState(dir), `it had not proven itself within ${withinMs} ms`));
    process.exit(RESTART_STATUS);
  }, withinMs + GRACE_MS).unref();
  const wasStopped = hearStops();
  process.on('exit', (status) => {
    // A person stopped it: that is no failure of the bundle. One that ends by itself has not come up, whatever its status:
    // it would be started for ever, and the gateway would have no agent.
    const state = readLauncherState(dir);
    if (status !== 0 || !wasStopped() || state.trial?.sha256 !== sha256) return;
    writeLauncherState(dir, { ...state, trial: { ...state.trial, starts: Math.max(0, state.trial.starts - 1) } });
  });
}

/** @returns whether a signal asked this process to end. A bundle that does not listen to it ends by it all the same. */
function hearStops(): () => boolean {
  let stopped = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopped = true;
      if (process.listenerCount(signal) === 1) process.exit(0);
    });
  }
  return () => stopped;
}

function startsOf(dir: string): number {
  return readLauncherState(dir).trial?.starts ?? 0;
}

function optionOf(name: string): string | undefined {
  const args = process.argv.slice(2);
  const at = args.indexOf(name);
  if (at >= 0) return args[at + 1];
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}

function say(text: string): void {
  process.stderr.write(`${JSON.stringify({ level: 40, time: new Date().toISOString(), msg: `launcher: ${text}` })}\n`);
}
