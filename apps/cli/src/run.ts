/** One run of the command line, from its words to its exit status. */
import { CommanderError, type Command } from 'commander';
import { type Cli, type Surroundings } from './cli.js';
import { explain } from './errors/explain.js';
import { CliError } from './errors/cli-error.js';
import { EXIT, type ExitStatus } from './exit-codes.js';
import { Output } from './output/output.js';
import { helpFor, makeProgram } from './program.js';

/** What the process does with a run. */
export interface Run {
  /** Settles when everything is said. */
  readonly ended: Promise<ExitStatus>;
  /** Ctrl-C. */
  interrupt(): void;
  /** The process ends before the run does. */
  leave(): void;
}

/** @param words behind `drydock`. */
export function run(words: readonly string[], around: Surroundings): Run {
  let cli: Cli | undefined;
  let status: ExitStatus = EXIT.done;
  let isInterrupted = false;
  const program = makeProgram({
    around,
    begin: (begun) => {
      cli = begun;
      if (isInterrupted) cli.interrupted.abort();
    },
    end: (given) => (status = given),
  });
  const ended = (async (): Promise<ExitStatus> => {
    try {
      await runWords(program, words, around);
      return status;
    } catch (error) {
      const told = isInterrupted && !(error instanceof CliError) ? interruptedError() : explain(error);
      (cli?.out ?? plainOutput(words, around)).error(told);
      return told.exit;
    } finally {
      cli?.keys.keepOpen();
    }
  })();
  return {
    ended,
    interrupt: () => {
      isInterrupted = true;
      cli?.interrupted.abort();
    },
    leave: () => {
      if (cli?.keys.keepOpen() !== true) return;
      const what = 'Interrupted before the server answered: whether this was done is not known.';
      const fix = 'repeat the same command: what was done already is not done twice';
      cli.out.error(new CliError('interrupted', EXIT.interrupted, what, { fix }));
    },
  };
}

const interruptedError = (): CliError => new CliError('interrupted', EXIT.interrupted, 'Interrupted.');

async function runWords(program: Command, words: readonly string[], around: Surroundings): Promise<void> {
  const help = helpWanted(program, words);
  if (help !== undefined) {
    around.stdout.write(helpFor(program, help));
    return;
  }
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    throw error;
  }
}

/** @returns the words that help is wanted for: `help X`, `--help`, a group without a verb. */
function helpWanted(program: Command, words: readonly string[]): readonly string[] | undefined {
  if (words.length === 0) return [];
  if (words[0] === 'help') return words.slice(1).filter((word) => !word.startsWith('-'));
  if (words[0] === '__complete') return undefined;
  const path: string[] = [];
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (!next) break;
    command = next;
    path.push(word);
  }
  const before = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  if (before.includes('--help') || before.includes('-h')) return path;
  return command.commands.length > 0 && path.length === words.length ? path : undefined;
}

/** For errors before any command began. */
function plainOutput(words: readonly string[], around: Surroundings): Output {
  return new Output({
    stdout: around.stdout,
    stderr: around.stderr,
    json: words.includes('--json') || around.env['DRYDOCK_OUTPUT'] === 'json',
    quiet: false,
    debug: words.includes('--debug'),
    color: words.includes('--no-color') || (around.env['NO_COLOR'] ?? '') !== '' ? false : undefined,
    timeZone: undefined,
    pager: undefined,
    now: around.now,
  });
}
