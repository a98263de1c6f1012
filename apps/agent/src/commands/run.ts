/** `drydock-agent run`: the daemon. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve as resolvePath } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import { startAgent, STOP_MS, type RunningAgent } from '../agent.js';
import { realClock, sleep } from '../clock.js';
import { LogHistory, recallHistory } from '../log/log-history.js';
import { LogLevelSwitch } from '../log/log-level.js';
import { RotatingFile } from '../log/rotating-file.js';
import { createLogger, RepeatedLine, type Logger } from '../logger.js';
import { PROTOCOLS } from '../protocols.js';
import { loadLoaderCodec, protocolsWith } from '../site/loader-codec.js';
import { EMPTY_SITE, readSiteFile } from '../site/site-file.js';
import { bareStatus, type DaemonLog } from '../status/collect-status.js';
import { openControlSocket } from '../status/control-socket.js';
import { logPath } from '../status/state-folder.js';
import { Systemd } from '../systemd.js';
import { RESTART_STATUS } from '../upgrade/launcher-state.js';
import { tellError } from './console-output.js';
import { preferSpeed } from './small-memory.js';

export interface RunOptions {
  readonly state: string;
  readonly site?: string;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly logLevel?: string;
  readonly allowPlaintext?: boolean;
  /** False: the log goes to stderr alone. */
  readonly logFile?: boolean;
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];
/** Lines that the status looks for. */
const WATCHED: ReadonlySet<string> = new Set(['connected', 'disconnected', 'not connected']);
const ENROL_RETRY_MS = 1000;
const MAX_ENROL_RETRY_MS = 60_000;

/** A stop ends by itself after this, whatever does not settle, unless a device is between erase and proof. */
const LONGEST_STOP_MS = STOP_MS + 15_000;
/** After a second signal sessions may write down where they are, and no more. */
const HURRIED_STOP_MS = 2000;
const LOOK_MS = 1000;

/** @returns the exit status, when a signal ended the daemon or it could not start. */
export async function run(options: RunOptions): Promise<number> {
  const signals = listenForSignals();
  const file = options.logFile === false ? undefined : new RotatingFile({ path: logPath(options.state) });
  const flush = (): void => file?.flushSync();
  process.on('exit', flush);
  try {
    const { log, daemonLog } = await openLog(options, file);
    process.on('uncaughtExceptionMonitor', (error) => log.error({ detail: error.stack ?? error.message }, 'crashed'));
    const site = options.site === undefined ? EMPTY_SITE : await readSiteFile(options.site, [...PROTOCOLS.keys()]);
    const codec =
      site.loaderCodec === undefined
        ? undefined
        : await loadLoaderCodec(site.loaderCodec, dirname(resolvePath(options.site ?? '.')));
    if (codec) log.info({ loaderCodec: codec.id, provenance: codec.provenance }, 'loader codec added');
    let agent: RunningAgent | undefined;
    let askRestart!: (why: string) => void;
    const restart = new Promise<string>((resolve) => (askRestart = resolve));
    let waitsFor: string | null = null;
    const control = await openControlSocket(
      options.state,
      { status: () => agent?.status() ?? bareStatus(daemonLog, waitsFor) },
      log,
    );
    const systemd = new Systemd({ env: process.env, clock: realClock, log });
    try {
      systemd.ready();
      agent = await startUntilEnrolled(
        signals.stopping,
        (error) => (waitsFor = error.message),
        log,
        () =>
          startAgent({
            stateDir: options.state,
            site,
            ...(codec && { protocols: protocolsWith(codec) }),
            serverUrl: options.server,
            token: () => readToken(options.tokenFile),
            log,
            daemonLog,
            allowPlaintext: options.allowPlaintext ?? false,
            working: preferSpeed,
            ...(process.env['DRYDOCK_LAUNCHER'] === '1' && {
              self: { bundle: process.env['DRYDOCK_BUNDLE'], restart: askRestart },
            }),
          }),
      );
      if (!agent) return 0;
      const asked = await Promise.race([signals.stop.then(() => undefined), restart]);
      if (asked !== undefined) log.warn({ why: asked }, 'the agent starts again');
      systemd.stopping(() => (agent?.deployments.atRisk.length ?? 0) > 0);
      const status = await stopWithin(agent, signals.hurry, log);
      return asked === undefined || signals.stopping.aborted ? status : RESTART_STATUS;
    } finally {
      systemd.close();
      await control.close();
      daemonLog.level.stop();
    }
  } catch (error) {
    return tellError(error, false);
  } finally {
    await file?.close();
    process.off('exit', flush);
    signals.close();
  }
}

interface Signals {
  readonly stopping: AbortSignal;
  readonly stop: Promise<void>;
  /** A second signal came. */
  readonly hurry: Promise<void>;
  close(): void;
}

function listenForSignals(): Signals {
  const stopping = new AbortController();
  let heard = 0;
  let begin!: () => void;
  let hurryUp!: () => void;
  const stop = new Promise<void>((resolve) => (begin = resolve));
  const hurry = new Promise<void>((resolve) => (hurryUp = resolve));
  const onSignal = (): void => {
    heard += 1;
    if (heard > 2) process.exit(130);
    if (heard === 2) return hurryUp();
    stopping.abort();
    begin();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    stopping: stopping.signal,
    stop,
    hurry,
    close: () => {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}

/** @returns undefined when a signal came before the gateway was enrolled. */
async function startUntilEnrolled(
  stopping: AbortSignal,
  waits: (error: Error) => void,
  log: Logger,
  start: () => Promise<RunningAgent>,
): Promise<RunningAgent | undefined> {
  const lines = new RepeatedLine();
  for (let pauseMs = ENROL_RETRY_MS; !stopping.aborted; pauseMs = Math.min(pauseMs * 2, MAX_ENROL_RETRY_MS)) {
    try {
      return await start();
    } catch (error) {
      // The server may come up after its gateways; everything else is for a person.
      if (!(error instanceof DrydockError) || error.code !== 'server.unavailable') throw error;
      waits(error);
      lines.say(error.message, (detail, times) => log.warn({ detail, times }, 'not enrolled yet'));
      await sleep(realClock, pauseMs * (0.5 + Math.random() / 2), stopping);
    }
  }
  return undefined;
}

/**
 * The first signal: everything that runs leaves at its next safe point; a device between erase and proof is waited for.
 * The second: at once; what was touched goes on at the next start, and the journal shows where it is. The third: dead.
 */
async function stopWithin(agent: RunningAgent, hurry: Promise<void>, log: Logger): Promise<number> {
  const { atRisk } = agent.deployments;
  log.info(
    { withinMs: LONGEST_STOP_MS, ...(atRisk.length > 0 && { betweenEraseAndProof: atRisk.map(({ key }) => key) }) },
    'stopping at a safe point',
  );
  const ended = new AbortController();
  const stopped = agent.stop().then(() => 'stopped' as const);
  const hurried = hurry.then(() => sleep(realClock, HURRIED_STOP_MS, ended.signal)).then(() => 'hurried' as const);
  const how = await Promise.race([stopped, hurried, lateUnlessAtRisk(agent, ended.signal)]);
  ended.abort();
  if (how === 'stopped') {
    log.info({}, 'stopped');
    return 0;
  }
  const left = agent.deployments.atRisk.map(({ key }) => key);
  log.warn({ how, ...(left.length > 0 && { betweenEraseAndProof: left }) }, 'stopped without waiting for everything');
  return 130;
}

/** Whatever does not settle ends the wait, but for devices that nobody else would bring back. */
async function lateUnlessAtRisk(agent: RunningAgent, ended: AbortSignal): Promise<'late'> {
  await sleep(realClock, LONGEST_STOP_MS, ended);
  while (agent.deployments.atRisk.length > 0 && !ended.aborted) await sleep(realClock, LOOK_MS, ended);
  return 'late';
}

/** The log, its history from before this start, and the level that can be changed. */
async function openLog(
  options: RunOptions,
  file: RotatingFile | undefined,
): Promise<{ log: Logger; daemonLog: DaemonLog }> {
  const level = options.logLevel ?? 'info';
  if (!LOG_LEVELS.includes(level)) {
    throw new DrydockError('settings.invalid', { field: '--log-level', detail: `one of ${LOG_LEVELS.join(', ')}` });
  }
  const history = new LogHistory(WATCHED);
  if (file) await recallHistory(logPath(options.state), history);
  const log = createLogger(level, (line) => {
    file?.write(line);
    history.takeText(line);
  });
  return { log, daemonLog: { history, level: new LogLevelSwitch(log, realClock), lostLines: () => file?.lost ?? 0 } };
}

/** The token comes from a file or the environment: a command line can be read by everybody on the machine. */
async function readToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env['DRYDOCK_ENROL_TOKEN']?.trim();
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new DrydockError('settings.invalid', { field: '--token-file', detail: error.message }, { cause: error });
  });
  return text.trim();
}
