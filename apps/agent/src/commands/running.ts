/** Commands about the daemon of this machine: `status`, `logs`, `doctor`. */
import type { Command } from 'commander';

export function addRunning(program: Command, done: (status: number) => void): void {
  program
    .command('status')
    .description('what the agent does now and what happened lately; status 0 when it runs and is connected')
    .requiredOption('--state <dir>', 'folder of the agent')
    .option('--json', 'print JSON')
    .action(async (options) => done(await (await import('./status.js')).status(options)));

  program
    .command('logs')
    .description('the log of the agent on this machine')
    .requiredOption('--state <dir>', 'folder of the agent')
    .option('--level <level>', 'debug, info, warn or error: this and worse')
    .option('--device <text>', 'lines about a device: part of its id, name or link')
    .option('--attempt <ref>', 'lines about an attempt, or all of a deployment')
    .option('--lines <n>', 'how many of the newest lines', '100')
    .option('--follow', 'then go on with what is said from now on, until Ctrl-C')
    .option('--json', 'print the lines as they are: JSON')
    .action(async (options) => done(await (await import('./logs.js')).logs(options)));

  program
    .command('doctor')
    .description('what is wrong here, and the command that mends it; status 1 when something failed')
    .requiredOption('--state <dir>', 'folder of the agent')
    .option('--site <file>', 'site file')
    .option('--server <url>', 'address of the server, where the gateway is not enrolled')
    .option('--allow-plaintext', 'as the agent is run')
    .option('--json', 'print JSON')
    .action(async (options) => done(await (await import('./doctor.js')).doctor(options)));
}
