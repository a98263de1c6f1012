/** `completion SHELL`, and what its scripts ask. */
import { Argument, type Command } from 'commander';
import { Cli } from '../cli.js';
import { candidatesFor } from '../completion/candidates.js';
import { COMPLETION_SCRIPTS } from '../completion/scripts.js';
import { look, type Running } from '../define.js';
import { cleanText } from '../output/clean.js';

/** Nobody waits longer for a completion. */
const NAMES_WITHIN_MS = 1_500;

export function addCompletion(program: Command, running: Running): void {
  look(program, running, 'completion', 'the completion script of a shell', (cli, [shell = '']) => {
    cli.around.stdout.write(COMPLETION_SCRIPTS[shell] ?? '');
    return Promise.resolve();
  }).addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(COMPLETION_SCRIPTS)));

  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const { words: found, also } = candidatesFor(program, words.length === 0 ? [''] : words);
      const lines = found.map(({ word, about }) => `${word}\t${about}`);
      if (also === 'file') lines.push(':file');
      if (also === 'campaign' || also === 'gateway') lines.push(...(await namesOf(running, also, words.at(-1) ?? '')));
      running.around.stdout.write(lines.map((line) => `${line}\n`).join(''));
      running.end(0);
    });
}

/** Whatever goes wrong, a completion is silent. */
async function namesOf(running: Running, what: 'campaign' | 'gateway', typed: string): Promise<string[]> {
  try {
    const api = await new Cli(running.around, { timeout: NAMES_WITHIN_MS, quiet: true }).api();
    const { items } =
      what === 'campaign'
        ? await api.ask(api.client.GET('/api/v1/campaigns', { params: { query: { limit: 200 } } }))
        : await api.ask(api.client.GET('/api/v1/gateways', { params: { query: { limit: 200 } } }));
    return items.filter(({ name }) => name.startsWith(typed)).map(({ name, state }) => `${cleanText(name)}\t${state}`);
  } catch {
    return [];
  }
}
