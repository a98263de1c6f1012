/** What may come next on a command line, by the tree of commands itself. */
import type { Command, Option } from 'commander';
import { completesOf, type Completes } from '../define.js';

export interface Candidates {
  /** With what each is for, where that is known. */
  readonly words: readonly { readonly word: string; readonly about: string }[];
  /** What else may stand here, beyond the words. */
  readonly also: Completes;
}

const NOTHING: Candidates = { words: [], also: 'none' };

/** @param words behind `drydock`, the last one being typed (it may be empty). */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  const typed = words.at(-1) ?? '';
  let command = program;
  let wantsValue: Option | undefined;
  let depth = 0;
  for (const word of words.slice(0, -1)) {
    if (wantsValue) {
      wantsValue = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = command.options.find((one) => one.short === word || one.long === word);
      if (option && (option.required || option.optional)) wantsValue = option;
      continue;
    }
    const next = command.commands.find((one) => one.name() === word);
    if (next) command = next;
    else depth += 1;
  }
  if (wantsValue) return valuesOf(wantsValue, typed);
  const inline = /^(--[a-z-]+)=(.*)$/s.exec(typed);
  if (inline) {
    const option = command.options.find((one) => one.long === inline[1]);
    if (!option) return NOTHING;
    return {
      words: valuesOf(option, inline[2]!).words.map(({ word, about }) => ({ word: `${inline[1]!}=${word}`, about })),
      also: 'none',
    };
  }
  if (typed.startsWith('-')) {
    return {
      words: [...command.options, ...(command.options.some((one) => one.long === '--help') ? [] : [HELP])]
        .filter((option) => !option.hidden)
        .flatMap((option) =>
          [option.long]
            .filter((name): name is string => name !== undefined && name.startsWith(typed))
            .map((word) => ({ word, about: option.description })),
        ),
      also: 'none',
    };
  }
  const below = command.commands
    .filter((one) => one.name().startsWith(typed) && !isHidden(one))
    .map((one) => ({ word: one.name(), about: one.description() }));
  if (command.commands.length > 0) return { words: below, also: 'none' };
  const [argument] = command.registeredArguments;
  return depth === 0 || argument?.variadic === true ? { words: [], also: completesOf(command) } : NOTHING;
}

const HELP = { long: '--help', description: 'show this', hidden: false } as Option;
const isHidden = (command: Command): boolean => command.name().startsWith('__');

function valuesOf(option: Option, typed: string): Candidates {
  const words = (option.argChoices ?? [])
    .filter((choice) => choice.startsWith(typed))
    .map((word) => ({ word, about: '' }));
  return { words, also: /<(?:file|FILE)>/.test(option.flags) ? 'file' : 'none' };
}
