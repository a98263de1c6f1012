/** The server as a process of its own; its words reach the terminal, its address and first token reach us. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../apps/server/dist/main.js', import.meta.url));
const START_WITHIN_MS = 120_000;

/** Names of our own commands, which the server would refuse as unknown settings. */
const NOT_SETTINGS = /^DRYDOCK_(?:KEEP_INSTALLATION|TEST_COUNTS|LANE|SEED|SOAK)/;

const environment = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_SETTINGS.test(name))),
  ...settings,
});

export interface ServerProcess {
  readonly baseUrl: string;
  /** Only of the start that made the installation. */
  readonly adminToken: string | undefined;
  /** Settles when the server ends, whoever ended it. */
  readonly ended: Promise<number>;
  stop(): Promise<void>;
}

/** @throws Error when the server does not start; it has said why on the terminal. */
export async function startServerProcess(settings: Readonly<Record<string, string>>): Promise<ServerProcess> {
  // A process group of its own: Ctrl-C reaches us, and we end agents before the server.
  const child = spawn(process.execPath, [MAIN], {
    env: environment(settings),
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  const baseUrl = await shownAddress(child, ended);
  return {
    ...baseUrl,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function shownAddress(
  child: ChildProcess,
  ended: Promise<number>,
): Promise<{ baseUrl: string; adminToken: string | undefined }> {
  let text = '';
  const shown = new Promise<void>((resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      if (text.length < 100_000) text += chunk.toString('utf8');
      if (/^ {2}Data .*\n(?:.*\n)*\n$/m.test(text.slice(text.indexOf('Drydock is running.')))) resolve();
    });
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), START_WITHIN_MS);
  await Promise.race([shown, ended]);
  clearTimeout(timer);
  const baseUrl = /^ {2}API +(\S+)\/api\/docs$/m.exec(text)?.[1];
  if (baseUrl === undefined) throw new Error('The server did not start.');
  return { baseUrl, adminToken: /^ {4}(dd_\S+)$/m.exec(text)?.[1] };
}

/** For an installation that is there already: a new token, made by whoever runs the machine. */
export async function newAdminToken(settings: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, [MAIN, '--new-admin-token'], {
    env: environment(settings),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
  const token = /^(dd_\S+)$/m.exec(text)?.[1];
  if (code !== 0 || token === undefined) throw new Error('No admin token could be made.');
  return token;
}
