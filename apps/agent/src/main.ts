/** The command line of the agent. What a command needs is loaded when it is used. */
import { Command, CommanderError } from 'commander';
import { addBonds } from './commands/bonds.js';
import { addKeys } from './commands/keys.js';
import { addPack } from './commands/pack.js';
import { addRunning } from './commands/running.js';
import { addSmp } from './commands/smp.js';
import { preferSmallMemory, releaseAfter } from './commands/small-memory.js';
import { AGENT_VERSION } from './version.js';

/** After this the daemon is connected, or waits. */
const REST_MS = 3000;

function program(done: (status: number) => void): Command {
  const command = new Command('drydock-agent')
    .description('Updates the firmware of devices behind this gateway')
    .version(AGENT_VERSION)
    .exitOverride();

  command
    .command('run')
    .description('run as a daemon, under orders of a server')
    .requiredOption('--state <dir>', 'folder for key, journal and artifacts')
    .option('--site <file>', 'site file (YAML): devices, links, models, release keys')
    .option('--server <url>', 'address of the server, to enrol')
    .option('--token-file <file>', 'file with the enrolment token; or DRYDOCK_ENROL_TOKEN in the environment')
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'info')
    .option('--no-log-file', 'log to stderr alone; then nothing of it is found by `logs` or after a restart')
    .option('--allow-plaintext', 'speak HTTP and MQTT without TLS to other machines')
    .action(async (options) => {
      preferSmallMemory();
      releaseAfter(REST_MS);
      done(await (await import('./commands/run.js')).run(options));
    });

  addRunning(command, done);

  command
    .command('self-test', { hidden: true })
    .description('load what the daemon needs, and say the version: asked of a new version before it is on trial')
    .action(async () => {
      await Promise.all([import('./commands/run.js'), import('serialport'), import('./links/ble/index.js')]);
      process.stdout.write(`${AGENT_VERSION}\n`);
      done(0);
    });

  command
    .command('inspect <file>')
    .description('tell what a firmware file is')
    .option('--key <pem>', 'public key that must have signed every image of the file')
    .option('--json', 'print JSON')
    .action(async (file, options) => done(await (await import('./commands/inspect.js')).inspect(file, options)));

  command
    .command('scan')
    .description('look for Bluetooth devices')
    .option('--adapter <name>', 'hci0, h4:serial:PATH,BAUD, h4:tcp:HOST:PORT or h4:unix:PATH')
    .option('--seconds <n>', 'how long', '10')
    .option('--identify', 'then connect to each known device: what it runs, what lies in its slots')
    .option('--state <dir>', 'folder of the agent, with the bonds of this gateway')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options) => done(await (await import('./commands/scan.js')).scan(options)));

  command
    .command('identify')
    .description('ask a device who it is and what it runs; changes nothing')
    .requiredOption('--link <link>', 'serial:PATH?baud=N, ble:AA:BB:CC:DD:EE:FF?type=random or udp:HOST:PORT')
    .option('--protocol <name>', 'protocol to speak')
    .option('--state <dir>', 'folder of the agent, with the bonds of this gateway')
    .option('--adapter <name>', 'Bluetooth adapter')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options) => done(await (await import('./commands/by-hand.js')).identify(options)));

  command
    .command('update')
    .description('update one device and prove it; status 0 proven, 1 failed, 2 refused, 3 unproven')
    .requiredOption('--file <file>', 'firmware file')
    .option('--init <file>', 'init packet (.dat) that belongs to a bare .hex or .bin; or: none')
    .requiredOption('--link <link>', 'serial:PATH?baud=N, ble:AA:BB:CC:DD:EE:FF?type=random or udp:HOST:PORT')
    .option('--protocol <name>', 'protocol to speak')
    .option('--state <dir>', 'folder of the agent, with the bonds of this gateway')
    .option('--expect-version <version>', 'what the application calls itself when this file runs')
    .option('--allow-downgrade', 'take a file that is older than what runs')
    .option('--key <pem>', 'public key that must have signed the file')
    .option('--loader-codec <module>', 'path or package with the loader codec (BC127)')
    .option('--adapter <name>', 'Bluetooth adapter')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options) => done(await (await import('./commands/by-hand.js')).update(options)));

  command
    .command('raw-port')
    .description("give a BC127 in DFU mode to the vendor's tool, over one connection of this machine, for a while")
    .requiredOption('--link <link>', 'serial:PATH?variant=standard')
    .requiredOption('--listen <address>', '127.0.0.1:PORT')
    .option('--minutes <n>', 'how long at most, up to 60', '20')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options) => done(await (await import('./commands/raw-port.js')).rawPort(options)));

  addBonds(command);
  addPack(command);
  addKeys(command);
  addSmp(command);

  for (const each of command.commands.flatMap((one) => [one, ...one.commands])) each.exitOverride();
  return command;
}

try {
  let status = 0;
  await program((result) => (status = result)).parseAsync(process.argv);
  // `pack` and `keys` say theirs by the process's own.
  if (status !== 0) process.exitCode = status;
  process.exit();
} catch (error) {
  // Usage errors were told by commander; help and version are no errors.
  if (!(error instanceof CommanderError)) throw error;
  process.exit(error.exitCode === 0 ? 0 : 2);
}
