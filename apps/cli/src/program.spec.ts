import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { candidatesFor } from './completion/candidates.js';
import { COMPLETION_SCRIPTS } from './completion/scripts.js';
import { EXIT_SENTENCES } from './exit-codes.js';
import { makeProgram } from './program.js';
import { Home, Kept } from './testing.fixture.js';

const MANUAL = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.remove());

const program = (): Command =>
  makeProgram({
    around: { env: {}, stdin: process.stdin, stdout: new Kept(), stderr: new Kept(), now: () => 0, host: 'desk' },
    begin: () => undefined,
    end: () => undefined,
  });

/** Every command that does something, by its words. */
function commandsOf(command: Command, words: readonly string[] = []): { words: string; command: Command }[] {
  const below = command.commands.filter((one) => !one.name().startsWith('__'));
  if (below.length === 0) return [{ words: words.join(' '), command }];
  return below.flatMap((one) => commandsOf(one, [...words, one.name()]));
}

describe('the manual', () => {
  it('names every command and every exit code', () => {
    for (const { words } of commandsOf(program())) expect(MANUAL).toContain(`\`${words}\``);
    for (const [code, sentence] of EXIT_SENTENCES) {
      const words = sentence
        .replace('watch --exit-status', '`watch --exit-status`')
        .replace('--timeout', '`--timeout`');
      expect(MANUAL).toMatch(new RegExp(`\\| ${code} +\\| ${words.replace(/[`.*+?^${}()|[\]\\]/g, '\\$&')} +\\|`));
    }
  });
});

describe('every command', () => {
  it('takes the common flags, and no secret', () => {
    for (const { words, command } of commandsOf(program())) {
      const flags = command.options.map((option) => option.long);
      expect([words, flags]).toEqual([
        words,
        expect.arrayContaining([
          '--json',
          '--context',
          '--server',
          '--timeout',
          '--no-input',
          '--no-color',
          '--quiet',
          '--debug',
        ]),
      ]);
      expect(flags.filter((flag) => /^--(?:token|password|secret)$/.test(flag ?? ''))).toEqual([]);
    }
  });

  it('shows its help on stdout, with what is its own first', async () => {
    const told = await home.run(['campaign', 'watch', '--help']);
    expect([told.status, told.stderr]).toEqual([0, '']);
    expect(told.stdout.indexOf('--until')).toBeLessThan(told.stdout.indexOf('Everywhere:'));
    expect((await home.run(['campaign', 'watch', 'x', '-h'])).stdout).toBe(told.stdout);
    expect((await home.run(['help', 'campaign', 'watch'])).stdout).toBe(told.stdout);
    expect((await home.run(['campaign'])).stdout).toContain('Commands:');
    expect((await home.run(['help', 'filters'])).stdout).toContain('=range=');
  });

  it('that is not understood names the nearest, and ends with 2', async () => {
    const cases: [string[], string, string][] = [
      [['campaing', 'ls'], 'usage.unknown-command', 'did you mean campaign?'],
      [['campaign', 'strat', 'x'], 'usage.unknown-command', 'did you mean start?'],
      [['campaign', 'ls', '--jsn'], 'usage.unknown-option', 'did you mean --json?'],
      [['campaign', 'pause'], 'usage.missing-argument', 'see  drydock help'],
      [['campaign', 'ls', '--state', 'lost'], 'usage.invalid-argument', 'see  drydock help'],
      [['campaign', 'ls', '--limit', '-1'], 'usage.invalid-argument', 'see  drydock help'],
      [['campaign', 'watch', 'x', '--timeout', '5'], 'usage.invalid-argument', 'see  drydock help'],
      [['campaign', 'plan'], 'usage.missing-mandatory-option-value', 'see  drydock help'],
      [['help', 'nothing'], 'usage.unknown-topic', 'see  drydock help'],
    ];
    for (const [words, code, fix] of cases) {
      const told = await home.run([...words, '--json']);
      expect([told.status, told.stdout, JSON.parse(told.stderr)]).toEqual([
        2,
        '',
        { schema: 'drydock.cli/v1', error: expect.objectContaining({ code, fix, exit: 2 }) },
      ]);
    }
  });

  it('without a server says how to get one', async () => {
    const told = await home.run(['campaign', 'ls']);
    expect([told.status, told.stderr]).toEqual([
      4,
      'Error: No server is known here.\nFix:   drydock login --server URL\nCode:  sign-in.needed   Exit: 4\n',
    ]);
  });
});

describe('completion', () => {
  const offered = (...words: string[]): string[] => candidatesFor(program(), words).words.map(({ word }) => word);

  it('offers what the tree of commands has', () => {
    expect(offered('camp')).toEqual(['campaign']);
    expect(offered('campaign', 'pau')).toEqual(['pause']);
    expect(offered('campaign', 'watch', 'x', '--exit')).toEqual(['--exit-status']);
    expect(offered('campaign', 'ls', '--state', 'ha')).toEqual(['halted']);
    expect(offered('campaign', 'ls', '--state=pau')).toEqual(['--state=paused']);
    expect(offered('campaign', 'ls', '--json', '--he')).toEqual(['--help']);
    expect(offered('')).not.toContain('__complete');
    expect(candidatesFor(program(), ['campaign', 'apply', '-f', '']).also).toBe('file');
    expect(candidatesFor(program(), ['artifact', 'push', 'a', '']).also).toBe('file');
    expect(candidatesFor(program(), ['campaign', 'pause', '']).also).toBe('campaign');
    expect(candidatesFor(program(), ['campaign', 'pause', 'x', '']).also).toBe('none');
  });

  it('is asked for by scripts of four shells', async () => {
    for (const shell of Object.keys(COMPLETION_SCRIPTS)) {
      const told = await home.run(['completion', shell]);
      expect([told.status, told.stdout]).toEqual([0, expect.stringContaining('drydock __complete')]);
    }
    expect((await home.run(['completion', 'tcsh'])).status).toBe(2);
    expect((await home.run(['__complete', '--', 'campaign', 'pau'])).stdout).toBe(
      'pause\tstart nothing more; says how many may still start, and until when\n',
    );
  });

  it('works in bash', () => {
    const script = `drydock() { printf 'pause\\tstart nothing more\\nplan\\twhat a file would do\\n'; }
${COMPLETION_SCRIPTS['bash'] ?? ''}
COMP_WORDS=(drydock campaign p); COMP_CWORD=2; _drydock; printf '%s,' "\${COMPREPLY[@]}"`;
    const ran = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, 'pause,plan,', '']);
  });
});

describe('artifact inspect', () => {
  it('needs no server, and says what is wrong with a file', async () => {
    const told = await home.run(['artifact', 'inspect', new URL('../package.json', import.meta.url).pathname]);
    expect([told.status, told.stdout, told.stderr]).toEqual([
      3,
      '',
      expect.stringContaining('artifact.unknown-format'),
    ]);
    const none = await home.run(['artifact', 'inspect', '/nowhere.zip']);
    expect([none.status, none.stderr]).toEqual([3, expect.stringContaining('file.unreadable')]);
  });
});

describe('a campaign file', () => {
  it('is judged before any server is asked', async () => {
    const path = new URL('./testing.fixture.ts', import.meta.url).pathname;
    const told = await home.run(['campaign', 'apply', '-f', path, '--json']);
    const { error } = JSON.parse(told.stderr) as { error: { code: string; problems: { line: number }[] } };
    expect([told.status, error.code, error.problems.length > 0]).toEqual([3, 'file.invalid', true]);
    const schema = await home.run(['campaign', 'schema', '--json']);
    expect(JSON.parse(schema.stdout)).toMatchObject({ title: 'Drydock campaign' });
  });
});
