import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CliError } from '../errors/cli-error.js';
import { Kept } from '../testing.fixture.js';
import { cleanDeep } from './clean.js';
import { bytes, lengthOfTime, percent, shareOf, Times } from './format.js';
import { Output } from './output.js';
import { chooseColumns, type Column } from './table.js';

const NOW = Date.parse('2026-11-26T13:26:10Z');
function outputOf(options: { json?: boolean; isTTY?: boolean; quiet?: boolean; color?: boolean } = {}) {
  const [stdout, stderr] = [new Kept(options.isTTY), new Kept(options.isTTY)];
  const out = new Output({
    stdout,
    stderr,
    json: options.json ?? false,
    quiet: options.quiet ?? false,
    debug: false,
    color: options.color,
    timeZone: 'UTC',
    pager: undefined,
    now: () => NOW,
  });
  return { out, stdout, stderr };
}

interface Row {
  readonly name: string;
  readonly n: number | null;
}
const COLUMNS: readonly Column<Row>[] = [
  { key: 'name', value: (row) => row.name },
  { key: 'count', value: (row) => row.n, right: true },
  { key: 'double', value: (row) => (row.n ?? 0) * 2, hidden: true },
];
async function* pages(...given: Row[][]): AsyncGenerator<readonly Row[]> {
  for (const page of given) yield await Promise.resolve(page);
}

describe('a list', () => {
  it('is a table with its heading, without lines, colour or blanks at the end', async () => {
    const { out, stdout } = outputOf();
    await out.list(
      pages(
        [
          { name: 'oslo', n: 5 },
          { name: 'berlin-west', n: null },
        ],
        [{ name: '東京', n: 1234 }],
      ),
      COLUMNS,
      undefined,
    );
    expect(stdout.text.split('\n')).toEqual([
      'NAME         COUNT',
      'oslo             5',
      'berlin-west      –',
      '東京          1234',
      '',
    ]);
  });

  it('without hits is its heading, or an empty array', async () => {
    const people = outputOf();
    await people.out.list(pages([]), COLUMNS, 'double,name');
    expect(people.stdout.text).toBe('DOUBLE  NAME\n');
    const scripts = outputOf({ json: true });
    await scripts.out.list(pages([]), COLUMNS, undefined);
    expect(JSON.parse(scripts.stdout.text)).toEqual([]);
  });

  it('is an array of versioned objects for scripts, over all pages', async () => {
    const { out, stdout } = outputOf({ json: true });
    await out.list(pages([{ name: 'a', n: 1 }], [{ name: 'b', n: 2 }]), COLUMNS, undefined);
    expect(JSON.parse(stdout.text)).toEqual([
      { schema: 'drydock.cli/v1', name: 'a', n: 1 },
      { schema: 'drydock.cli/v1', name: 'b', n: 2 },
    ]);
  });

  it('names the nearest column', () => {
    expect(() => chooseColumns(COLUMNS, 'name,cuont')).toThrow(
      expect.objectContaining({ exit: 2, more: { fix: 'did you mean count?' } }),
    );
  });

  it('lets nobody steer the terminal', async () => {
    const { out, stdout } = outputOf();
    await out.list(pages([{ name: 'a\u001b[2Jb\u202ec\nd', n: 1 }]), COLUMNS, undefined);
    expect(stdout.text).not.toMatch(/[\u001b\u202e]/);
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(JSON.stringify(cleanDeep({ value })) ?? '').not.toMatch(
          /\\u00(?:[01][0-9a-f])|[\u007f-\u009f\u202a-\u202e]/,
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('an error', () => {
  const error = new CliError('approval.missing', 5, 'An urgent campaign needs two.', {
    fix: 'drydock campaign approve x',
    requestId: '7f3a',
  });

  it('says what, fix, code, request and exit on stderr', () => {
    const { out, stdout, stderr } = outputOf();
    out.error(error);
    expect(stderr.text).toBe(
      'Error: An urgent campaign needs two.\nFix:   drydock campaign approve x\nCode:  approval.missing   Request: 7f3a   Exit: 5\n',
    );
    expect(stdout.text).toBe('');
  });

  it('is one object for scripts', () => {
    const { out, stderr } = outputOf({ json: true });
    out.error(error);
    expect(JSON.parse(stderr.text)).toEqual({
      schema: 'drydock.cli/v1',
      error: {
        code: 'approval.missing',
        message: 'An urgent campaign needs two.',
        fix: 'drydock campaign approve x',
        requestId: '7f3a',
        exit: 5,
      },
    });
  });

  it('is red in a terminal alone, and not where colour is unwanted', () => {
    const seen = outputOf({ isTTY: true });
    seen.out.error(error);
    expect(seen.stderr.text).toContain('\u001b[31mError:\u001b[0m');
    const plain = outputOf({ isTTY: true, color: false });
    plain.out.error(error);
    expect(plain.stderr.text).not.toContain('\u001b');
  });
});

describe('talk', () => {
  it('is left out for scripts, and where quiet is wanted', () => {
    for (const options of [{ json: true }, { quiet: true }]) {
      const { out, stderr } = outputOf(options);
      out.say('The server is busy.');
      expect(stderr.text).toBe('');
    }
  });
});

describe('numbers', () => {
  it('are never rounded into certainty', () => {
    expect([0, 0.0004, 0.011, 0.5, 0.9996, 1].map(percent)).toEqual([
      '0 %',
      '< 0.1 %',
      '1.1 %',
      '50.0 %',
      '> 99.9 %',
      '100 %',
    ]);
    expect([shareOf(3, 16), shareOf(20, 1795), shareOf(0, 0)]).toEqual(['3 of 16', '1.1 %', '–']);
    expect([bytes(950), bytes(486_000), bytes(2_100_000_000)]).toEqual(['950 B', '486 kB', '2.1 GB']);
  });

  it('say times in two units, the clock for today, a date else', () => {
    expect([0, 45_000, 364_000, 9_000_000, 183_600_000].map(lengthOfTime)).toEqual([
      '0 s',
      '45 s',
      '6 min',
      '2 h 30 min',
      '2 d 3 h',
    ]);
    const times = new Times(() => NOW, 'UTC');
    expect(times.at('2026-11-26T14:32:10Z')).toBe('14:32:10');
    expect(times.at('2026-11-28T14:32:10Z')).toBe('28 Nov 14:32');
    expect(times.at('2024-01-02T00:00:00Z')).toBe('2024-01-02');
    expect([times.at(null), times.at('never')]).toEqual(['–', '–']);
    // P2: an end is never told earlier than it is.
    const ends = (moment: string) => times.end(Date.parse(moment));
    expect([ends('2026-11-26T14:32:10.001Z'), ends('2026-11-26T14:32:10Z')]).toEqual(['14:32:11', '14:32:10']);
    expect([ends('2026-11-28T14:32:10Z'), ends('2026-11-26T23:59:59.500Z')]).toEqual(['28 Nov 14:33', '27 Nov 00:00']);
    expect(times.since('2026-11-26T13:26:07Z')).toBe('3 s ago');
  });
});
