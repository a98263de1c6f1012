/** `login`, `logout`, `whoami`, `context`. */
import { ApiUnreachableError, makeApiClient } from '@drydock/api-client';
import { CSRF_HEADER } from '@drydock/contracts';
import type { Command } from 'commander';
import { connect } from '../api/connect.js';
import { useProxies } from '../api/proxy.js';
import type { Cli } from '../cli.js';
import { change, countFlag, look, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { ask, canAsk, readStdin } from '../prompt.js';
import { answerPages } from '../output/pages.js';
import { ContextName, type Context } from '../settings/config.js';
import { requireTls, serverUrl } from '../settings/settings.js';

interface LoginFlags {
  readonly server?: string;
  readonly context?: string;
  readonly email?: string;
  readonly tokenStdin?: boolean;
  readonly days: number;
  readonly allowPlaintext?: boolean;
  readonly timeZone?: string;
}

export function addSignIn(program: Command, running: Running): void {
  look<LoginFlags>(program, running, 'login', 'sign in at a server, and remember it', login)
    .option('--email <address>', 'sign in with your password; it is asked for')
    .option('--token-stdin', 'read an API token from stdin instead')
    .option('--days <n>', 'how long the token of this machine lasts', countFlag, 30)
    .option('--time-zone <zone>', 'show times in this zone (IANA name)')
    .option('--allow-plaintext', 'speak HTTP without TLS to another machine');
  change(program, running, 'logout', 'forget the token of this machine, and revoke it where login made it', logout);
  look(program, running, 'whoami', 'who you are at the server, and what you may do', whoami);

  const contexts = program.command('context').description('servers that are known here');
  look(contexts, running, 'ls', 'list them', async (cli) => {
    const { current, contexts: all } = cli.store.config();
    const rows = Object.entries(all).map(([name, context]) => ({
      name,
      server: context.server,
      current: name === current,
    }));
    await answerPages(
      cli,
      [rows],
      [
        { key: 'current', title: '', value: (row) => (row.current ? '*' : ' ') },
        { key: 'name', value: (row) => row.name },
        { key: 'server', value: (row) => row.server },
      ],
    );
  });
  look(contexts, running, 'use <name>', 'make one the current', (cli, [name = '']) => {
    const config = cli.store.config();
    if (!Object.hasOwn(config.contexts, name)) {
      throw new CliError('settings.context', EXIT.notFound, `There is no context ${name}.`, {
        fix: 'drydock context ls',
      });
    }
    cli.store.saveConfig({ ...config, current: name });
    cli.out.answer({ context: name }, () => [`${name} is the current context.`]);
    return Promise.resolve();
  });
}

async function login(cli: Cli, _args: string[], flags: LoginFlags): Promise<void> {
  const { context, name } = await chosenContext(cli, flags);
  requireTls(context);
  await useProxies(cli.around.env);
  const made =
    flags.tokenStdin === true
      ? await givenToken(cli, context, await readStdin(cli))
      : await askedToken(cli, context, flags);
  const config = cli.store.config();
  cli.store.saveCredential(name, { server: context.server, ...made.credential });
  cli.store.saveConfig({ ...config, current: name, contexts: { ...config.contexts, [name]: context } });
  const { person, expiresAt } = made.credential;
  cli.out.answer({ context: name, server: context.server, person, expiresAt: expiresAt ?? null }, () => [
    `Signed in at ${context.server} as ${person}.`,
    ...(expiresAt === undefined
      ? []
      : [`The token of this machine ends ${cli.out.times.at(expiresAt)}; drydock logout revokes it.`]),
  ]);
}

async function chosenContext(cli: Cli, flags: LoginFlags): Promise<{ context: Context; name: string }> {
  const known = cli.settings.context;
  let server = known?.server;
  if (server === undefined && canAsk(cli)) server = serverUrl(await ask(cli, 'Server (https://…): '));
  if (server === undefined) {
    throw new CliError('usage.server', EXIT.usage, 'Which server?', { fix: 'drydock login --server URL' });
  }
  const { current, contexts } = cli.store.config();
  // The context that has this server already, else one that is called after it.
  const same = [current, ...Object.keys(contexts)].find((one) => one !== undefined && contexts[one]?.server === server);
  const name = flags.context ?? same ?? new URL(server).hostname.replace(/[^A-Za-z0-9._-]/g, '');
  if (!ContextName.safeParse(name).success) {
    throw new CliError('usage.context', EXIT.usage, `${name} is no name of a context.`, {
      fix: 'use letters, digits, dots, hyphens: drydock login --context NAME',
    });
  }
  if (flags.timeZone !== undefined) checkZone(flags.timeZone);
  const context = {
    ...known,
    server,
    ...(flags.timeZone !== undefined && { timeZone: flags.timeZone }),
    ...(flags.allowPlaintext === true && { allowPlaintext: true }),
  };
  return { context, name };
}

function checkZone(zone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw new CliError('usage.time-zone', EXIT.usage, `${zone} is no time zone.`, {
      fix: 'write it as Europe/Berlin or UTC',
    });
  }
}

interface Made {
  readonly credential: { token: string; tokenId?: string; person: string; expiresAt?: string };
}

const timeoutOf = (cli: Cli): number => cli.settings.timeoutMs ?? 30_000;

/** A token that somebody made elsewhere: kept as it is, and not revoked by `logout`. */
async function givenToken(cli: Cli, context: Context, token: string): Promise<Made> {
  if (token === '')
    throw new CliError('usage.token', EXIT.usage, 'No token came.', { fix: 'drydock login --token-stdin < FILE' });
  const api = connect({ baseUrl: context.server, token, timeoutMs: timeoutOf(cli), out: cli.out, keys: cli.keys });
  const { person } = await api.ask(api.client.GET('/api/v1/me'));
  return { credential: { token, person: person.name } };
}

async function askedToken(cli: Cli, context: Context, flags: LoginFlags): Promise<Made> {
  if (!canAsk(cli)) {
    throw new CliError('usage.sign-in', EXIT.usage, 'Nobody can be asked for a password here.', {
      fix: 'drydock login --token-stdin < FILE, or set DRYDOCK_TOKEN_FILE',
    });
  }
  const methods = await methodsOf(cli, context);
  const email = flags.email ?? (methods.password ? await ask(cli, 'Email (empty: paste a token instead): ') : '');
  if (email === '') {
    cli.out.say(`A token is made in the dashboard, at ${context.server}/settings/tokens.`);
    return givenToken(cli, context, await ask(cli, 'Token: ', true));
  }
  return passwordToken(cli, context, email, await ask(cli, 'Password: ', true), flags.days);
}

async function methodsOf(cli: Cli, context: Context): Promise<{ password: boolean }> {
  const api = connect({
    baseUrl: context.server,
    token: undefined,
    timeoutMs: timeoutOf(cli),
    out: cli.out,
    keys: cli.keys,
  });
  return api.ask(api.client.GET('/api/v1/session/methods'));
}

/**
 * A session is opened with the password, used once to make a token of this machine, and ended: what is kept on disk can be
 * revoked by itself, ends by itself, and is no password.
 */
async function passwordToken(cli: Cli, context: Context, email: string, password: string, days: number): Promise<Made> {
  const held: { cookie?: string; csrfToken?: string } = {};
  const client = makeApiClient({
    baseUrl: context.server,
    repeatForMs: timeoutOf(cli),
    tryTimeoutMs: timeoutOf(cli),
    changeHeaders: (): Record<string, string> =>
      held.csrfToken === undefined ? {} : { [CSRF_HEADER]: held.csrfToken },
    fetch: (input, init) => {
      if (held.cookie !== undefined) (input as Request).headers.set('cookie', held.cookie);
      return fetch(input, init);
    },
  });
  const { data, response } = await client
    .POST('/api/v1/session', { body: { with: 'password', email, password } })
    .catch((error: unknown) => {
      // A session that nobody holds ends by itself: nothing that lasts can have come of it.
      if (!(error instanceof ApiUnreachableError)) throw error;
      throw new ApiUnreachableError(error.baseUrl, 'unchanged', undefined, error.cause);
    });
  const session = data!;
  held.csrfToken = session.csrfToken;
  held.cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  try {
    const { data: made } = await client.POST('/api/v1/people/{id}/tokens', {
      params: { path: { id: session.person.id } },
      body: { name: `drydock on ${cli.around.host}`.slice(0, 100), expiresInDays: days },
    });
    const { token, id, expiresAt } = made!;
    return {
      credential: { token, tokenId: id, person: session.person.name, ...(expiresAt !== null && { expiresAt }) },
    };
  } finally {
    // It ends by itself, too.
    await client
      .DELETE('/api/v1/session')
      .catch((error: unknown) => cli.out.debug(`the session was not ended: ${String(error)}`));
  }
}

async function logout(cli: Cli, _args: string[], flags: { dryRun?: boolean }): Promise<void> {
  const name = cli.settings.contextName;
  const kept = name === undefined ? undefined : cli.store.credential(name);
  if (name === undefined || kept === undefined) {
    cli.out.answer({ context: name ?? null, revoked: false }, () => ['You are not signed in.']);
    return;
  }
  const revokes = kept.tokenId !== undefined && kept.server === cli.settings.context?.server;
  if (flags.dryRun === true) {
    cli.out.answer({ dryRun: true, context: name, revokes }, () => [
      `Would forget the token for ${kept.server}${revokes ? ', and revoke it' : ''}.`,
    ]);
    return;
  }
  let revoked = false;
  if (revokes) {
    try {
      const api = connect({
        baseUrl: kept.server,
        token: kept.token,
        timeoutMs: timeoutOf(cli),
        out: cli.out,
        keys: cli.keys,
      });
      requireTls({ ...cli.settings.context, server: kept.server });
      await useProxies(cli.around.env);
      await api.ask(api.client.DELETE('/api/v1/tokens/{id}', { params: { path: { id: kept.tokenId! } } }));
      revoked = true;
    } catch (error) {
      // Forgotten here all the same: that is what was asked for.
      cli.out.warn(
        `the token could not be revoked at the server (${(error as Error).message}); it ends ${cli.out.times.at(kept.expiresAt)}.`,
      );
    }
  }
  cli.store.saveCredential(name, undefined);
  cli.out.answer({ context: name, revoked }, () => [
    `Signed out of ${kept.server}.`,
    ...(revoked
      ? ['The token of this machine is revoked.']
      : kept.tokenId === undefined
        ? ['The token was not made by login, so it is still good.']
        : []),
  ]);
}

async function whoami(cli: Cli): Promise<void> {
  const api = await cli.api();
  const me = await api.ask(api.client.GET('/api/v1/me'));
  cli.out.answer({ ...me, server: api.baseUrl, context: cli.settings.contextName ?? null }, () => [
    `${me.person.name}${me.person.email === null ? '' : ` <${me.person.email}>`} at ${api.baseUrl} (${me.org.slug})`,
    `may be: ${me.person.roles.join(', ') || 'nothing'}`,
  ]);
}
