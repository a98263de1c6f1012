/** For specs, e2e and benches: the agent in this process, or as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ScriptedServer } from './testing/scripted-server.js';
import { startAgent, type AgentOptions, type RunningAgent } from './agent.js';
import { scanJournal } from './journal/record-framing.js';
import { JournalRecord } from './journal/records.js';
import { SILENT } from './logger.js';
import { PROTOCOLS } from './protocols.js';
import { EMPTY_SITE, readSiteFile } from './site/site-file.js';

export * from './index.js';
export { Journal } from './journal/journal.js';

/** Every report that the journal in a state folder holds, as an observer reads it: the file as it is now. */
export async function journalledReports(
  stateDir: string,
): Promise<{ readonly epoch: string; readonly seq: number; readonly kind: string }[]> {
  const { records } = scanJournal(await readFile(join(stateDir, 'journal')));
  return records.flatMap(({ payload }) => {
    const record = JournalRecord.parse(JSON.parse(payload.toString('utf8')));
    return record.t === 'report' ? [{ epoch: record.epoch, seq: record.report.seq, kind: record.report.kind }] : [];
  });
}

export interface InProcessOptions extends Partial<Omit<AgentOptions, 'site' | 'token'>> {
  readonly stateDir: string;
  /** Text of a site file (YAML); it is written into the state folder. */
  readonly site?: string;
  readonly token?: string;
}

/** Starts an agent in this process. Its links are real ones, unless `links` is given. */
export async function startAgentInProcess(options: InProcessOptions): Promise<RunningAgent> {
  const { site, token, ...rest } = options;
  return startAgent({
    log: SILENT,
    ...rest,
    site:
      site === undefined
        ? EMPTY_SITE
        : await readSiteFile(await writeSite(options.stateDir, site), [...(rest.protocols ?? PROTOCOLS).keys()]),
    token: () => Promise.resolve(token),
  });
}

export interface SpawnOptions {
  readonly stateDir: string;
  readonly site?: string;
  readonly serverUrl?: string;
  readonly token?: string;
  readonly logLevel?: string;
  /** More flags of Node. */
  readonly nodeOptions?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Path of what is started. Default: the built sources, file by file. */
  readonly main?: string;
}

export interface SpawnedAgent {
  readonly process: ChildProcess;
  /** Ends with the exit status, or the signal that killed it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Log lines so far (JSON objects). */
  readonly log: readonly Record<string, unknown>[];
  /** Resolves with the first log line that has this message, past or future; rejects when the process ends before. */
  logged(message: string): Promise<Record<string, unknown>>;
}

/** Starts the built agent (`dist/main.js`, or a bundle of it) as a process of its own. The caller ends it. */
export async function spawnAgent(options: SpawnOptions): Promise<SpawnedAgent> {
  const main = options.main ?? fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const site = options.site === undefined ? [] : ['--site', await writeSite(options.stateDir, options.site)];
  const child = spawn(
    process.execPath,
    [
      ...(options.nodeOptions ?? []),
      main,
      'run',
      '--state',
      options.stateDir,
      ...site,
      ...(options.serverUrl === undefined ? [] : ['--server', options.serverUrl]),
      '--log-level',
      options.logLevel ?? 'info',
    ],
    {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: {
        ...process.env,
        ...options.env,
        ...(options.token !== undefined && { DRYDOCK_ENROL_TOKEN: options.token }),
      },
    },
  );
  const log: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  let ended = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) log.push(parseLine(line));
    for (const look of [...waiting]) look();
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true;
      resolve(signal ?? code ?? 1);
      for (const look of [...waiting]) look();
    });
  });
  return {
    process: child,
    exited,
    log,
    logged: (message) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = log.find((line) => line['msg'] === message);
          if (!found && !ended) return;
          waiting.delete(look);
          if (found) resolve(found);
          else
            reject(
              new Error(`the agent ended without "${message}": ${log.map((line) => JSON.stringify(line)).join('\n')}`),
            );
        };
        waiting.add(look);
        look();
      }),
  };
}

async function writeSite(dir: string, text: string): Promise<string> {
  const { mkdir } = await import('node:fs/promises');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'site.yaml');
  await writeFile(path, text);
  return path;
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { msg: line };
  }
}

export type { AckScript, ReceivedBatch, ReceivedPresence, ScriptedServer } from './testing/scripted-server.js';

/** A broker and an HTTP server on the loopback that keep the wire contract and obey the test. */
export async function startScriptedServer(): Promise<ScriptedServer> {
  return (await import('./testing/scripted-server.js')).ScriptedServer.start();
}
