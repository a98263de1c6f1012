/** Questions to a person. Asked on stderr, so that an answer on stdout stays clean; never where nobody can answer. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Cli } from './cli.js';
import { CliError } from './errors/cli-error.js';
import { EXIT } from './exit-codes.js';

export const canAsk = (cli: Cli): boolean =>
  cli.settings.mayAsk && cli.around.stdin.isTTY === true && cli.around.stderr.isTTY === true;

/** @param hidden what is typed is not shown. @throws CliError at Ctrl-C and at the end of the input. */
export function ask(cli: Cli, question: string, hidden = false): Promise<string> {
  const { stdin, stderr } = cli.around;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: hidden ? silent : stderr, terminal: stdin.isTTY === true });
  // Only now: what is typed before the terminal is told to be silent would be shown.
  stderr.write(question);
  return new Promise((resolve, reject) => {
    const stop = () => reject(new CliError('interrupted', EXIT.interrupted, 'Nothing was done.'));
    let answered = false;
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      if (hidden || !answered) stderr.write('\n');
      if (!answered) stop();
    });
    lines.once('line', (line) => {
      answered = true;
      lines.close();
      resolve(line.trim());
    });
  });
}

/** Everything that comes on stdin, up to a line's worth of a secret. */
export async function readStdin(cli: Cli, mostChars = 4096): Promise<string> {
  let text = '';
  cli.around.stdin.setEncoding('utf8');
  for await (const chunk of cli.around.stdin) {
    text += String(chunk);
    if (text.length > mostChars) throw new CliError('usage.stdin', EXIT.usage, 'More came on stdin than a token.');
  }
  return text.trim();
}

export interface ChangeFlags {
  readonly dryRun?: boolean;
  readonly reason?: string;
  readonly yes?: boolean;
  readonly confirm?: string;
}

/** What nobody takes back wants the name typed. @throws CliError `usage.confirm` */
export async function requireName(
  cli: Cli,
  flags: ChangeFlags,
  name: string,
  effect: string,
  command: string,
): Promise<void> {
  if (flags.confirm === name) return;
  if (flags.confirm === undefined && canAsk(cli)) {
    cli.around.stderr.write(`${effect}\n`);
    if ((await ask(cli, `Type ${name} to go on: `)) === name) return;
    throw new CliError('usage.confirm', EXIT.usage, 'That is not the name. Nothing was done.');
  }
  throw new CliError('usage.confirm', EXIT.usage, `${effect} This wants the name said.`, {
    fix: `${command} --confirm ${name}`,
  });
}

/** @throws CliError `usage.confirm` */
export async function requireYes(cli: Cli, flags: ChangeFlags, question: string, command: string): Promise<void> {
  if (flags.yes === true) return;
  if (canAsk(cli)) {
    if (/^y(?:es)?$/i.test(await ask(cli, `${question} [y/N] `))) return;
    throw new CliError('usage.confirm', EXIT.usage, 'Nothing was done.');
  }
  throw new CliError('usage.confirm', EXIT.usage, `${question} Nobody can be asked here.`, { fix: `${command} --yes` });
}

/** @throws CliError `usage.reason` where nobody can be asked. */
export async function requireReason(cli: Cli, flags: ChangeFlags, command: string): Promise<string> {
  if (flags.reason !== undefined && flags.reason.trim() !== '') return flags.reason.trim();
  if (canAsk(cli)) {
    const reason = await ask(cli, 'Reason (kept in the audit): ');
    if (reason !== '') return reason;
  }
  throw new CliError('usage.reason', EXIT.usage, 'This wants a reason; it is kept in the audit.', {
    fix: `${command} --reason TEXT`,
  });
}
