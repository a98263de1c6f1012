/** `node dist/main.js`: the whole server in one process. */
import { parseArgs } from 'node:util';
import { startServer, type RunningServer } from './start-server.js';
import { readSettings, SettingsError, settingsPage, type Settings } from './settings/settings.js';

const USAGE = `Usage: drydock-server [--config FILE]

  --config FILE       read NAME=value settings from FILE; the environment wins
  --new-admin-token   make a new token for the person "admin", print it, and end
  --settings          print the table of all settings, and end
  --help              this text
`;

/** A supervisor that waits longer would kill us in the middle. */
const STOP_TIMEOUT_MS = 25_000;

async function main(): Promise<number | undefined> {
  const options = {
    config: { type: 'string' },
    'new-admin-token': { type: 'boolean' },
    settings: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help || values.settings) {
    process.stdout.write(values.help ? USAGE : settingsPage());
    return 0;
  }

  let settings: Settings;
  try {
    settings = readSettings(process.env, values.config);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }

  const said: string[] = [];
  let server: RunningServer;
  try {
    if (values['new-admin-token']) {
      const { newAdminToken } = await import('./new-admin-token.js');
      process.stdout.write(`${await newAdminToken(settings)}\n`);
      return 0;
    }
    server = await startServer(settings, { say: (sentence) => said.push(sentence) });
  } catch (error) {
    process.stderr.write(`Drydock could not start. ${(error as Error).message}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
  process.stdout.write(startBlock(server, settings, said));

  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    server.platform.logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
    void server.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return undefined;
}

/** What a person sees, once, all in one place. */
function startBlock(server: RunningServer, settings: Settings, said: readonly string[]): string {
  const { platform, baseUrl, firstStart } = server;
  const lines = ['', 'Drydock is running.', '', `  Dashboard  ${baseUrl}/`, `  API        ${baseUrl}/api/docs`];
  lines.push(`  Broker     ${server.mqttUrl}`);
  const database = settings.databaseUrl ? 'outside Postgres' : 'embedded Postgres';
  lines.push(`  Data       ${settings.dataDir} (${database})`);
  if (settings.publicUrl) lines.push(`  Public     ${platform.addresses.http}`);
  for (const [key, name, url] of [
    ['httpPort', 'DRYDOCK_HTTP_PORT', baseUrl],
    ['mqttPort', 'DRYDOCK_MQTT_PORT', server.mqttUrl],
  ] as const) {
    const bound = Number(new URL(url).port || 0);
    const outside = key === 'mqttPort' && (settings.mqttUrl ?? settings.publicMqttUrl) !== undefined;
    if (outside || bound === settings[key] || settings[key] === 0) continue;
    lines.push(`  Port ${settings[key]} was taken, so ${bound} is used; set ${name} to choose one.`);
  }
  for (const sentence of said) lines.push(`  ${sentence}`);
  if (firstStart) {
    lines.push(
      '',
      '  First start. The admin token is shown this once and nowhere else:',
      '',
      `    ${firstStart.adminToken}`,
    );
    if (firstStart.rootKeyFile) {
      lines.push(
        '',
        `  The root key lies in ${firstStart.rootKeyFile}.`,
        '  Move that file to a place that is not online: only a change of the order key needs it.',
      );
    }
  }
  return `${lines.join('\n')}\n\n`;
}

const status = await main();
if (status !== undefined) process.exitCode = status;
