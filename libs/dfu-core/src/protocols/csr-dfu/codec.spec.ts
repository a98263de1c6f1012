import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import { encodeBcsp } from '../../framing/bcsp/packet.js';
import { BccmdType, BccmdVariable, decodeBccmd, encodeBccmd } from './bccmd.js';
import { decodeStatus, explainStatus } from './dfu-status.js';
import { loaderCodecFault, type LoaderCodec, type LoaderRequest } from './loader-codec.js';
import { MelodyLines, readFacts } from './melody.js';
import { referenceLoaderCodec } from './reference-codec.js';

const FRAMES = JSON.parse(readFileSync(new URL('./vectors/reference-codec.json', import.meta.url), 'utf8')) as {
  name: string;
  line: string;
}[];
const lineOf = (name: string): string => toHex(fromHex(FRAMES.find((frame) => frame.name.startsWith(name))!.line));

describe('the codec for simulated modules', () => {
  const F9_START = fromHex('43 53 52 2D 64 66 75 32 03 00 0E 05 00 00 C8 04');
  it.each<[string, LoaderRequest, number, number]>([
    ['S1', { request: 'get-status' }, 0, 0],
    ['S3', { request: 'dnload', block: 0, bytes: F9_START }, 1, 1],
    ['S4', { request: 'dnload', block: 2, bytes: new Uint8Array() }, 3, 3],
  ])('%s', (name, request, sequence, acknowledge) => {
    const [datagram] = referenceLoaderCodec.encode(request);
    const { channel, isReliable, bytes } = datagram!;
    const line = encodeBcsp({ sequence, acknowledge, isReliable, channel, payload: bytes }, true);
    expect(toHex(line)).toBe(lineOf(name));
  });

  it('S2', () => {
    const payload = fromHex('83 00 06 00 00 00 00 00 02 00');
    expect(toHex(encodeBcsp({ sequence: 0, acknowledge: 1, isReliable: true, channel: 12, payload }, true))).toBe(
      lineOf('S2'),
    );
    const response = referenceLoaderCodec.decode({ channel: 12, isReliable: true, bytes: payload })!;
    expect(response).toMatchObject({ request: 'get-status', isStalled: false });
    expect(decodeStatus(response.data)).toEqual({ status: 0, pollMs: 0, state: 2 });
  });

  it('any bytes are a response, none, or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.nat(15), (bytes, channel) => {
        try {
          referenceLoaderCodec.decode({ channel, isReliable: true, bytes });
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrameError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is a codec by its own measure, and others are not', () => {
    expect(loaderCodecFault(referenceLoaderCodec)).toBeUndefined();
    const spoilt: readonly Partial<Record<keyof LoaderCodec, unknown>>[] = [
      { id: '' },
      { provenance: 'guess' },
      { maxBlockBytes: 5000 },
      { encode: 'x' },
      { handover: undefined },
      { handover: { isNewLink: true, timeoutMs: Number.NaN } },
      { handover: { isNewLink: true, timeoutMs: 10, line: { parity: 'even' } } },
      { exit: 'fly' },
    ];
    for (const part of spoilt)
      expect(loaderCodecFault({ ...referenceLoaderCodec, ...part })).toEqual(expect.any(String));
    expect(loaderCodecFault(undefined)).toEqual(expect.any(String));
  });
});

describe('DFU status', () => {
  it('has three bytes of time', () => {
    expect(decodeStatus(fromHex('07 B8 0B 01 0A 00'))).toEqual({ status: 7, pollMs: 0x010bb8, state: 10 });
    expect(() => decodeStatus(fromHex('00 00 00 00 02'))).toThrow(MalformedFrameError);
    expect(explainStatus(1)).toMatchObject({ name: 'errTARGET', code: 'target.refused-image' });
    expect(explainStatus(0x77)).toMatchObject({ name: 'status 119', code: 'target.refused' });
  });
});

describe('BCCMD', () => {
  const read = { type: BccmdType.Get, sequence: 1, variable: BccmdVariable.LoaderBuildId, status: 0, words: [] };
  it('spells reads, resets and their answers', () => {
    expect(toHex(encodeBccmd(read))).toBe(toHex(fromHex('00 00 09 00 01 00 38 28 00 00 00 00 00 00 00 00 00 00')));
    const reset = { ...read, type: BccmdType.Set, sequence: 4, variable: BccmdVariable.ColdReset };
    expect(toHex(encodeBccmd(reset))).toBe(toHex(fromHex('02 00 09 00 04 00 01 40 00 00 00 00 00 00 00 00 00 00')));
    const answer = decodeBccmd(fromHex('01 00 09 00 01 00 38 28 00 00 34 12 00 00 00 00 00 00'));
    expect(answer).toMatchObject({ type: 1, sequence: 1, variable: 0x2838, status: 0, words: [0x1234, 0, 0, 0] });
  });

  it('a warm reset, as it goes in an HCI vendor command over H4', () => {
    const h4 = fromHex('01 00 FC 13 C2 02 00 09 00 00 00 02 40 00 00 00 00 00 00 00 00 00 00');
    const bytes = encodeBccmd({
      type: BccmdType.Set,
      sequence: 0,
      variable: BccmdVariable.WarmReset,
      status: 0,
      words: [],
    });
    expect(toHex(bytes)).toBe(toHex(h4.subarray(5)));
    // Command, vendor opcode, length, descriptor "first and last of its channel 2".
    expect(toHex(h4.subarray(0, 5))).toBe(`0100fc${(bytes.length + 1).toString(16)}c2`);
  });

  it('a write of a real tool: ten words and more', () => {
    const message = decodeBccmd(fromHex('02 00 0C 00 00 00 03 70 00 00 01 00 04 00 08 00 86 00 AD 13 FE 00 1D 00'));
    expect(message).toMatchObject({ variable: 0x7003, words: [1, 4, 8, 0x86, 0x13ad, 0xfe, 0x1d] });
  });

  it.each(['', '00 00 08 00 01 00 38 28 00 00 00 00 00 00 00 00', '00 00 ff ff 01 00 38 28 00 00'])(
    'is not %p',
    (bytes) => {
      expect(() => decodeBccmd(fromHex(bytes))).toThrow(MalformedFrameError);
    },
  );
});

describe('Melody', () => {
  it('lines end as they like, and noise is dropped', () => {
    const lines = new MelodyLines();
    expect(lines.push(fromHex('0A 0D 4F'))).toEqual([]);
    expect(lines.push(fromHex('4B C0 FF 0A 0D 0D'))).toEqual(['OK']);
    for (let turn = 0; turn < 100; turn++) lines.push(new Uint8Array(100).fill(0x41));
    expect(lines.push(Uint8Array.of(0x0d))[0]!.length).toBeLessThanOrEqual(512);
  });

  it.each([
    [
      [
        'Sierra Wireless Copyright 2018',
        'Melody Audio V7.0',
        'Build: 1522931717',
        'Bluetooth addresses: 20FABB010203 20FABB010204',
      ],
      { version: { number: '7.0', label: '', build: '1522931717' }, address: '20fabb010203' },
    ],
    [['BlueCreation Copyright 2013', 'Melody Audio V5.0 RC9'], { version: { number: '5.0', label: 'RC9' } }],
    [['OPEN_OK 10', 'hello'], undefined],
  ])('facts of %p', (lines, facts) => {
    expect(readFacts(lines)).toEqual(facts);
  });
});
