import { describe, expect, it } from '@jest/globals';
import { encode } from 'cborg';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import { encodeConsolePacket } from '../../framing/smp-console.js';
import {
  announcedLength,
  decodeBootloaderMode,
  decodeBootloaderName,
  decodeImageList,
  decodeMessage,
  decodeOsInfo,
  decodeParams,
  decodeRefusal,
  decodeSlotInfo,
  decodeUploadAnswer,
  encodeMessage,
  encodeRequest,
} from './codec.js';
import { firstChunk, nextChunkBytes } from './chunks.js';
import { ImageRc, Rc, SmpRefusedError } from './errors.js';
import type { Body, Header, Op, Request } from './messages.js';

interface Vector {
  readonly name: string;
  readonly source: string;
  readonly hex: string;
  readonly message: Record<string, unknown>;
}

function vectors<T extends Vector>(file: string): T[] {
  return JSON.parse(readFileSync(new URL(`./vectors/${file}`, import.meta.url), 'utf8'), (_, value: unknown) =>
    value && typeof value === 'object' && Object.keys(value).join() === 'hex' ? fromHex((value as Vector).hex) : value,
  ) as T[];
}

const DECODERS: Record<string, (body: Body) => unknown> = {
  params: decodeParams,
  'bootloader-mode': decodeBootloaderMode,
  upload: decodeUploadAnswer,
  refusal: decodeRefusal,
  list: decodeImageList,
};

describe('requests', () => {
  it.each(vectors<Vector & { version: number; sequence: number }>('requests.json'))('$name', (vector) => {
    expect(toHex(encodeRequest(vector.message as unknown as Request, vector.version, vector.sequence))).toBe(
      vector.hex,
    );
  });

  it.each(vectors('console.json'))('on a console: $name', ({ hex, message }) => {
    const wire = new TextDecoder().decode(encodeConsolePacket(fromHex(hex)));
    expect(wire.split(/(?<=\n)/)).toEqual(message['lines']);
  });

  it('has no length 0: an empty request is an empty map', () => {
    expect(toHex(encodeRequest({ kind: 'slot-info' }, 1, 7))).toBe('0800000100010706a0');
  });
});

describe('answers', () => {
  it.each(vectors<Vector & { header: Header; as: string }>('answers.json'))('$name', (vector) => {
    const { header, body } = decodeMessage(fromHex(vector.hex));
    expect(header).toEqual(vector.header);
    expect(DECODERS[vector.as]?.(body)).toEqual(vector.message);
    if (vector.as !== 'refusal') expect(decodeRefusal(body)).toBeUndefined();
  });

  it('takes unknown keys, other orders, and missing flags', () => {
    const entry = new Map<unknown, unknown>([
      ['vendor', [1, { a: null }]],
      [7, 'a key that is no text'],
      ['active', true],
      ['slot', 1],
      ['image', 2],
    ]);
    const body = new Map<string, unknown>([
      ['x', 1.5],
      ['images', [entry]],
    ]);
    const header = { op: 1 as Op, version: 0, group: 1, sequence: 1, command: 0 };
    const decoded = decodeImageList(decodeMessage(encodeMessage({ header, body })).body);
    expect(decoded.images).toEqual([
      { image: 2, slot: 1, bootable: false, pending: false, confirmed: false, active: true, permanent: false },
    ]);
  });

  it('reads slot info, names and text', () => {
    const slots = [
      { slot: 0, size: 1000 },
      { slot: 1, size: 900, upload_image_id: 1 },
    ].map((slot) => new Map(Object.entries(slot)));
    const image = new Map<string, unknown>([['slots', slots]]);
    expect(decodeSlotInfo(new Map([['images', [image]]]))).toEqual({
      slots: [
        { image: 0, slot: 0, sizeBytes: 1000 },
        { image: 0, slot: 1, sizeBytes: 900, uploadImage: 1 },
      ],
      maxImageBytes: new Map(),
    });
    expect(
      decodeSlotInfo(new Map([['images', [new Map([...image, ['max_image_size', 880]])]]])).maxImageBytes.get(0),
    ).toBe(880);
    expect(decodeBootloaderName(new Map([['bootloader', 'MCUboot']]))).toBe('MCUboot');
    expect(decodeOsInfo(new Map([['output', 'Zephyr']]))).toBe('Zephyr');
  });

  it.each<[string, () => unknown]>([
    ['a header that ends early', () => decodeMessage(fromHex('0900000100'))],
    ['less than announced', () => decodeMessage(fromHex('0900000200000106a0'))],
    ['more than announced', () => decodeMessage(fromHex('0900000100000106a0a0'))],
    ['an operation that does not exist', () => decodeMessage(fromHex('0c00000100000106a0'))],
    ['no map', () => decodeMessage(fromHex('090000010000010680'))],
    [
      'nesting without end',
      () => decodeMessage(Uint8Array.of(9, 0, 0xff, 0xff, 0, 0, 0, 0, ...new Uint8Array(0xffff).fill(0x9f))),
    ],
    ['an offset that is negative', () => decodeUploadAnswer(new Map([['off', -1]]))],
    ['an offset beyond any file', () => decodeUploadAnswer(new Map([['off', 2n ** 60n]]))],
    ['no offset', () => decodeUploadAnswer(new Map())],
    [
      'a hash that is text',
      () =>
        decodeImageList(
          new Map([
            [
              'images',
              [
                new Map<string, unknown>([
                  ['slot', 0],
                  ['hash', 'ff'],
                ]),
              ],
            ],
          ]),
        ),
    ],
    ['a list that is a number', () => decodeImageList(new Map([['images', 3]]))],
    ['a list without end', () => decodeImageList(new Map([['images', new Array(65).fill(new Map([['slot', 0]]))]]))],
    [
      'buffers that hold nothing',
      () =>
        decodeParams(
          new Map([
            ['buf_size', 8],
            ['buf_count', 1],
          ]),
        ),
    ],
    ['an error that is no map', () => decodeRefusal(new Map([['err', 4]]))],
    ['a code that is text', () => decodeRefusal(new Map([['rc', 'no']]))],
    ['a mode that is text', () => decodeBootloaderMode(new Map([['mode', 'swap']]))],
  ])('refuses %s', (_, run) => expect(run).toThrow(MalformedFrameError));
});

describe('refusals', () => {
  it.each([
    [{ code: Rc.Busy }, 'target.busy', 'EBUSY'],
    [{ code: Rc.NoMemory }, 'target.no-memory', 'ENOMEM'],
    [{ code: Rc.NotSupported }, 'target.refused', 'ENOTSUP'],
    [{ group: 1, code: ImageRc.TooLarge }, 'target.refused-image', 'TOO_LARGE'],
    [{ group: 1, code: ImageRc.CurrentVersionIsNewer }, 'target.refused-image', 'CURRENT_VERSION_IS_NEWER'],
    [{ group: 0, code: 3 }, 'target.refused', 'QUERY_YIELDS_NO_ANSWER'],
    [{ group: 9, code: 250 }, 'target.refused', 'code 250'],
    [{ code: 300, reason: 'app reject' }, 'target.refused', 'app reject'],
  ] as const)('%j', (refusal, code, detail) => {
    const error = new SmpRefusedError('upload-first', refusal);
    expect(error.code).toBe(code);
    expect(error.message).toContain(detail);
  });

  it('knows every code of its tables by name', () => {
    for (let code = 1; code <= 13; code++)
      expect(new SmpRefusedError('list', { code }).message).not.toContain('not known');
    for (let code = 1; code <= 34; code++) {
      expect(new SmpRefusedError('list', { group: 1, code }).message).not.toContain('not known');
    }
  });
});

describe('chunk sizes', () => {
  const sha = new Uint8Array(32);
  const plan = { totalBytes: 250_000, sha, alignBytes: 1 };

  // Limit, first chunk, continuation at 100000, the same in multiples of 4.
  it.each([
    [128, 60, 103, 100],
    [244, 176, 219, 216],
    [252, 184, 227, 224],
    [380, 311, 354, 352],
    [495, 426, 469, 468],
    [1020, 951, 994, 992],
    [2475, 2406, 2449, 2448],
  ])('limit %i: %i first, %i next, %i aligned', (limit, first, next, aligned) => {
    expect(firstChunk({ ...plan, limit })?.length).toBe(first);
    // The image key takes 7 bytes.
    expect(firstChunk({ ...plan, limit, image: 1 })?.length).toBe(first - 7);
    expect(nextChunkBytes({ ...plan, limit }, 100_000)).toBe(next);
    expect(nextChunkBytes({ ...plan, limit, alignBytes: 4 }, 100_000)).toBe(aligned);
  });

  it('leaves the digest out where the header would not fit beside it, and gives up below that', () => {
    expect(firstChunk({ ...plan, limit: 100 })?.make(new Uint8Array()).sha).toBe(sha);
    expect(firstChunk({ ...plan, limit: 99 })?.make(new Uint8Array()).sha).toBeUndefined();
    expect(firstChunk({ ...plan, limit: 61 })).toBeUndefined();
    expect(firstChunk({ ...plan, limit: 20 })).toBeUndefined();
    expect(nextChunkBytes({ ...plan, limit: 20 }, 100_000)).toBe(0);
  });

  it('always fills the message, and never more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 65_543 }), fc.nat(99_999), (limit, offset) => {
        const long = { totalBytes: 200_000, limit, alignBytes: 1 };
        const length = nextChunkBytes(long, offset);
        expect(length).toBeGreaterThan(0);
        const bytes = (more: number) =>
          encodeRequest({ kind: 'upload-next', data: new Uint8Array(length + more), offset }, 1, 0).length;
        expect(bytes(0)).toBeLessThanOrEqual(limit);
        if (limit < 60_000) expect(bytes(1)).toBeGreaterThan(limit);
      }),
      { numRuns: 300 },
    );
  });
});

describe('noise', () => {
  const decoders = [...Object.values(DECODERS), decodeSlotInfo, decodeBootloaderName, decodeOsInfo];

  function quiet(run: () => unknown): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof MalformedFrameError)) throw error;
    }
  }

  it('any bytes give a message or MalformedFrameError', () => {
    const framed = fc
      .tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ maxLength: 120 }))
      .map(([head, payload]) => Uint8Array.from([head[0] ?? 0, 0, 0, payload.length, ...head.subarray(4), ...payload]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), framed), (bytes) => {
        announcedLength(bytes);
        quiet(() => {
          const { body } = decodeMessage(bytes);
          for (const decode of decoders) quiet(() => decode(body));
        });
      }),
      { numRuns: 3000 },
    );
  });

  it('any CBOR map gives answers or MalformedFrameError', () => {
    const keys = fc.constantFrom(
      'err',
      'rc',
      'rsn',
      'off',
      'match',
      'images',
      'slot',
      'image',
      'hash',
      'version',
      'mode',
      'buf_size',
      'buf_count',
      'group',
      'slots',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.uint8Array({ maxLength: 80 }),
        fc.constant(null),
        fc.double({ noNaN: true }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(keys, tie('value')), { maxLength: 6 }).map((entries) => new Map(entries)),
      ),
    }));
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, value), { maxLength: 6 }), (entries) => {
        const payload = encode(new Map(entries));
        const body = decodeMessage(
          Uint8Array.from([1, 0, payload.length >> 8, payload.length & 255, 0, 1, 0, 0, ...payload]),
        ).body;
        for (const decode of decoders) quiet(() => decode(body));
      }),
      { numRuns: 2000 },
    );
  });
});
