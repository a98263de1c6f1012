/** How commands are written down: every one takes the common flags and gets a {@link Cli}. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '@drydock/contracts/campaign-file';
import { Cli, type Surroundings } from './cli.js';
import type { ExitStatus } from './exit-codes.js';
import type { Column } from './output/table.js';
import type { CommonFlags } from './settings/settings.js';

/** What a program hands to its commands. */
export interface Running {
  readonly around: Surroundings;
  /** Told before the command runs: errors are shown by its rules, Ctrl-C reaches it. */
  readonly begin: (cli: Cli) => void;
  readonly end: (status: ExitStatus) => void;
}

export type Run<Options> = (cli: Cli, args: string[], options: Options, command: Command) => Promise<ExitStatus | void>;

/** What completion may ask the server for. */
export type Completes = 'campaign' | 'file' | 'gateway' | 'none';
const completes = new WeakMap<Command, Completes>();
export const completesOf = (command: Command): Completes => completes.get(command) ?? 'none';

export const EVERYWHERE = 'Everywhere:';
const CHANGES = 'Changes:';
const LISTS = 'Lists:';

export function timeFlag(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Write a length of time: 30s, 5m, 2h.');
  return ms;
}

function limitFlag(text: string): number {
  if (text === 'all') return Infinity;
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('Write a number, or all.');
  return Number(text);
}

export function countFlag(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}

export const listFlag = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

function common(command: Command): Command {
  const options = [
    new Option('--json', 'answer for scripts (drydock.cli/v1)'),
    new Option('--context <name>', 'another server than the current one'),
    new Option('--server <url>', 'its address, for this once'),
    new Option('--timeout <time>', 'how long to try').argParser(timeFlag),
    new Option('--no-input', 'ask nothing'),
    new Option('--no-color', 'no colour'),
    new Option('-q, --quiet', 'answers and errors only'),
    new Option('--debug', 'say what is sent'),
  ];
  for (const option of options) command.addOption(option.helpGroup(EVERYWHERE));
  return command;
}

/** A command that only looks. */
export function look<Options extends object = object>(
  parent: Command,
  running: Running,
  usage: string,
  summary: string,
  run: Run<Options>,
  completing: Completes = 'none',
): Command {
  const command = common(parent.command(usage).description(summary))
    .helpOption('-h, --help', 'show this')
    .allowExcessArguments(false);
  completes.set(command, completing);
  command.action(async (...given: unknown[]) => {
    const options = command.opts<Options & CommonFlags>();
    const args = given
      .slice(0, -2)
      .flat()
      .filter((arg): arg is string => typeof arg === 'string');
    const cli = new Cli(running.around, options, { newContext: command.name() === 'login' });
    running.begin(cli);
    const status = await run(cli, args, options, command);
    await cli.out.finish();
    running.end(status ?? 0);
  });
  return command;
}

/** A command that changes something. */
export function change<Options extends object = object>(
  parent: Command,
  running: Running,
  usage: string,
  summary: string,
  run: Run<Options>,
  completing: Completes = 'none',
): Command {
  return look(parent, running, usage, summary, run, completing)
    .addOption(new Option('--dry-run', 'say what would be done, and do nothing').helpGroup(CHANGES))
    .addOption(new Option('--reason <text>', 'kept in the audit').helpGroup(CHANGES))
    .addOption(new Option('--yes', 'do not ask').helpGroup(CHANGES))
    .addOption(new Option('--confirm <name>', 'say the name instead of being asked for it').helpGroup(CHANGES));
}

export interface ListFlags {
  readonly limit: number;
  readonly columns?: string;
  readonly where?: string;
}

/** Flags of lists. @param where what the filter is over, where there is one. */
export function listed(command: Command, where?: string, limit = 100): Command {
  if (where !== undefined) command.addOption(new Option('--where <filter>', where).helpGroup(LISTS));
  return command
    .addOption(new Option('--columns <a,b>', 'which, and in which order').helpGroup(LISTS))
    .addOption(new Option('--limit <n>', 'rows, or all').argParser(limitFlag).default(limit).helpGroup(LISTS));
}

/** A list, page by page, at most so many rows; says so where there are more. */
export async function answerList<T extends object>(
  cli: Cli,
  flags: ListFlags,
  columns: readonly Column<T>[],
  fetchPage: (query: {
    limit: number;
    after?: string;
  }) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
  pageSize = 200,
): Promise<void> {
  let more = false;
  async function* pages(): AsyncGenerator<readonly T[]> {
    let left = flags.limit;
    let after: string | undefined;
    do {
      const page = await fetchPage({ limit: Math.min(left, pageSize), ...(after !== undefined && { after }) });
      yield page.items;
      left -= page.items.length;
      after = page.next;
    } while (after !== undefined && left > 0);
    more = after !== undefined;
  }
  const count = await cli.out.list(pages(), columns, flags.columns);
  if (more) cli.out.say(`The first ${count}; there are more: --limit all`);
}
