/** The conversation by hand: each effect that the session yields, and the input that it is given. */
import { describe, expect, it } from '@jest/globals';
import { fromHex, toHex } from '../../bytes/hex.js';
import { describeLegacyPackage } from '../../image/nordic-legacy/describe-package.js';
import { makeLegacyPackage } from '../../image/nordic-legacy/make-package.js';
import { DAT_05, I16 } from '../../image/nordic-legacy/vectors.fixture.js';
import type { UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { Effect, Input, LinkInfo, Session } from '../../session/session.js';
import { legacyDfu } from './session.js';

const CP = '000015311212efde1523785feabcd123';
const PACKET = '000015321212efde1523785feabcd123';
const REVISION = '000015341212efde1523785feabcd123';
const SERVICE = '000015301212efde1523785feabcd123';
const APP = 'c1:02:03:04:05:ff';
const BOOT = 'c1:02:03:04:05:00';

const FILE = makeLegacyPackage({ application: I16 });
const REQUEST: UpdateRequest = {
  artifact: describeLegacyPackage(FILE),
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: true,
  expectVersion: '2.0.0',
  returnWithinMs: 30_000,
};

const link = (address: string, channels: readonly string[], name?: string): LinkInfo => ({
  kind: 'ble',
  maxWriteBytes: 244,
  channels,
  identity: { kind: 'ble-address', value: address },
  ...(name === undefined ? {} : { name }),
});
const application = link(APP, [CP, PACKET, REVISION, '2a26']);
const bootloader = link(BOOT, [CP, PACKET, REVISION], 'DfuTarg');
const oldBootloader = link(BOOT, [CP, PACKET], 'DfuTarg');

/** Found in its bootloader, known from before. */
const RESCUE: UpdateRequest = { ...REQUEST, expectIdentity: { kind: 'ble-address', value: APP } };

type Line = readonly [expected: string, answer: Input];
const done: Input = { kind: 'done' };
const opened = (info: LinkInfo): Input => ({ kind: 'opened', link: info });
const frame = (channel: string, hex: string): Input => ({ kind: 'frame', channel, bytes: fromHex(hex) });
const text = (channel: string, value: string): Input => ({
  kind: 'frame',
  channel,
  bytes: new TextEncoder().encode(value),
});
const data = (bytes: Uint8Array): Input => ({ kind: 'data', bytes });

function short(effect: Effect): string {
  expect(effect.withinMs).toBeGreaterThanOrEqual(0);
  expect(Number.isFinite(effect.withinMs)).toBe(true);
  const names: Readonly<Record<string, string>> = { [CP]: 'control', [PACKET]: 'packet', [REVISION]: 'revision' };
  const name = (channel: string): string => names[channel] ?? channel;
  switch (effect.kind) {
    case 'send':
      return `${effect.acknowledged ? 'write' : 'command'} ${name(effect.channel)} ${toHex(effect.bytes)}`;
    case 'subscribe':
    case 'query':
      return `${effect.kind} ${name(effect.channel)}`;
    case 'await':
      return `await ${effect.channels.map(name).join(' ')}`;
    case 'read':
      return `read ${effect.source ?? ''} ${effect.offset}+${effect.length}`;
    case 'reconnect':
      return `reconnect ${effect.as.addresses?.join(' ') ?? ''} ${effect.as.serviceUuid ?? ''}`.trim();
    case 'mark':
      return `mark ${effect.step}`;
    case 'progress':
      return `progress ${effect.sentBytes}/${effect.totalBytes}`;
    default:
      return effect.kind;
  }
}

function play(session: Session<UpdateOutcome>, lines: readonly Line[]): UpdateOutcome {
  let next = session.next();
  for (const [expected, answer] of lines) {
    if (next.done) throw new Error(`it ended before: ${expected} (${JSON.stringify(next.value)})`);
    expect(short(next.value)).toBe(expected);
    next = session.next(answer);
  }
  if (!next.done) throw new Error(`it goes on with: ${short(next.value)}`);
  return next.value;
}

const revision = (hex: string): Line => ['query revision', frame(REVISION, hex)];
const identified: Line[] = [revision('0100'), ['query 2a26', text('2a26', '1.0.0')]];
const checked: Line[] = [
  ['read init:0 0+14', data(DAT_05)],
  ['read sizes:0 0+12', data(fromHex('00000000 00000000 10000000'))],
  ['read image:0 0+16', data(I16)],
];
const entered: Line[] = [
  revision('0100'),
  ['subscribe control', done],
  ['mark touched', done],
  ['write control 0104', { kind: 'closed' }],
  [`reconnect ${BOOT} ${APP} ${SERVICE}`, opened(bootloader)],
];
const announced: Line[] = [
  ['subscribe control', done],
  ['mark erased', done],
  ['write control 0104', done],
  ['command packet 000000000000000010000000', done],
  ['await control', frame(CP, '10 01 01')],
  ['write control 0200', done],
  [`command packet ${toHex(DAT_05)}`, done],
  ['write control 0201', done],
  ['await control', frame(CP, '10 02 01')],
];
const sent: Line[] = [
  ['progress 0/16', done],
  ['write control 080a00', done],
  ['write control 03', done],
  ['read image:0 0+16', data(I16)],
  [`command packet ${toHex(I16)}`, done],
  ['await control', frame(CP, '10 03 01')],
  ['progress 16/16', done],
  ['write control 04', done],
  ['await control', frame(CP, '10 04 01')],
];
const activated: Line[] = [
  ['mark complete', done],
  ['mark activating', done],
  ['write control 05', { kind: 'closed' }],
  [`reconnect ${APP} ${BOOT}`, opened(application)],
  revision('0100'),
];
const proven: Line[] = [revision('0100'), ['query 2a26', text('2a26', '2.0.0')], ['close', done]];

describe('an update, line by line', () => {
  it('from the application to the proof', () => {
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered,
      revision('0800'),
      ...announced,
      ...sent,
      ...activated,
      ...proven,
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven', sentBytes: 16, needsRescue: false });
  });

  it('speaks the first form to a bootloader that refuses the second', () => {
    const outcome = play(legacyDfu.rescue(oldBootloader, RESCUE), [
      ...checked,
      ['subscribe control', done],
      ['sleep', done],
      ['mark touched', done],
      ['mark erased', done],
      ['write control 0104', done],
      ['command packet 000000000000000010000000', done],
      ['await control', frame(CP, '10 01 03')],
      ['write control 01', done],
      ['command packet 10000000', done],
      ['await control', frame(CP, '10 01 01')],
      ['write control 02', done],
      ['command packet 373b', done],
      ['await control', frame(CP, '10 02 01')],
      ['progress 0/16', done],
      ['sleep', done],
      ['write control 080800', done],
      ...sent.slice(2),
      ['mark complete', done],
      ['mark activating', done],
      ['write control 05', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      revision('0100'),
      ...proven,
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
  });

  it('resets a bootloader that was left half done, and starts over', () => {
    const outcome = play(legacyDfu.rescue(bootloader, RESCUE), [
      revision('0800'),
      ...checked,
      revision('0800'),
      ['subscribe control', done],
      ['mark touched', done],
      ...announced.slice(1, 4),
      ['await control', frame(CP, '10 01 02')],
      ['subscribe control', done],
      ['write control 06', done],
      ['await control', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(bootloader)],
      revision('0800'),
      ['subscribe control', done],
      ...announced.slice(2),
      ...sent,
      ...activated,
      ...proven,
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven' });
  });

  it('after a lost link goes on where the target counts', () => {
    const big = Uint8Array.from({ length: 60 }, (_, i) => i);
    const file = makeLegacyPackage({ application: big });
    const payloads = legacyDfu.payloads(file);
    const request = { ...REQUEST, artifact: describeLegacyPackage(file) };
    const sends: string[] = [];
    const session = legacyDfu.rescue(bootloader, request);
    let lost = false;
    let next = session.next();
    for (let turn = 0; !next.done && turn < 100; turn++) {
      const effect: Effect = next.value;
      let input: Input = done;
      if (effect.kind === 'query') input = frame(REVISION, '0800');
      if (effect.kind === 'read') {
        input = data(payloads.get(effect.source!)!.slice(effect.offset, effect.offset + effect.length));
      }
      if (effect.kind === 'reconnect') input = opened(lost && !sends.includes('05') ? bootloader : application);
      if (effect.kind === 'send') {
        sends.push(effect.channel === CP ? toHex(effect.bytes) : `packet ${effect.bytes.length}`);
        if (sends.filter((each) => each === 'packet 20').length === 2 && !lost) {
          lost = true;
          input = { kind: 'closed' };
        }
      }
      if (effect.kind === 'await') {
        const asked = sends.at(-1)!;
        const answers: Readonly<Record<string, string>> = {
          'packet 12': '10 01 01',
          '0201': '10 02 01',
          '07': '10 07 01 28 00 00 00',
          'packet 20': '10 03 01',
          '04': '10 04 01',
        };
        input = answers[asked] ? frame(CP, answers[asked]) : { kind: 'closed' };
      }
      next = session.next(input);
    }
    expect(sends.slice(sends.indexOf('07'))).toEqual(['07', '080a00', '03', 'packet 20', '04', '05']);
  });
});

describe('a neighbour whose application has the address of our bootloader', () => {
  const neighbour = link(BOOT, [CP, PACKET, REVISION, '2a26']);
  const lost: Line[] = [
    ...identified,
    ...checked,
    ...entered,
    revision('0800'),
    ['subscribe control', { kind: 'closed' }],
    [`reconnect ${APP} ${BOOT}`, opened(neighbour)],
    revision('0100'),
    ['close', done],
  ];

  it('is left alone, and our unit looked for again', () => {
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...lost,
      [`reconnect ${APP} ${BOOT}`, opened(bootloader)],
      revision('0800'),
      ...announced,
      ...sent,
      ...activated.slice(0, 3),
      [`reconnect ${APP} ${BOOT}`, opened(neighbour)],
      revision('0100'),
      ['close', done],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      revision('0100'),
      ...proven,
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
  });

  it('is not mistaken for our unit come back, should that never be found', () => {
    const again: Line[] = [[`reconnect ${APP} ${BOOT}`, opened(neighbour)], revision('0100'), ['close', done]];
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...lost,
      ...again,
      ...again,
      ...again,
      ...again,
      ...again,
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.not-found', needsRescue: true });
  });
});

describe('a target that talks without end', () => {
  const receipts = (count: number, hex: string): Line[] =>
    Array.from({ length: count }, (): Line => ['await control', frame(CP, hex)]);

  it('is not listened to for ever after a reset', () => {
    const outcome = play(legacyDfu.rescue(bootloader, RESCUE), [
      revision('0800'),
      ...checked,
      revision('0800'),
      ['subscribe control', done],
      ['mark touched', done],
      ...announced.slice(1, 4),
      ['await control', frame(CP, '10 01 02')],
      ['subscribe control', done],
      ['write control 06', done],
      ...receipts(64, '11 00 00 00 00'),
      [`reconnect ${APP} ${BOOT}`, { kind: 'timeout' }],
      // The way back to the application: not found.
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.did-not-return' });
  });

  it('is not listened to for ever at the end of the image', () => {
    const session = legacyDfu.rescue(bootloader, RESCUE);
    let next = session.next();
    let awaited = 0;
    for (let turn = 0; !next.done && turn < 5000; turn++) {
      const effect: Effect = next.value;
      let input: Input = done;
      if (effect.kind === 'query') input = frame(REVISION, '0800');
      if (effect.kind === 'read') {
        input = data(
          legacyDfu
            .payloads(FILE)
            .get(effect.source!)!
            .slice(effect.offset, effect.offset + effect.length),
        );
      }
      if (effect.kind === 'reconnect') input = { kind: 'timeout' };
      if (effect.kind === 'await') {
        awaited += 1;
        input = frame(CP, awaited === 1 ? '10 01 01' : awaited === 2 ? '10 02 01' : '11 10 00 00 00');
      }
      next = session.next(input);
    }
    expect(next.done).toBe(true);
    expect(next.value).toMatchObject({ outcome: 'failed' });
  });
});

describe('fences and cancellation', () => {
  it('writes nothing after a fence', () => {
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered,
      revision('0800'),
      ['subscribe control', done],
      ['mark erased', { kind: 'failed', code: 'fence.finish-by' }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
  });

  it('leaves an untouched application at once', () => {
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...identified,
      ['read init:0 0+14', { kind: 'cancel' }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false, sentBytes: 0 });
  });

  it('looks for a peer-only bootloader under its own address, when none shows its service', () => {
    const outcome = play(legacyDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered.slice(0, 4),
      [`reconnect ${BOOT} ${APP} ${SERVICE}`, { kind: 'timeout' }],
      [`reconnect ${APP}`, opened(link(APP, [CP, PACKET, REVISION]))],
      revision('0800'),
      ['subscribe control', { kind: 'failed', code: 'link.auth-required', params: { channel: CP } }],
      // The way back to the application.
      revision('0800'),
      ['subscribe control', done],
      ['write control 06', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      revision('0100'),
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', needsRescue: false });
  });
});
