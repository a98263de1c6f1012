/** The command `drydock` as its people start it: a process with a home of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pty from '@lydell/node-pty';

const BIN = fileURLToPath(new URL('../../cli/bin/drydock.mjs', import.meta.url));
/** No command of a story takes longer. */
const END_WITHIN_MS = 120_000;

export interface Told {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The answer of `--json`. */
  readonly json: () => Record<string, unknown>;
  readonly list: () => Record<string, unknown>[];
}

export class Drydock {
  readonly home = mkdtempSync(join(tmpdir(), 'drydock-cli-'));
  readonly #running = new Set<() => void>();

  constructor(readonly more: Readonly<Record<string, string>> = {}) {}

  get env(): Record<string, string> {
    const inherited = Object.entries(process.env).filter(
      ([name, value]) =>
        value !== undefined &&
        !/^(?:DRYDOCK_|NODE_OPTIONS$|XDG_|NO_COLOR$|FORCE_COLOR$|.*_proxy$|.*_PROXY$)/.test(name),
    ) as [string, string][];
    return {
      ...Object.fromEntries(inherited),
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, 'config'),
      TZ: 'UTC',
      ...this.more,
    };
  }

  /** Through pipes, as in a script. @param options.interruptAt Ctrl-C once this is said. */
  run(
    words: readonly string[],
    options: { input?: string; cwd?: string; interruptAt?: RegExp; env?: Record<string, string> } = {},
  ): Promise<Told> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [BIN, ...words], {
        env: { ...this.env, ...options.env },
        cwd: options.cwd ?? this.home,
        stdio: 'pipe',
      });
      const end = () => void child.kill('SIGKILL');
      const timer = setTimeout(end, END_WITHIN_MS);
      this.#running.add(end);
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        if (options.interruptAt?.test(stdout)) child.kill('SIGINT');
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', reject);
      child.once('close', (status) => {
        clearTimeout(timer);
        this.#running.delete(end);
        resolve({
          status,
          stdout,
          stderr,
          json: () => JSON.parse(stdout) as Record<string, unknown>,
          list: () => JSON.parse(stdout) as Record<string, unknown>[],
        });
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
    });
  }

  /** In a pseudo-terminal. @param talk what is typed once a text is on the screen, one after the other. */
  terminal(
    words: readonly string[],
    talk: readonly (readonly [RegExp, string])[] = [],
  ): Promise<{ status: number; screen: string }> {
    return new Promise((resolve) => {
      const child = pty.spawn(process.execPath, [BIN, ...words], {
        cols: 100,
        rows: 30,
        cwd: this.home,
        env: { ...this.env, TERM: 'xterm' },
      });
      const end = () => child.kill('SIGKILL');
      const timer = setTimeout(end, END_WITHIN_MS);
      this.#running.add(end);
      const left = [...talk];
      let screen = '';
      let seen = 0;
      child.onData((text) => {
        screen += text;
        const next = left[0];
        if (!next || !next[0].test(screen.slice(seen))) return;
        left.shift();
        seen = screen.length;
        child.write(next[1]);
      });
      child.onExit(({ exitCode }) => {
        clearTimeout(timer);
        this.#running.delete(end);
        resolve({ status: exitCode, screen });
      });
    });
  }

  close(): void {
    for (const end of this.#running) end();
    rmSync(this.home, { recursive: true, force: true });
  }
}
