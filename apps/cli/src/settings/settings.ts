/** What holds for one run: flag, else environment, else the context, else the default. */
import { nearestOf } from '@drydock/contracts';
import { EXIT } from '../exit-codes.js';
import { CliError } from '../errors/cli-error.js';
import { readSecret } from './files.js';
import type { ConfigStore, Context } from './config.js';

/** Flags that every command takes. */
export interface CommonFlags {
  readonly server?: string;
  readonly context?: string;
  readonly json?: boolean;
  readonly input?: boolean;
  readonly color?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly timeout?: number;
}

export interface Settings {
  readonly contextName: string | undefined;
  readonly context: Context | undefined;
  readonly json: boolean;
  /** False: nothing is asked. */
  readonly mayAsk: boolean;
  readonly color: boolean | undefined;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly timeoutMs: number | undefined;
  readonly timeZone: string | undefined;
}

const isYes = (value: string | undefined): boolean =>
  value !== undefined && value !== '' && value !== '0' && value !== 'false';

/**
 * @param mayBeNew a context that is not there yet is about to be made.
 * @throws CliError for a context that is not there, or a value that cannot be.
 */
export function resolveSettings(
  flags: CommonFlags,
  env: Readonly<Record<string, string | undefined>>,
  store: ConfigStore,
  mayBeNew = false,
): Settings {
  const config = store.config();
  const named = flags.context ?? env['DRYDOCK_CONTEXT'] ?? config.current;
  const context = named === undefined ? undefined : config.contexts[named];
  if ((flags.context ?? env['DRYDOCK_CONTEXT']) !== undefined && context === undefined && !mayBeNew) {
    const nearest = nearestOf(named!, Object.keys(config.contexts));
    throw new CliError('settings.context', EXIT.usage, `There is no context ${named!}.`, {
      fix: nearest === undefined ? 'drydock login --server URL --context NAME' : `did you mean ${nearest}?`,
    });
  }
  const server = flags.server ?? env['DRYDOCK_SERVER'];
  const output = env['DRYDOCK_OUTPUT'] ?? context?.output ?? 'table';
  if (output !== 'table' && output !== 'json') {
    throw new CliError('settings.output', EXIT.usage, `DRYDOCK_OUTPUT is ${output}.`, {
      fix: 'set it to table or json',
    });
  }
  return {
    contextName: named,
    context: server === undefined ? context : { ...context, server: serverUrl(server) },
    json: flags.json ?? output === 'json',
    mayAsk: (flags.input ?? true) && !isYes(env['DRYDOCK_NO_INPUT']),
    color: flags.color === false || isYes(env['NO_COLOR']) || env['TERM'] === 'dumb' ? false : undefined,
    quiet: flags.quiet ?? false,
    debug: flags.debug ?? false,
    timeoutMs: flags.timeout,
    timeZone: context?.timeZone,
  };
}

/** @throws CliError `settings.server` */
export function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new CliError('settings.server', EXIT.usage, `${text} is no address of a server.`, {
      fix: 'write it as https://drydock.example.com',
    });
  }
  return url.href.replace(/\/+$/, '');
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** A token does not travel in the clear. @throws CliError `settings.plaintext` */
export function requireTls(context: Context): void {
  const { protocol, hostname } = new URL(context.server);
  if (protocol === 'https:' || LOOPBACK.test(hostname) || context.allowPlaintext === true) return;
  throw new CliError(
    'settings.plaintext',
    EXIT.refused,
    `${context.server} is not encrypted, so no token is sent to it.`,
    {
      fix: 'use https://, or say that you accept it: drydock login --allow-plaintext',
    },
  );
}

/** The token for the server of this run. @throws CliError `sign-in.needed`, `settings.*` */
export function tokenOf(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  store: ConfigStore,
): string {
  const file = env['DRYDOCK_TOKEN_FILE'];
  const given = file !== undefined && file !== '' ? readSecret(file)?.trim() : env['DRYDOCK_TOKEN'];
  if (file !== undefined && file !== '' && (given === undefined || given === '')) {
    throw new CliError('sign-in.needed', EXIT.signIn, `DRYDOCK_TOKEN_FILE names ${file}, and there is no token in it.`);
  }
  if (given !== undefined && given !== '') return given;
  const kept = settings.contextName === undefined ? undefined : store.credential(settings.contextName);
  // A token is never shown to another server than the one that made it.
  if (kept !== undefined && kept.server === settings.context?.server) return kept.token;
  throw new CliError('sign-in.needed', EXIT.signIn, 'You are not signed in.', {
    fix: `drydock login${settings.context ? '' : ' --server URL'}`,
  });
}
