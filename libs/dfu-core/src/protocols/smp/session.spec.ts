/** The link is played by hand: each row is an effect that is expected and the input that answers it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex } from '../../bytes/hex.js';
import { DrydockError } from '../../errors.js';
import { encodeConsolePacket } from '../../framing/smp-console.js';
import { describeMcubootImage, makeMcubootImage } from '../../image/mcuboot/index.js';
import type { UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { Effect, Input, LinkInfo, Session } from '../../session/session.js';
import { addressOf, decodeMessage, encodeMessage, encodeRequest } from './codec.js';
import type { Op, Request } from './messages.js';
import { createSmp } from './session.js';

const smp = createSmp({ firstSequence: () => 0 });
const UDP: LinkInfo = {
  kind: 'udp',
  maxWriteBytes: 1472,
  channels: ['udp'],
  identity: { kind: 'udp-endpoint', value: '192.0.2.7:1337' },
};
const SERIAL: LinkInfo = {
  kind: 'serial',
  maxWriteBytes: 4096,
  channels: ['serial'],
  identity: { kind: 'port-path', value: '/dev/ttyS1' },
};

const FILE = makeMcubootImage({
  body: Uint8Array.from({ length: 900 }, (_, i) => i),
  version: { major: 2, minor: 0, revision: 0, build: 0 },
});
const ARTIFACT = describeMcubootImage(FILE);
const HASH = fromHex(ARTIFACT.images[0]?.runningHash ?? '');
const SHA = fromHex(ARTIFACT.sha256);
const OLD_HASH = new Uint8Array(32).fill(7);
const REQUEST: UpdateRequest = {
  artifact: ARTIFACT,
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: false,
  returnWithinMs: 5000,
};

type Row = readonly [string, Partial<Effect> | Request, Input | Record<string, unknown>];
type Fields = Record<string, unknown>;

const DONE: Input = { kind: 'done' };
const entry = (slot: number, hash: Uint8Array, flags: readonly string[]): Map<string, unknown> =>
  new Map<string, unknown>([
    ['slot', slot],
    ['hash', hash],
    ['version', slot === 0 ? '1.0.0' : '2.0.0'],
    ...flags.map((flag) => [flag, true] as const),
  ]);
const OLD_RUNS = entry(0, OLD_HASH, ['active', 'confirmed', 'bootable']);
const listOf = (...images: Map<string, unknown>[]): Fields => ({ images, splitStatus: 0 });

/** What a session asks, spelled `send`, and what it is told, spelled by its fields. */
function play<T>(session: Session<T>, link: LinkInfo, rows: readonly Row[]): IteratorResult<Effect, T> {
  let sequence = 0;
  let step = session.next();
  let touched = false;
  for (const [name, expected, input] of rows) {
    // The first answer after `touched` is told to the driver, whatever it answers.
    if (touched && !step.done && step.value.kind === 'answered') {
      touched = false;
      step = session.next(DONE);
    }
    if (step.done) throw new Error(`the session ended before: ${name}`);
    touched ||= 'step' in expected && expected.step === 'touched';
    if (name === 'ask') {
      const request = expected as Request;
      const message = encodeRequest(request, 1, sequence);
      const bytes = link.kind === 'serial' ? encodeConsolePacket(message) : message;
      expect(step.value).toMatchObject({ kind: 'send', channel: link.channels[0], bytes });
      step = session.next(DONE);
      if (!step.done) expect(step.value.kind).toBe('await');
      step = session.next(answerTo(request, sequence++, input as Fields, link));
    } else if (name === 'send') {
      expect(step.value).toMatchObject({ kind: 'send', bytes: encodeRequest(expected as Request, 1, sequence++) });
      step = session.next(input as Input);
    } else if (name === 'told') {
      expect(step.value.kind).toBe('await');
      const [request, number] = [expected as Request, (input as { seq: number }).seq];
      step = session.next(answerTo(request, number, input as Fields, link));
    } else {
      expect(step.value).toMatchObject(expected);
      step = session.next(input as Input);
    }
  }
  return touched && !step.done && step.value.kind === 'answered' ? session.next(DONE) : step;
}

function answerTo(request: Request, sequence: number, fields: Fields, link: LinkInfo): Input {
  const { op, group, command } = addressOf(request.kind);
  const header = { op: (op + 1) as Op, version: 1, group, sequence, command };
  const body = new Map(Object.entries(fields).filter(([key]) => key !== 'seq'));
  const message = encodeMessage({ header, body });
  const bytes = link.kind === 'serial' ? encodeConsolePacket(message) : message;
  return { kind: 'frame', channel: link.channels[0] ?? '', bytes };
}

const LOOK = (images: Fields, params: Fields = { buf_size: 400, buf_count: 4 }, mode = 3): Row[] => [
  ['ask', { kind: 'params' }, params],
  ['ask', { kind: 'list' }, images],
  ['ask', { kind: 'bootloader-info' }, { bootloader: 'MCUboot' }],
  ['ask', { kind: 'bootloader-info', query: 'mode' }, { mode }],
  ['ask', { kind: 'os-info', format: 'i' }, { output: 'board' }],
  ['ask', { kind: 'slot-info' }, { rc: 8 }],
];
const UPLOAD_FIRST: Request = { kind: 'upload-first', data: FILE.subarray(0, 333), totalBytes: FILE.length, sha: SHA };
const next = (from: number, to: number): Request => ({
  kind: 'upload-next',
  data: FILE.subarray(from, to),
  offset: from,
});
const PREPARED: Row[] = [
  ['effect', { kind: 'read', offset: 0, length: FILE.length, source: 'image:0' }, { kind: 'data', bytes: FILE }],
  ['effect', { kind: 'mark', step: 'touched' }, DONE],
];
const WAITING = entry(1, HASH, ['bootable']);
const PENDING = entry(1, HASH, ['bootable', 'pending']);
const ACTIVATED: Row[] = [
  ['ask', { kind: 'list' }, listOf(OLD_RUNS, WAITING)],
  ['effect', { kind: 'mark', step: 'complete' }, DONE],
  ['effect', { kind: 'mark', step: 'activating' }, DONE],
  ['ask', { kind: 'set-state', hash: HASH, confirm: false }, listOf(OLD_RUNS, PENDING)],
  ['ask', { kind: 'reset' }, {}],
  ['effect', { kind: 'reconnect', as: { afterMs: 500 }, withinMs: 5000 }, { kind: 'opened', link: UDP }],
];
const SWAPPED = listOf(entry(0, HASH, ['active', 'bootable']), entry(1, OLD_HASH, ['confirmed', 'bootable']));
const KEPT = listOf(entry(0, HASH, ['active', 'bootable', 'confirmed']), entry(1, OLD_HASH, ['bootable']));

describe('a target in mid-upload', () => {
  const begun: Row[] = [...LOOK(listOf(OLD_RUNS)), ...PREPARED, ['ask', UPLOAD_FIRST, { off: 333 }]];

  it.each<[string, Input]>([
    ['answers to nothing that was asked', answerTo({ kind: 'params' }, 250, {}, UDP)],
    ['pieces that are no messages', { kind: 'frame', channel: 'udp', bytes: Uint8Array.of(1, 2) }],
  ])('that sends %s without end is given up', (_, frame) => {
    const session = smp.update(UDP, REQUEST);
    let step = play(session, UDP, begun);
    for (let turn = 0; !step.done && turn < 50_000; turn++) {
      const effect: Effect = step.value;
      if (effect.kind === 'read') {
        const bytes = FILE.slice(effect.offset, effect.offset + effect.length);
        step = session.next({ kind: 'data', bytes });
      } else step = session.next(effect.kind === 'await' ? frame : DONE);
    }
    expect(step).toMatchObject({ done: true, value: { outcome: 'failed', code: 'link.timeout' } });
  });

  it('that takes every byte and does not show the image in its slot has not got it', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS)),
      ...PREPARED,
      ['ask', UPLOAD_FIRST, { off: FILE.length }],
      ['effect', { kind: 'progress' }, DONE],
      ['ask', { kind: 'list' }, listOf(OLD_RUNS)],
    ]);
    expect(end).toMatchObject({ done: true, value: { outcome: 'failed', code: 'target.digest-mismatch' } });
  });

  it('that wants a byte behind the end is not believed', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...begun,
      ['effect', { kind: 'progress' }, DONE],
      ['send', next(333, 709), DONE],
      ['send', next(709, FILE.length), DONE],
      ['told', next(333, 709), { seq: 7, off: FILE.length + 1 }],
    ]);
    expect(end).toMatchObject({ done: true, value: { outcome: 'failed', code: 'target.malformed-answer' } });
  });
});

describe('the conversation, effect by effect', () => {
  it('identify asks six things and changes none', () => {
    const end = play(smp.identify(SERIAL, {}), SERIAL, [
      ['effect', { kind: 'send', bytes: Uint8Array.of(0x0a) }, DONE],
      ...LOOK(listOf(OLD_RUNS)),
    ]);
    expect(end).toMatchObject({ done: true, value: { mode: 'application', model: 'board' } });
  });

  it('update: two requests under way, marks before what they announce, proof at the end', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS)),
      ...PREPARED,
      ['ask', UPLOAD_FIRST, { off: 333 }],
      ['effect', { kind: 'progress', sentBytes: 333, totalBytes: FILE.length }, DONE],
      ['send', next(333, 709), DONE],
      ['send', next(709, FILE.length), DONE],
      ['told', next(333, 709), { off: 709, seq: 7 }],
      ['effect', { kind: 'progress', sentBytes: 709 }, DONE],
      ['told', next(709, FILE.length), { off: FILE.length, seq: 8 }],
      ['effect', { kind: 'progress', sentBytes: FILE.length }, DONE],
      ...ACTIVATED,
      ['ask', { kind: 'list' }, SWAPPED],
      ...LOOK(SWAPPED),
      ['ask', { kind: 'set-state', hash: HASH, confirm: true }, KEPT],
      ['ask', { kind: 'list' }, KEPT],
    ]);
    expect(end).toMatchObject({
      done: true,
      value: {
        outcome: 'proven',
        sentBytes: FILE.length,
        needsRescue: false,
        after: { running: [{ confirmed: true }] },
      },
    });
  });

  it('the answer leads: resume far ahead, then back to what was lost', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS)),
      ...PREPARED,
      ['ask', UPLOAD_FIRST, { off: 400 }],
      ['effect', { kind: 'progress', sentBytes: 400 }, DONE],
      ['send', next(400, 776), DONE],
      ['send', next(776, FILE.length), DONE],
      // The first of the two was lost: the second is told where to go back to, and no time is waited out.
      ['told', next(776, FILE.length), { off: 400, seq: 8 }],
      ['ask', next(400, 776), { off: 776 }],
      ['send', next(776, FILE.length), DONE],
    ]);
    expect(end).toMatchObject({ done: false, value: { kind: 'progress', sentBytes: 776 } });
  });

  it('offset 0 after the last chunk: the list tells that it is complete', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS)),
      ...PREPARED,
      ['ask', UPLOAD_FIRST, { off: 709 }],
      ['effect', { kind: 'progress' }, DONE],
      ['send', next(709, FILE.length), DONE],
      ['effect', { kind: 'await' }, { kind: 'timeout' }],
      ['ask', next(709, FILE.length), { off: 0 }],
      ['ask', { kind: 'list' }, listOf(OLD_RUNS, WAITING)],
      ...ACTIVATED,
    ]);
    expect(end).toMatchObject({ done: false, value: { kind: 'send' } });
  });

  it('has one request less under way than the target has buffers', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS), { buf_size: 200, buf_count: 3 }),
      ...PREPARED,
      ['ask', { kind: 'upload-first', data: FILE.subarray(0, 134), totalBytes: FILE.length, sha: SHA }, { off: 134 }],
      ['effect', { kind: 'progress' }, DONE],
      ['send', next(134, 312), DONE],
      ['send', next(312, 489), DONE],
    ]);
    expect(end).toMatchObject({ done: false, value: { kind: 'await' } });
  });

  it('stored bytes that do not match are sent again from the start', () => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS)),
      ...PREPARED,
      ['ask', UPLOAD_FIRST, { off: 709 }],
      ['effect', { kind: 'progress' }, DONE],
      ['ask', next(709, FILE.length), { off: FILE.length, match: false }],
      ['ask', UPLOAD_FIRST, { off: FILE.length, match: false }],
      ['ask', UPLOAD_FIRST, { off: FILE.length, match: false }],
    ]);
    expect(end).toMatchObject({ done: true, value: { outcome: 'failed', code: 'target.digest-mismatch' } });
  });

  it.each<[string, Fields, Fields, object]>([
    [
      'starts the new one',
      listOf(OLD_RUNS, WAITING),
      listOf(entry(0, OLD_HASH, ['bootable']), entry(1, HASH, ['active', 'bootable'])),
      { outcome: 'proven' },
    ],
    ['forgets its list', listOf(OLD_RUNS, WAITING), listOf(), { outcome: 'failed', code: 'target.wrong-image-runs' }],
  ])('a bootloader that starts what is newest takes no state: it %s', (_, before, after, outcome) => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(before, undefined, 4),
      ['effect', { kind: 'mark', step: 'touched' }, DONE],
      ['effect', { kind: 'mark', step: 'activating' }, DONE],
      ['ask', { kind: 'reset' }, {}],
      ['effect', { kind: 'reconnect' }, { kind: 'opened', link: UDP }],
      ['ask', { kind: 'list' }, after],
      ...LOOK(after, undefined, 4),
    ]);
    expect(end).toMatchObject({ done: true, value: outcome });
  });

  it('a confirm that is not read back is no proof', () => {
    const end = play(smp.prove(UDP, REQUEST, undefined), UDP, [
      ...LOOK(SWAPPED),
      ['effect', { kind: 'mark', step: 'activating' }, DONE],
      ['ask', { kind: 'set-state', hash: HASH, confirm: true }, KEPT],
      ['ask', { kind: 'list' }, SWAPPED],
    ]);
    expect(end).toMatchObject({ done: true, value: { outcome: 'failed', code: 'target.not-confirmed' } });
  });

  it.each<[string, Fields, string]>([
    ['does not show the flag', listOf(OLD_RUNS, WAITING), 'target.refused-image'],
    [
      'refuses',
      {
        err: new Map([
          ['group', 1],
          ['rc', 24],
        ]),
      },
      'target.refused',
    ],
    ['answers nonsense', { images: 4 }, 'target.malformed-answer'],
  ])('a target that %s ends the update before its reset', (_, answer, code) => {
    const end = play(smp.update(UDP, REQUEST), UDP, [
      ...LOOK(listOf(OLD_RUNS, WAITING)),
      ['effect', { kind: 'mark', step: 'touched' }, DONE],
      ['effect', { kind: 'mark', step: 'activating' }, DONE],
      ['ask', { kind: 'set-state', hash: HASH, confirm: false }, answer],
    ]);
    expect(end).toMatchObject({ done: true, value: { outcome: 'failed', code, needsRescue: false } });
  });

  it('speaks version 1 where version 2 is too new, and asks again where the target is busy', () => {
    const session = smp.identify(UDP, {});
    const first = session.next();
    expect(first.value).toMatchObject({ bytes: encodeRequest({ kind: 'params' }, 1, 0) });
    session.next(DONE);
    const second = session.next(answerTo({ kind: 'params' }, 0, { rc: 13 }, UDP));
    expect(second.value).toMatchObject({ bytes: encodeRequest({ kind: 'params' }, 0, 1) });
    session.next(DONE);
    expect(session.next(answerTo({ kind: 'params' }, 1, { rc: 10 }, UDP)).value).toMatchObject({
      kind: 'sleep',
      withinMs: 100,
    });
    expect(session.next(DONE).value).toMatchObject({ bytes: encodeRequest({ kind: 'params' }, 0, 2) });
  });

  it('ends the line that was cut, of whoever was there before and after silence, on a console', () => {
    const session = smp.identify(SERIAL, {});
    expect(session.next().value).toMatchObject({ kind: 'send', bytes: Uint8Array.of(0x0a) });
    session.next(DONE);
    session.next(DONE);
    expect(session.next({ kind: 'timeout' }).value).toMatchObject({ kind: 'send', bytes: Uint8Array.of(0x0a) });
  });
});

describe('every wait ends', () => {
  /** Plays until the end. @returns what came out, and how many effects it took. */
  function run<T>(
    session: Session<T>,
    answer: (effect: Effect) => Input,
    most = 60_000,
  ): { value: T; effects: number } {
    let step = session.next();
    for (let effects = 0; ; effects++) {
      if (step.done) return { value: step.value, effects };
      if (effects >= most) throw new Error(`no end after ${most} effects, at ${step.value.kind}`);
      expect(step.value.withinMs).toBeGreaterThanOrEqual(0);
      expect(step.value.withinMs).toBeLessThanOrEqual(60_000);
      step = session.next(answer(step.value));
    }
  }

  const obliging =
    (link: LinkInfo) =>
    (effect: Effect): Input => {
      if (effect.kind === 'reconnect') return { kind: 'opened', link };
      if (effect.kind === 'read')
        return { kind: 'data', bytes: FILE.slice(effect.offset, effect.offset + effect.length) };
      return DONE;
    };

  it.each(['timeout', 'closed'] as const)('%s for ever', (kind) => {
    const { value } = run(smp.update(SERIAL, REQUEST), (effect) =>
      effect.kind === 'await' ? { kind } : obliging(SERIAL)(effect),
    );
    expect(value).toMatchObject({ outcome: 'failed', code: kind === 'closed' ? 'link.lost' : 'link.timeout' });
  });

  it('a log without end', () => {
    const noise: Input = { kind: 'frame', channel: 'serial', bytes: new Uint8Array(500).fill(0x61) };
    const identify = () =>
      run(smp.identify(SERIAL, {}), (effect) => (effect.kind === 'await' ? noise : obliging(SERIAL)(effect)));
    expect(identify).toThrow(DrydockError);
  });

  it('a target of any kind: never throws, always ends, and never is proven by words alone', () => {
    const bodies = fc.oneof(
      { weight: 4, arbitrary: fc.record({ off: fc.nat(FILE.length) }) },
      { weight: 1, arbitrary: fc.record({ off: fc.constantFrom(0, 333, FILE.length, 2 ** 40), match: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ rc: fc.nat(14) }) },
      {
        weight: 1,
        arbitrary: fc.nat(35).map((rc) => ({
          err: new Map([
            ['group', 1],
            ['rc', rc],
          ]),
        })),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom<Fields>(
          {},
          listOf(OLD_RUNS),
          listOf(OLD_RUNS, WAITING),
          listOf(OLD_RUNS, PENDING),
          SWAPPED,
          KEPT,
        ),
      },
      {
        weight: 1,
        arbitrary: fc.constant<Fields>({
          buf_size: 400,
          buf_count: 4,
          mode: 3,
          output: 'x',
          bootloader: 'MCUboot',
          splitStatus: 0,
        }),
      },
    );
    const moves = fc.oneof(
      { weight: 8, arbitrary: bodies.map((body) => ({ kind: 'body' as const, body: body as Fields })) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Input>(
          { kind: 'timeout' },
          { kind: 'closed' },
          { kind: 'cancel' },
          { kind: 'failed', code: 'link.lost' },
        ),
      },
      {
        weight: 1,
        arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes): Input => ({ kind: 'frame', channel: 'udp', bytes })),
      },
    );
    fc.assert(
      fc.property(fc.array(moves, { minLength: 1, maxLength: 60 }), fc.boolean(), (script, loops) => {
        let at = 0;
        let reset = false;
        let cancelled = false;
        const lastSent: Uint8Array[] = [];
        const { value } = run<UpdateOutcome>(smp.update(UDP, REQUEST), (effect) => {
          if (effect.kind === 'send') {
            lastSent.push(effect.bytes);
            reset ||=
              decodeMessage(effect.bytes).header.command === 5 && decodeMessage(effect.bytes).header.group === 0;
          }
          if (effect.kind !== 'await') return obliging(UDP)(effect);
          const move = script[loops ? at++ % script.length : at++];
          if (!move) return { kind: 'timeout' };
          if (move.kind === 'cancel' && cancelled) return { kind: 'timeout' };
          cancelled ||= move.kind === 'cancel';
          if (move.kind !== 'body') return move;
          const sent = lastSent.shift();
          if (!sent) return { kind: 'timeout' };
          const { header } = decodeMessage(sent);
          const message = {
            header: { ...header, op: (header.op + 1) as Op },
            body: new Map(Object.entries(move.body)),
          };
          return { kind: 'frame', channel: 'udp', bytes: encodeMessage(message) };
        });
        if (value.outcome === 'proven') expect(reset).toBe(true);
      }),
      { numRuns: 600 },
    );
  });
});
