/** What a command has in its hands: where it runs, what holds for it, the way out, and the server. */
import { hostname } from 'node:os';
import { connect, type Api } from './api/connect.js';
import { PendingKeys } from './api/pending-keys.js';
import { useProxies } from './api/proxy.js';
import { CliError } from './errors/cli-error.js';
import { EXIT } from './exit-codes.js';
import { Output, type Terminal } from './output/output.js';
import { ConfigStore, configFolder, type Context } from './settings/config.js';
import { requireTls, resolveSettings, tokenOf, type CommonFlags, type Settings } from './settings/settings.js';

/** The world around the process; tests hand in their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly now: () => number;
  readonly host: string;
}

export const ofProcess = (): Surroundings => ({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  now: Date.now,
  host: hostname(),
});

const DEFAULT_TIMEOUT_MS = 30_000;

export class Cli {
  readonly store: ConfigStore;
  readonly settings: Settings;
  readonly out: Output;
  readonly keys: PendingKeys;
  /** Ctrl-C, for commands that wait. */
  readonly interrupted = new AbortController();
  #api: Promise<Api> | undefined;

  constructor(
    readonly around: Surroundings,
    flags: CommonFlags,
    options: { readonly newContext?: boolean } = {},
  ) {
    const { env } = around;
    this.store = new ConfigStore(configFolder(env));
    this.settings = resolveSettings(flags, env, this.store, options.newContext);
    this.keys = new PendingKeys(this.store.folder, around.now);
    this.out = new Output({
      stdout: around.stdout,
      stderr: around.stderr,
      json: this.settings.json,
      quiet: this.settings.quiet,
      debug: this.settings.debug,
      color: this.settings.color,
      timeZone: this.settings.timeZone,
      pager: env['PAGER'] === '' || env['PAGER'] === 'cat' ? undefined : (env['PAGER'] ?? 'less'),
      now: around.now,
    });
  }

  /** @throws CliError where no server is named. */
  requireContext(): Context {
    if (this.settings.context) return this.settings.context;
    throw new CliError('sign-in.needed', EXIT.signIn, 'No server is known here.', {
      fix: 'drydock login --server URL',
    });
  }

  /**
   * The server, as the person who is signed in.
   * @param longMs for requests that take the server a while; --timeout goes before it.
   */
  api(longMs = DEFAULT_TIMEOUT_MS): Promise<Api> {
    if (longMs !== DEFAULT_TIMEOUT_MS) return this.#open(this.settings.timeoutMs ?? longMs);
    this.#api ??= this.#open(this.settings.timeoutMs ?? longMs);
    return this.#api;
  }

  /** For commands that wait: their --timeout is that of the waiting, and not of one request. */
  patientApi(): Promise<Api> {
    return this.#open(DEFAULT_TIMEOUT_MS);
  }

  async #open(timeoutMs: number): Promise<Api> {
    const context = this.requireContext();
    requireTls(context);
    const token = tokenOf(this.settings, this.around.env, this.store);
    await useProxies(this.around.env);
    return connect({ baseUrl: context.server, token, timeoutMs, out: this.out, keys: this.keys });
  }
}
