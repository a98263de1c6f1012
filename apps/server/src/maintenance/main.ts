/** `node dist/maintenance/main.js COMMAND`: what the person who runs the machine does beside the server. */
import { parseArgs } from 'node:util';
import { readSettings, SettingsError } from '../settings/settings.js';
import { makeBackup } from './backup.js';
import { restoreBackup } from './restore.js';
import { rotateOrderKey } from './rotate-order-key.js';

const USAGE = `Usage: drydock-maintenance COMMAND [--config FILE]

  backup --to DIR [--without-order-key]    a backup into an empty folder, beside a running server or without one
  restore --from DIR                       a backup into an empty database; start the server afterwards
  rotate-order-key --root-key FILE [--overlap-hours N]
                                           a new order key, signed by the root; restart the servers within the overlap

Settings come from the environment or from --config, as those of the server do.
`;

const DEFAULT_OVERLAP_HOURS = 72;

async function main(): Promise<number> {
  const options = {
    config: { type: 'string' },
    to: { type: 'string' },
    from: { type: 'string' },
    'without-order-key': { type: 'boolean' },
    'root-key': { type: 'string' },
    'overlap-hours': { type: 'string' },
    help: { type: 'boolean' },
  } as const;
  let parsed;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return misused((error as Error).message);
  }
  const { values, positionals } = parsed;
  const [command] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals.length !== 1) return misused('Name one command.');
  try {
    const settings = readSettings(process.env, values.config);
    if (command === 'backup') {
      if (values.to === undefined) return misused('backup needs --to DIR.');
      const made = await makeBackup(settings, { folder: values.to, withOrderKey: !values['without-order-key'] });
      const rows = made.tables.reduce((sum, table) => sum + table.rows, 0);
      say(`Backup of ${made.madeAt} in ${values.to}: ${rows} rows, ${made.blobs.length} artifacts.`);
      for (const sha256 of made.missingBlobs) say(`Missing or damaged in the store, so not in the backup: ${sha256}`);
      say(
        made.keys.orderKey
          ? 'The order key is in it: who has this folder can give orders to your gateways. Keep it like a key.'
          : 'The order key is not in it: keep order.key.json, or the root key, elsewhere.',
      );
      say(`The root key is not in it (${made.keys.rootFingerprint}): it is kept apart.`);
      return 0;
    }
    if (command === 'restore') {
      if (values.from === undefined) return misused('restore needs --from DIR.');
      const restored = await restoreBackup(settings, values.from);
      say(
        `The backup of ${restored.madeAt} is restored. Start the server: it pauses every campaign, raises the reign,`,
      );
      say('and takes from the gateways what happened since. Resume the campaigns when you have looked.');
      return 0;
    }
    if (command === 'rotate-order-key') {
      if (values['root-key'] === undefined) return misused('rotate-order-key needs --root-key FILE.');
      const overlapHours = Number(values['overlap-hours'] ?? DEFAULT_OVERLAP_HOURS);
      const done = await rotateOrderKey(settings, { rootKeyFile: values['root-key'], overlapHours });
      say(`New order key ${done.kid}; root statement ${done.version} names it.`);
      say(
        done.retiresAt === null
          ? 'The key before it is no longer good. Restart the servers now.'
          : `The key before it is good until ${done.retiresAt}. Restart every server before that.`,
      );
      return 0;
    }
    return misused(`There is no command ${String(command)}.`);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}

function misused(sentence: string): number {
  process.stderr.write(`${sentence}\n\n${USAGE}`);
  return 2;
}

process.exitCode = await main();
