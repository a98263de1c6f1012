/** The conversation by hand: each effect that the session yields, and the input that it is given. */
import { describe, expect, it } from '@jest/globals';
import { fromHex, toHex } from '../../bytes/hex.js';
import { describeNordicPackage } from '../../image/nordic/describe-package.js';
import { makeNordicPackage } from '../../image/nordic/make-package.js';
import { I16, RFC6979_PRIVATE_KEY, SIGNED_PACKET } from '../../image/nordic/vectors.fixture.js';
import type { UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { Effect, Input, LinkInfo, Session } from '../../session/session.js';
import { secureDfu } from './session.js';

const CP = '8ec90001f3154f609fb8838830daea50';
const PACKET = '8ec90002f3154f609fb8838830daea50';
const BUTTONLESS = '8ec90003f3154f609fb8838830daea50';
const APP = 'c1:02:03:04:05:ff';
const BOOT = 'c1:02:03:04:05:00';

const FILE = makeNordicPackage({
  application: I16,
  hwVersion: 52,
  fwVersion: 1,
  sdReq: [0x0101],
  privateKey: RFC6979_PRIVATE_KEY,
});
const REQUEST: UpdateRequest = {
  artifact: describeNordicPackage(FILE),
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: true,
  expectVersion: '2.0.0',
  returnWithinMs: 30_000,
};

const link = (address: string, channels: readonly string[]): LinkInfo => ({
  kind: 'ble',
  maxWriteBytes: 244,
  channels,
  identity: { kind: 'ble-address', value: address },
});
const application = link(APP, [BUTTONLESS, '2a26']);
const bootloader = link(BOOT, [CP, PACKET]);

/** One line of the conversation: what is expected, in short, and what it is answered with. */
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
  const names: Readonly<Record<string, string>> = { [CP]: 'control', [PACKET]: 'packet', [BUTTONLESS]: 'buttonless' };
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

const ask = (hex: string, answer: string): Line[] => [
  [`write control ${hex}`, done],
  ['await control', frame(CP, answer)],
];
const identified: Line[] = [['query 2a26', text('2a26', '1.0.0')]];
const checked: Line[] = [
  ['read init:0 0+139', data(SIGNED_PACKET)],
  ['read image:0 0+16', data(I16)],
];
const entered: Line[] = [
  ['subscribe buttonless', done],
  ['mark touched', done],
  ['write buttonless 01', done],
  ['await buttonless', frame(BUTTONLESS, '200101')],
  ['await buttonless', { kind: 'closed' }],
  [`reconnect ${BOOT} ${APP} fe59`, opened(bootloader)],
];
const initPacketSent: Line[] = [
  ...ask('0601', '60 06 01 00 02 00 00 00 00 00 00 00 00 00 00'),
  ...ask('01018b000000', '60 01 01'),
  [`command packet ${toHex(SIGNED_PACKET)}`, done],
  ...ask('03', '60 03 01 8b 00 00 00 3f f4 bc d3'),
  ...ask('04', '60 04 01'),
];
const imageSelected: Line[] = ask('0602', '60 06 01 00 10 00 00 00 00 00 00 00 00 00 00');
const imageSent: Line[] = [
  ['mark erased', done],
  ['progress 0/16', done],
  ...ask('010210000000', '60 01 01'),
  ['read image:0 0+16', data(I16)],
  [`command packet ${toHex(I16)}`, done],
  ...ask('03', '60 03 01 10 00 00 00 88 e2 ce ce'),
  ['mark complete', done],
  ['mark activating', done],
];
const returned: Line[] = [
  ['progress 16/16', done],
  ['await control', { kind: 'closed' }],
  [`reconnect ${APP} ${BOOT}`, opened(application)],
];
const receiptsPerObject = ask('021100', '60 02 01');

describe('an update, line by line', () => {
  it('from the application to the proof', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered,
      ['subscribe control', done],
      ...receiptsPerObject,
      ...initPacketSent,
      ...imageSelected,
      ...imageSent,
      ...ask('04', '60 04 01'),
      ...returned,
      ['query 2a26', text('2a26', '2.0.0')],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven', sentBytes: 16, needsRescue: false });
  });

  it('takes a link that drops before the indication as leave to look for the bootloader', () => {
    const early = [...entered.slice(0, 2), ['write buttonless 01', { kind: 'closed' }] as Line, entered[5]!];
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...early,
      ['subscribe control', { kind: 'failed', code: 'link.auth-required', params: { channel: CP } }],
      // The way back to the application.
      ['subscribe control', done],
      ['write control 0c', done],
      ['await control', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', needsRescue: false });
  });

  it('asks again when the application is busy, then gives up', () => {
    const busy: Line[] = [
      ['write buttonless 01', done],
      ['await buttonless', frame(BUTTONLESS, '20 01 06')],
    ];
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered.slice(0, 2),
      ...busy,
      ['sleep', done],
      ...busy,
      ['sleep', done],
      ...busy,
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.busy', needsRescue: false });
  });
});

describe('a neighbour whose application has the address of our bootloader', () => {
  const neighbour: LinkInfo = { ...application, identity: { kind: 'ble-address', value: BOOT } };
  const lost: Line[] = [
    ...identified,
    ...checked,
    ...entered,
    ['subscribe control', { kind: 'closed' }],
    [`reconnect ${APP} ${BOOT}`, opened(neighbour)],
    ['close', done],
  ];

  it('is left alone, and our unit looked for again', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...lost,
      [`reconnect ${APP} ${BOOT}`, opened(bootloader)],
      ['subscribe control', done],
      ...receiptsPerObject,
      ...initPacketSent,
      ...imageSelected,
      ...imageSent,
      ...ask('04', '60 04 01'),
      ...returned.slice(0, 2),
      [`reconnect ${APP} ${BOOT}`, opened(neighbour)],
      ['close', done],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      ['query 2a26', text('2a26', '2.0.0')],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
  });

  it('is not mistaken for our unit come back, should that never be found', () => {
    const again: Line[] = [
      [`reconnect ${APP} ${BOOT}`, opened(neighbour)],
      ['close', done],
    ];
    const outcome = play(secureDfu.update(application, REQUEST), [
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

describe('resume', () => {
  const big = Uint8Array.from({ length: 8192 }, (_, i) => i & 0xff);
  const file = makeNordicPackage({ application: big, hwVersion: 52, fwVersion: 1, sdReq: [0x0101] });
  const payloads = secureDfu.payloads(file);
  const initPacket = payloads.get('init:0')!;
  /** CRC-32 of 4096 bytes 00..ff repeated, from zlib. */
  const FIRST_HALF = 0xa2912082;
  const hasInit = `60 06 01 00 02 00 00 ${le32(initPacket.length)} ${le32(crcOf(initPacket))}`;
  const hasImage = (offset: number, crc: number): string => `60 06 01 00 10 00 00 ${le32(offset)} ${le32(crc)}`;
  const checksum = (offset: number, crc: number): string => `60 03 01 ${le32(offset)} ${le32(crc)}`;

  /** Answers each request with the next of its answers (the last one again), and notes it, until `stop` was sent. */
  function requests(answers: Readonly<Record<string, readonly string[]>>, stop: string): string[] {
    const session = secureDfu.rescue(bootloader, { ...REQUEST, artifact: describeNordicPackage(file) });
    const usual = { '0a': ['60 0a 02'], '021100': ['60 02 01'], '0601': [hasInit], ...answers };
    const given = new Map<string, number>();
    const sent: string[] = [];
    for (let next = session.next(); !next.done && sent.at(-1) !== stop;) {
      const effect: Effect = next.value;
      let input: Input = done;
      if (effect.kind === 'send') sent.push(effect.channel === CP ? toHex(effect.bytes) : 'packet');
      if (effect.kind === 'read') {
        input = data(payloads.get(effect.source!)!.slice(effect.offset, effect.offset + effect.length));
      }
      if (effect.kind === 'await') {
        const asked = sent.at(-1)!;
        const list = (usual as Readonly<Record<string, readonly string[]>>)[asked];
        const count = given.get(asked) ?? 0;
        given.set(asked, count + 1);
        input = list ? frame(CP, list[Math.min(count, list.length - 1)]!) : { kind: 'timeout' };
      }
      next = session.next(input);
    }
    return sent;
  }

  it('takes 0x08 at an object border for "executed already"', () => {
    const answers = { '04': ['60 04 01', '60 04 08'], '0602': [hasImage(4096, FIRST_HALF)] };
    expect(requests(answers, '010200100000')).toEqual(['0a', '021100', '0601', '04', '0602', '04', '010200100000']);
  });

  it('rewinds an object with wrong bytes by creating it again', () => {
    const answers = {
      '04': ['60 04 01'],
      '0602': [hasImage(4200, 1)],
      '010200100000': ['60 01 01'],
      '03': [checksum(4096, FIRST_HALF)],
    };
    expect(requests(answers, 'packet')).toEqual(['0a', '021100', '0601', '04', '0602', '010200100000', '03', 'packet']);
  });

  it('starts over when wrong bytes are executed already', () => {
    const answers = {
      '04': ['60 04 01'],
      '0602': [hasImage(4200, 1)],
      '010200100000': ['60 01 01'],
      '03': [checksum(4096, 2)],
    };
    const create = `0101${le32(initPacket.length)}`;
    expect(requests(answers, create)).toEqual([
      '0a',
      '021100',
      '0601',
      '04',
      '0602',
      '010200100000',
      '03',
      '0601',
      create,
    ]);
  });

  it('starts over when the target has more than the image', () => {
    const create = `0101${le32(initPacket.length)}`;
    const answers = { '04': ['60 04 01'], '0602': [hasImage(9000, 1)] };
    expect(requests(answers, create)).toEqual(['0a', '021100', '0601', '04', '0602', '0601', create]);
  });
});

describe('fences and cancellation', () => {
  it('writes nothing after a fence, and says where the unit is left', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered,
      ['subscribe control', done],
      ...receiptsPerObject,
      ...initPacketSent,
      ...imageSelected,
      ['mark erased', { kind: 'failed', code: 'fence.finish-by' }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
  });

  it('asks again an application that never left, found although it does not advertise the service', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ['subscribe buttonless', done],
      ['mark touched', done],
      ['write buttonless 01', { kind: 'closed' }],
      [`reconnect ${BOOT} ${APP} fe59`, { kind: 'timeout' }],
      [`reconnect ${BOOT} ${APP}`, opened(application)],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      ['subscribe buttonless', done],
      ['write buttonless 01', { kind: 'failed', code: 'fence.start-by' }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'fence.start-by' });
  });

  it('leaves an untouched application at once', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ['read init:0 0+139', { kind: 'cancel' }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false, sentBytes: 0 });
  });

  it('finishes what has begun to erase', () => {
    const interrupted = imageSent.map((line, i): Line => (i === 1 ? [line[0], { kind: 'cancel' }] : line));
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...identified,
      ...checked,
      ...entered,
      ['subscribe control', done],
      ...receiptsPerObject,
      ...initPacketSent,
      ...imageSelected,
      ...interrupted,
      ...ask('04', '60 04 01'),
      ...returned,
      ['query 2a26', text('2a26', '2.0.0')],
      ['close', done],
    ]);
    expect(outcome.outcome).toBe('proven');
  });
});

describe('what comes back', () => {
  const activated: Line[] = [
    ...identified,
    ...checked,
    ...entered,
    ['subscribe control', done],
    ...receiptsPerObject,
    ...initPacketSent,
    ...imageSelected,
    ...imageSent,
  ];

  it('the bootloader: it needs a rescue', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...activated,
      ...ask('04', '60 04 01'),
      ['progress 16/16', done],
      ['await control', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(bootloader)],
      ['subscribe control', done],
      ...ask('0a', '60 0a 02'),
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.in-bootloader', needsRescue: true });
  });

  it('the application, though the answer to the last execute was lost with the link', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...activated,
      ['write control 04', done],
      ['await control', { kind: 'closed' }],
      [`reconnect ${APP} ${BOOT}`, opened(application)],
      ['query 2a26', text('2a26', '2.0.0')],
      ['close', done],
    ]);
    expect(outcome.outcome).toBe('proven');
  });

  it('a version that cannot be read', () => {
    const outcome = play(secureDfu.update(application, REQUEST), [
      ...activated,
      ...ask('04', '60 04 01'),
      ...returned,
      ['query 2a26', { kind: 'failed', code: 'link.auth-required', params: { channel: '2a26' } }],
      ['close', done],
    ]);
    expect(outcome).toMatchObject({ outcome: 'unproven', reason: 'version-not-readable' });
  });
});

function le32(value: number): string {
  return toHex(Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24));
}

/** Bit by bit, apart from the table of the implementation. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
