/**
 * The simulated target alone, against the reactions that TI's sources show: a plain host writes bytes and reads what comes.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `oad.c`; TI low-power F3 SDK, `oad_profile.c`; BLE-Stack 1.x `oad_target.c`.
 */
import { describe, expect, it } from '@jest/globals';
import type { Input, Session } from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { fileFor, runs, shaOf, unit, what, type Story } from './conversation.fixture.js';
import { TiOadUuid } from './gatt.js';
import type { TiOadOptions, TiOadVariant } from './options.js';

const CHANNELS = {
  identify: TiOadUuid.identify,
  block: TiOadUuid.block,
  control: TiOadUuid.control,
  count: TiOadUuid.count,
  status: TiOadUuid.status,
  reset: TiOadUuid.reset,
} as const;
type Name = keyof typeof CHANNELS;
type Step = readonly [Name, string] | number;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const u32 = (value: number): string => hex(Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, 0));

/** Writes step by step, waits for silence after each (a number: that long), and says what came: `control 0500`. */
function converse(
  story: Story,
  plan: readonly Step[],
  subscribe: readonly Name[] = ['identify', 'control'],
): string[][] {
  function* session(): Session<string[][]> {
    for (const name of subscribe) yield { kind: 'subscribe', channel: CHANNELS[name], withinMs: 1000 };
    const heard: string[][] = [];
    for (const step of plan) {
      if (typeof step === 'number') yield { kind: 'sleep', withinMs: step };
      else {
        const [name, bytes] = step;
        const acknowledged = name !== 'control';
        const sent: Input = yield {
          kind: 'send',
          channel: CHANNELS[name],
          bytes: Uint8Array.from(Buffer.from(bytes, 'hex')),
          acknowledged,
          withinMs: 1000,
        };
        heard.push(sent.kind === 'failed' ? [`att ${String(sent.params?.['result'])}`] : []);
      }
      for (;;) {
        const channels = Object.values(CHANNELS);
        const input: Input = yield { kind: 'await', channels, withinMs: 2_500 };
        if (input.kind === 'closed') heard.at(-1)?.push('link lost');
        if (input.kind !== 'frame') break;
        const name = (Object.keys(CHANNELS) as Name[]).find((each) => CHANNELS[each] === input.channel);
        heard.at(-1)?.push(`${name} ${hex(input.bytes)}`);
      }
    }
    return heard;
  }
  return runInVirtualTime(session(), story.device, {
    scheduler: story.scheduler,
    model: { ble: { mtu: 247, supervisionTimeoutMs: 1000 } },
  }).outcome;
}

const E1_FILE = fileFor('e1-off-chip', 2, { sizeBytes: 400 });
const E2_FILE = fileFor('e2-on-chip', 2, { sizeBytes: 400 });
const identifyOf = (file: Uint8Array): string =>
  hex(
    Buffer.concat([
      file.subarray(0, 8),
      file.subarray(12, 14),
      file.subarray(16, 20),
      file.subarray(24, 28),
      file.subarray(32, 36),
    ]),
  );
const e2IdentifyOf = (file: Uint8Array): string =>
  hex(file.subarray(0, 12)) + u32(file.length) + hex(file.subarray(16, 18));
const blockOf = (file: Uint8Array, number: number, data: number): string =>
  u32(number) + hex(file.subarray(number * data, (number + 1) * data));

const E1 = (options: Partial<TiOadOptions> = {}): Story => unit('e1-off-chip', options);
const E2 = (options: Partial<TiOadOptions> = {}): Story => unit('e2-on-chip', { image: undefined, ...options });
const begin: readonly Step[] = [
  ['control', '01'],
  ['identify', identifyOf(E1_FILE)],
];
const e2Begin: readonly Step[] = [
  ['control', '01'],
  ['identify', e2IdentifyOf(E2_FILE)],
];
/** 456 bytes at 240 a block. */
const e1Blocks: readonly Step[] = [0, 1].map((number) => ['block', blockOf(E1_FILE, number, 240)]);
const e2Blocks: readonly Step[] = [0, 1, 2].map((number) => ['block', blockOf(E2_FILE, number, 236)]);

describe('enhanced, TI header: what each state answers', () => {
  it('the happy path, byte by byte', () => {
    const story = E1();
    const heard = converse(story, [...begin, ['control', '03'], ...e1Blocks, ['control', '04']]);
    expect(heard).toEqual([
      ['control 01f400'],
      ['identify 00'],
      ['control 120000000000'],
      ['control 120001000000'],
      ['control 120e00000000'],
      ['control 0400', 'link lost'],
    ]);
    story.scheduler.advance(10_000);
    expect(runs(story)).toBe(shaOf(E1_FILE));
    expect(what(story)).toEqual(['booted', 'touched', 'erased', 'written', 'activated', 'booted']);
  });

  it.each<[string, readonly Step[], string[]]>([
    ['idle: block', [['block', blockOf(E1_FILE, 0, 240)]], ['control 120500000000']],
    ['idle: start', [['control', '03']], ['control 0305']],
    ['idle: enable', [['control', '04']], ['control 0406']],
    ['idle: cancel', [['control', '05']], ['control 0505']],
    ['idle: unknown', [['control', '77']], ['control ff']],
    ['idle: image count', [['control', '0201']], ['control 0205']],
    ['idle: profile version', [['control', '09']], ['control 0901']],
    ['idle: device type', [['control', '10']], ['control 100b0415ff']],
    ['idle: version', [['control', '07']], ['control 0730303031']],
    ['idle: the image that runs', [['control', '1101']], ['control 1101fffe0300']],
    ['config: image count', [...begin, ['control', '0201']], ['control 0200']],
    ['config: identify', [...begin, ['identify', identifyOf(E1_FILE)]], ['control 120500000000']],
    ['config: block', [...begin, ['block', blockOf(E1_FILE, 0, 240)]], ['control 120500000000']],
    ['config: cancel, whose answer never comes', [...begin, ['control', '05']], []],
    ['download: identify, silently', [...begin, ['control', '03'], ['identify', identifyOf(E1_FILE)]], []],
    ['download: start', [...begin, ['control', '03'], ['control', '03']], ['control 0305']],
    ['download: enable', [...begin, ['control', '03'], ['control', '04']], ['control 0406']],
    [
      'download: another block',
      [...begin, ['control', '03'], ['block', blockOf(E1_FILE, 1, 240)]],
      ['control 120300000000'],
    ],
    [
      'download: a short block',
      [...begin, ['control', '03'], ['block', blockOf(E1_FILE, 0, 236)]],
      ['control 120300000000'],
    ],
    ['download: a block twice', [...begin, ['control', '03'], e1Blocks[0]!, e1Blocks[0]!], ['control 120300000000']],
    ['complete: block, silently', [...begin, ['control', '03'], ...e1Blocks, e1Blocks[1]!], []],
    ['complete: long enable', [...begin, ['control', '03'], ...e1Blocks, ['control', '040701feff']], ['control 0409']],
    [
      'complete: enable of a strange length does nothing',
      [...begin, ['control', '03'], ...e1Blocks, ['control', '0407']],
      ['control 0400'],
    ],
    [
      'complete, but 10 s later',
      [...begin, ['control', '03'], ...e1Blocks, 10_000, ['control', '04']],
      ['control 0406'],
    ],
    [
      'download, 10 s without a block',
      [...begin, ['control', '03'], e1Blocks[0]!, 10_000, e1Blocks[1]!],
      ['control 120500000000'],
    ],
    [
      'questions do not keep it awake',
      [
        ...begin,
        ['control', '03'],
        e1Blocks[0]!,
        ['control', '07'],
        ['control', '07'],
        ['control', '07'],
        ['control', '07'],
        e1Blocks[1]!,
      ],
      ['control 120500000000'],
    ],
  ])('%s', (_, plan, last) => {
    expect(converse(E1(), plan).at(-1)).toEqual(last);
  });

  it('the third refused identify ends the link', () => {
    const foreign = ['identify', '00'.repeat(22)] as const;
    expect(converse(E1(), [foreign, foreign, foreign])).toEqual([
      ['identify 09'],
      ['identify 09'],
      ['identify 10', 'link lost'],
    ]);
  });

  it('says nothing where its configuration is off', () => {
    expect(converse(E1(), [...begin, ['control', '03']], ['control'])).toEqual([
      ['control 01f400'],
      [],
      ['control 0305'],
    ]);
    expect(converse(E1(), [['control', '07']], ['identify'])).toEqual([[]]);
  });

  it('switched-off block requests stay off until a reboot', () => {
    const story = E1();
    expect(converse(story, [['control', '06'], ...begin, ['control', '03'], ...e1Blocks])).toEqual([
      ['control 0600'],
      ['control 01f400'],
      ['identify 00'],
      [],
      [],
      [],
    ]);
    expect(converse(story, [...begin, ['control', '03']]).at(-1)).toEqual([]);
    story.device.powerCut(100);
    story.scheduler.advance(1_000);
    expect(converse(story, [...begin, ['control', '03']]).at(-1)).toEqual(['control 120000000000']);
  });

  it('an image whose checksum is wrong ends in 01', () => {
    const bad = E1_FILE.map((byte, at) => (at === 300 ? byte ^ 1 : byte));
    const blocks: readonly Step[] = [0, 1].map((number) => ['block', blockOf(bad, number, 240)]);
    expect(converse(E1(), [...begin, ['control', '03'], ...blocks]).at(-1)).toEqual(['control 120102000000']);
  });
});

describe('enhanced, MCUboot: what each state answers', () => {
  it('the happy path, byte by byte', () => {
    const story = E2();
    const heard = converse(story, [...e2Begin, ['control', '03'], ...e2Blocks, ['control', '04']]);
    expect(heard).toEqual([
      ['control 01f000'],
      ['identify 00'],
      ['control 120000000000'],
      ['control 120001000000'],
      ['control 120002000000'],
      ['control 120e03000000'],
      ['control 0400', 'link lost'],
    ]);
    story.scheduler.advance(10_000);
    expect(runs(story)).toBe(shaOf(E2_FILE));
  });

  it.each<[string, readonly Step[], string[]]>([
    ['idle: block', [['block', blockOf(E2_FILE, 0, 236)]], ['control 0105']],
    ['idle: start', [['control', '03']], ['control 0305']],
    ['idle: enable', [['control', '04']], ['control 0405']],
    ['idle: cancel', [['control', '05']], ['control 0505']],
    ['idle: status', [['control', '08']], ['control 0805']],
    ['idle: device type', [['control', '10']], ['control 10ff']],
    ['idle: bonds', [['control', '13']], ['control 0600']],
    ['idle: version', [['control', '07']], ['control 07090000000000']],
    ['config: identify', [...e2Begin, ['identify', e2IdentifyOf(E2_FILE)]], ['control 0004']],
    ['config: block', [...e2Begin, e2Blocks[0]!], ['control 0104']],
    ['config: status', [...e2Begin, ['control', '08']], ['control 0804']],
    ['config: cancel', [...e2Begin, ['control', '05']], ['control 0500']],
    ['download: start', [...e2Begin, ['control', '03'], ['control', '03']], ['control 0304']],
    ['download: enable', [...e2Begin, ['control', '03'], ['control', '04']], ['control 0404']],
    ['download: another block', [...e2Begin, ['control', '03'], e2Blocks[1]!], ['control 120300000000']],
    ['complete: block', [...e2Begin, ['control', '03'], ...e2Blocks, e2Blocks[0]!], ['control 0104']],
    [
      'complete, but 10 s later',
      [...e2Begin, ['control', '03'], ...e2Blocks, 10_000, ['control', '04']],
      ['control 0405'],
    ],
    ['another magic', [['identify', `3db8f397${e2IdentifyOf(E2_FILE).slice(8)}`]], ['identify 0a']],
  ])('%s', (_, plan, last) => {
    expect(converse(E2(), plan).at(-1)).toEqual(last);
  });

  it('keeps its state over a lost link, and tells another connection off', () => {
    for (const freshHandles of [false, true]) {
      const story = E2({ freshHandles });
      converse(story, e2Begin);
      const again = converse(story, [['identify', e2IdentifyOf(E2_FILE)]]);
      expect(again).toEqual([freshHandles ? ['control 0504', 'control 0004'] : ['control 0004']]);
      expect(converse(story, [['control', '05'], ...e2Begin]).at(-1)).toEqual(['identify 00']);
    }
  });

  it('a user application leaves for the persistent one without its header', () => {
    const story = unit('e2-on-chip');
    expect(converse(story, [['reset', '00']], [])).toEqual([[]]);
    expect(converse(story, [['reset', '01']], [])).toEqual([['link lost']]);
    story.scheduler.advance(2_000);
    expect(story.device.ble.advertisement()?.name).toBe('OAD Persistent App');
    expect(runs(story)).toBeUndefined();
  });
});

describe('classic', () => {
  const file = fileFor('c1', 2, { sizeBytes: 256 });
  const write = (number: number): Step => [
    'block',
    `${hex(Uint8Array.of(number, 0))}${hex(file.subarray(number * 16, number * 16 + 16))}`,
  ];
  const all = Array.from({ length: 16 }, (_, number) => write(number));
  const on: readonly Name[] = ['identify', 'block'];

  it('on-chip: requests, silence at a wrong checksum, a restart at a right one', () => {
    const story = unit('c1');
    const heard = converse(story, [['identify', hex(file.subarray(4, 12))], ...all], on);
    expect(heard[0]).toEqual(['block 0000']);
    expect(heard[1]).toEqual(['block 0100']);
    expect(heard.at(-1)).toEqual(['link lost']);
    story.scheduler.advance(2_000);
    expect(runs(story)).toBe(shaOf(file));
    const bad: readonly Step[] = [...all.slice(0, 15), ['block', `0f00${'00'.repeat(16)}`]];
    expect(converse(unit('c1'), [['identify', hex(file.subarray(4, 12))], ...bad], on).at(-1)).toEqual([]);
  });

  it('on-chip: another block is asked for again, block 0 out of place is refused', () => {
    const plan: readonly Step[] = [['identify', hex(file.subarray(4, 12))], write(0), write(5), write(0)];
    expect(converse(unit('c1'), plan, on).slice(2)).toEqual([['block 0100'], ['att 3']]);
  });

  it('on-chip: an image for the area that runs is answered with the header that runs', () => {
    const same = fileFor('c1', 3, { sizeBytes: 256 });
    const own = hex(fileFor('c1', 1).subarray(4, 12));
    expect(converse(unit('c1'), [['identify', hex(same.subarray(4, 12))]], on)).toEqual([[`identify ${own}`]]);
    expect(
      converse(
        unit('c1'),
        [
          ['identify', '00'],
          ['identify', '01'],
        ],
        on,
      ),
    ).toEqual([[`identify ${own}`], []]);
  });

  it('off-chip: count, status and abort', () => {
    const image = fileFor('c2', 2, { sizeBytes: 256 });
    const piece = (number: number): Step => [
      'block',
      `${hex(Uint8Array.of(number, 0))}${hex(image.subarray(number * 16, number * 16 + 16))}`,
    ];
    const names: readonly Name[] = ['identify', 'block', 'status'];
    const heard = converse(
      unit('c2'),
      [['count', '00'], ['count', '01'], ['identify', hex(image.subarray(0, 16))], piece(0), piece(5), piece(1)],
      names,
    );
    expect(heard).toEqual([['att 128'], [], ['block 0000'], ['block 0100'], ['status 03'], []]);
    const pieces = Array.from({ length: 16 }, (_, number) => piece(number));
    const story = unit('c2');
    expect(converse(story, [['identify', hex(image.subarray(0, 16))], ...pieces], names).at(-1)).toEqual([
      'status 00',
      'link lost',
    ]);
    story.scheduler.advance(5_000);
    expect(runs(story)).toBe(shaOf(image));
  });
});

describe('what every unit does', () => {
  const variants: readonly TiOadVariant[] = ['e1-off-chip', 'e1-on-chip', 'e2-off-chip', 'e2-on-chip', 'c1', 'c2'];
  it.each(variants)('%s survives any bytes on any characteristic', (variant) => {
    const story = unit(variant, variant.endsWith('on-chip') ? { image: undefined } : {});
    const noise = Array.from({ length: 60 }, (_, i): Step => {
      const name = (['identify', 'block', 'control'] as const)[i % 3]!;
      return [name, hex(Uint8Array.from({ length: (i * 7) % 20 }, (__, at) => (i * 31 + at * 17) & 255))];
    });
    converse(story, noise);
    expect(what(story)).not.toContain('activated');
  });
});
