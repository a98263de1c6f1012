/** An agent as a process of its own, so that it can be killed like one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const AGENT = fileURLToPath(new URL('../../agent/bin/drydock-agent.mjs', import.meta.url));
/** Kept of what the agent writes, for error messages. */
const KEPT_OUTPUT = 100_000;

export interface AgentProcessOptions {
  readonly stateDir: string;
  readonly siteFile: string;
  readonly serverUrl: string;
  /** Needed for the first start only. */
  readonly enrolToken?: string;
  readonly logLevel?: string;
  /** What is started; the agent as built, where this is left out. */
  readonly script?: string;
  /** Starts it again whenever it ends by itself, as systemd does. */
  readonly supervised?: boolean;
  /** Called when it ends although nobody stopped it. */
  readonly onUnexpectedEnd?: (output: string) => void;
}

export class AgentProcess {
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #output = '';
  #stopping = false;

  constructor(readonly options: AgentProcessOptions) {
    mkdirSync(options.stateDir, { recursive: true });
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote last, both streams. */
  output(): string {
    return this.#output;
  }

  start(): void {
    if (this.running) return;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(?:DRYDOCK_|NODE_OPTIONS$)/.test(name));
    const child = spawn(
      process.execPath,
      [
        this.options.script ?? AGENT,
        'run',
        '--state',
        this.options.stateDir,
        '--site',
        this.options.siteFile,
        '--server',
        this.options.serverUrl,
        '--log-level',
        this.options.logLevel ?? 'warn',
      ],
      {
        env: {
          ...Object.fromEntries(inherited),
          ...(this.options.enrolToken === undefined ? {} : { DRYDOCK_ENROL_TOKEN: this.options.enrolToken }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const take = (chunk: Buffer) => (this.#output = (this.#output + chunk.toString('utf8')).slice(-KEPT_OUTPUT));
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    this.#ended = new Promise((resolve) => child.once('exit', () => resolve()));
    void this.#ended.then(() => {
      if (this.#stopping) return;
      this.options.onUnexpectedEnd?.(this.#output);
      if (this.options.supervised === true) this.start();
    });
    this.#stopping = false;
    this.#child = child;
  }

  /** Sends the signal and waits for the end; after `graceMs` it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 15_000): Promise<void> {
    const child = this.#child;
    if (!child || !this.running) return;
    this.#stopping = true;
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }
}
