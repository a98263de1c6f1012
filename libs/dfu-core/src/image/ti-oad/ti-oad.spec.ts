import { createHash, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError, DrydockError } from '../../errors.js';
import { crc16Xmodem } from '../../framing/crc16.js';
import { describeArtifact } from '../describe.js';
import { makeMcubootImage } from '../mcuboot/make.js';
import { crc16Umts, encodeClassicHeader, offChipHeaderFor, parseClassicImage } from './classic.js';
import { tiOadPayloads } from './describe.js';
import { makeTiOadImage, makeTiOffChipImage, makeTiOnChipImage, padMcubootToSlot } from './make.js';
import { headerBytesOf, looksLikeTiOadImage, parseTiOadImage } from './parse.js';
import { signedBytesOf, tiPublicKeyOf, tiSignerInfo, verifyTiOadSignature } from './signature.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const count = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

/** Core header and image segment of a 256-byte image, computed by an independent script (Python struct, zlib). */
const V1_HEAD =
  '4343323678325231dd669c330301feffffff0701ffffffff000100005000000030303031ff0000002c00ffff01feffffd400000000000000';
const V1 = Uint8Array.from([...fromHex(V1_HEAD), ...count(200)]);
/** First 56 bytes of an image of 168 140 bytes that TI built and published with its Android example. */
const TI_BUILT_HEAD =
  '434332367832523191bda71f0301feffffff0700ffffffffcc9002005000000030303031cb9002002c00ffff01feffffa090020000000000';

const broken = (change: (bytes: Uint8Array) => void, from: Uint8Array = V1): Uint8Array => {
  const bytes = from.slice();
  change(bytes);
  return bytes;
};
const codeOf = (work: () => unknown): { code: string; field: unknown } => {
  try {
    work();
  } catch (error) {
    if (error instanceof ArtifactError) return { code: error.code, field: error.params['field'] };
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('checksums', () => {
  it('have the check values of the catalogue', () => {
    expect(crc16Umts(ascii('123456789'))).toBe(0xfee8);
    expect(crc16Xmodem(ascii('123456789'))).toBe(0x31c3);
  });
});

describe('enhanced images', () => {
  it('reads the vector', () => {
    const image = parseTiOadImage(V1);
    expect(image.header).toMatchObject({ crc32: 0x339c66dd, lengthBytes: 256, type: 7, number: 1, technology: 0xfffe });
    expect(image.segments).toEqual([{ type: 1, technology: 0xfffe, offset: 44, lengthBytes: 212 }]);
    expect(headerBytesOf(image)).toBe(56);
    expect(describeArtifact(V1)).toMatchObject({
      format: 'ti-oad',
      protocols: ['ti-oad'],
      images: [{ image: 0, kind: 'application', version: '0001', sizeBytes: 256 }],
      hardware: { imageId: 'CC26x2R1', imageType: 7 },
      signatures: [],
    });
  });

  it('makes the vector', () => {
    const made = makeTiOadImage({ code: count(200), softwareVersion: '0001', number: 1 });
    expect(toHex(made)).toBe(toHex(V1));
  });

  it("recognises TI's own file by its head, and says how it was cut", () => {
    const head = fromHex(TI_BUILT_HEAD);
    expect(looksLikeTiOadImage(head)).toBe(true);
    expect(codeOf(() => describeArtifact(head))).toEqual({ code: 'artifact.truncated', field: 'len' });
  });

  it.each<[string, (bytes: Uint8Array) => void, string, string]>([
    ['a metadata record', (b) => b.set(ascii('OAD NVM1')), 'artifact.malformed', 'imgID'],
    ['another boot manager', (b) => (b[12] = 2), 'artifact.malformed', 'bimVer'],
    ['another metadata version', (b) => (b[13] = 2), 'artifact.malformed', 'metaVer'],
    ['a longer header', (b) => (b[40] = 45), 'artifact.malformed', 'hdrLen'],
    ['one byte flipped', (b) => (b[200]! ^= 1), 'artifact.digest', 'crc32 of the core header (bytes 12 to the end)'],
    ['a status of invalid', (b) => (b[17] = 0xfc), 'artifact.malformed', 'crcStat'],
    ['another end address', (b) => (b[36] = 0), 'artifact.malformed', 'imgEndAddr'],
    ['no image segment', (b) => (b[44] = 4), 'artifact.malformed', 'segments'],
    ['a segment that is too long', (b) => (b[48] = 0xd5), 'artifact.truncated', 'segment 1'],
    ['an empty segment', (b) => (b[48] = 7), 'artifact.malformed', 'segment length'],
    ['more bytes than the header says', (b) => (b[24] = 0xfc), 'artifact.malformed', 'len'],
  ])('refuses %s', (_, change, code, field) => {
    // The length field is u32: clear what the change means to be smaller.
    const bytes = broken(change);
    if (field === 'len') bytes[25] = 0;
    expect(codeOf(() => parseTiOadImage(bytes))).toEqual({ code, field });
  });

  it.each([0, 4, 5, 6, 64])('does not deliver image type %i', (type) => {
    const made = makeTiOadImage({ code: count(64), softwareVersion: '0001', type });
    expect(codeOf(() => parseTiOadImage(made)).code).toBe('artifact.unsupported');
  });

  it('does not deliver an image for another radio', () => {
    const made = makeTiOadImage({ code: count(64), softwareVersion: '0001', technology: 0xfff7 });
    expect(codeOf(() => parseTiOadImage(made)).code).toBe('artifact.unsupported');
  });

  it('accepts every id of TI and a product of its own', () => {
    for (const imageId of ['CC13x2R1', 'CC26x3  ', 'OAD IMG ', 'ACME-007']) {
      const made = makeTiOadImage({ code: count(64), softwareVersion: '0009', imageId });
      expect(describeArtifact(made).hardware['imageId']).toBe(imageId);
    }
  });

  it('spells a version that is no text as hex', () => {
    const made = makeTiOadImage({ code: count(64), softwareVersion: Uint8Array.of(1, 2, 3, 0xff) });
    expect(describeArtifact(made).images[0]?.version).toBe('0x010203ff');
  });

  it('round trip with every segment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.boolean(), fc.boolean(), (code, sign, split) => {
        const made = makeTiOadImage({
          code,
          softwareVersion: '0102',
          startAddress: 0x2000,
          ...(sign && { privateKey: new Uint8Array(32).fill(3) }),
          ...(split && { boundary: { stackStart: 0x9000, stackEntry: 0x9050, ram0: [0x20000000, 0x20004000] } }),
        });
        const image = parseTiOadImage(made);
        expect(headerBytesOf(image)).toBe(56 + (sign ? 85 : 0) + (split ? 24 : 0));
        expect(image.segments.map(({ type }) => type)).toEqual([...(sign ? [3] : []), ...(split ? [0] : []), 1]);
        expect(toHex(made.subarray(headerBytesOf(image), headerBytesOf(image) + code.length))).toBe(toHex(code));
      }),
    );
  });

  it('any bytes give an image or a typed error', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .array(fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 })), { maxLength: 8 })
        .map((changes) => broken((bytes) => changes.forEach(([at, value]) => (bytes[at] = value)))),
      fc.nat({ max: 256 }).map((length) => V1.slice(0, length)),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        for (const read of [parseTiOadImage, parseClassicImage, describeArtifact, tiOadPayloads]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DrydockError);
            expect((error as DrydockError).code).toMatch(/^artifact\./);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('signatures', () => {
  const privateKey = new Uint8Array(32).fill(7);
  const publicKey = tiPublicKeyOf(privateKey);
  const signed = makeTiOadImage({ code: count(500), softwareVersion: '0002', privateKey, timestamp: 0x5e0be100 });

  it('holds for the platform too, over the bytes that the document names', () => {
    const image = parseTiOadImage(signed);
    const message = Buffer.concat([
      signed.subarray(12, 16),
      signed.subarray(18, 44),
      signed.subarray(44, 44 + 21),
      signed.subarray(44 + 85),
    ]);
    expect(toHex(signedBytesOf(image))).toBe(message.toString('hex'));
    const [x, y] = [publicKey.subarray(1, 33), publicKey.subarray(33)].map((part) =>
      Buffer.from(part).toString('base64url'),
    );
    const key = { key: { kty: 'EC', crv: 'P-256', x: x!, y: y! }, format: 'jwk', dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', message, key, image.security!.signature)).toBe(true);
    expect(toHex(signed.subarray(44, 44 + 13))).toBe('03feffff550000000100e10b5e');
    expect(toHex(image.security!.signer)).toBe(
      createHash('sha256').update(publicKey.subarray(1)).digest('hex').slice(-16),
    );
    expect(tiSignerInfo(publicKey.subarray(1))).toEqual(tiSignerInfo(publicKey));
  });

  it('is checked with the right key, and not with another', () => {
    const image = parseTiOadImage(signed);
    expect(verifyTiOadSignature(image, publicKey)).toBe(true);
    expect(verifyTiOadSignature(image, tiPublicKeyOf(new Uint8Array(32).fill(8)))).toBe(false);
    expect(verifyTiOadSignature(parseTiOadImage(V1), publicKey)).toBe(false);
    expect(codeOf(() => verifyTiOadSignature(image, new Uint8Array(65))).code).toBe('artifact.signature');
    // Status bytes are not signed: the target changes them.
    const marked = broken((bytes) => (bytes[16] = 0xfe), signed);
    expect(verifyTiOadSignature({ ...image, file: marked }, publicKey)).toBe(true);
    expect(verifyTiOadSignature({ ...image, file: broken((b) => (b[400]! ^= 1), signed) }, publicKey)).toBe(false);
  });
});

describe('classic images', () => {
  /** Image B of a CC254x, computed by an independent script. */
  const V8 = Uint8Array.from([...fromHex('8aa3ffff0300000242424242ffffffff'), ...count(2048).slice(16)]);

  it('reads and makes image B of a CC254x', () => {
    expect(parseClassicImage(V8)).toMatchObject({
      kind: 'on-chip',
      crcMatches: true,
      header: { crc0: 0xa38a, version: 3 },
    });
    expect(describeArtifact(V8)).toMatchObject({
      format: 'ti-oad-classic-on-chip',
      images: [{ version: '1' }],
      // Linked for area B: for a device that runs area A.
      hardware: { area: 'A' },
    });
    expect(toHex(makeTiOnChipImage({ image: count(2048), version: 1, area: 'B' }))).toBe(toHex(V8));
  });

  it('makes up the metadata of the off-chip vectors', () => {
    const V6 = Uint8Array.from({ length: 4096 }, (_, i) => (7 * i + 3) & 0xff);
    expect(toHex(encodeClassicHeader(offChipHeaderFor(V6, { address: 0x400 })))).toBe(
      'e163ffff0000000445454545000401ff',
    );
    const V7 = Uint8Array.from({ length: 131_072 }, (_, i) => (i ^ (i >> 8)) & 0xff);
    expect(toHex(encodeClassicHeader(offChipHeaderFor(V7)))).toBe('9da7ffff0000008045454545000001ff');
  });

  it('reads an off-chip image with metadata, and a bare dump of a whole flash', () => {
    const made = makeTiOffChipImage({ image: count(8192), version: 5 });
    expect(describeArtifact(made)).toMatchObject({
      format: 'ti-oad-classic-off-chip',
      images: [{ version: '5' }],
      hardware: { imageType: 1 },
    });
    const dump = new Uint8Array(131_072);
    dump.set(fromHex('00500020 51030000'));
    const described = describeArtifact(dump);
    expect(described).toMatchObject({ format: 'ti-oad-classic-off-chip', hardware: { imageType: 1 } });
    expect(described.images[0]?.version).toBeUndefined();
    expect(toHex(tiOadPayloads(dump).get('header:0')!).slice(4)).toBe('ffff0000008045454545000001ff');
  });

  it.each<[string, Uint8Array, string, string | undefined]>([
    ['a cut file', V8.slice(0, 2032), 'artifact.truncated', 'len'],
    ['a longer file', Uint8Array.from([...V8, 0]), 'artifact.malformed', 'len'],
    ['no CRC', broken((b) => b.fill(0, 0, 2), V8), 'artifact.malformed', 'crc0'],
    [
      'a damaged off-chip image',
      broken((b) => (b[4000]! ^= 1), makeTiOffChipImage({ image: count(8192), version: 5 })),
      'artifact.digest',
      'crc0 (bytes 4 to the end)',
    ],
  ])('refuses %s', (_, bytes, code, field) => {
    expect(codeOf(() => describeArtifact(bytes))).toEqual({ code, field });
  });

  it('a foreign CRC range on-chip is said, not refused', () => {
    const notes = describeArtifact(broken((b) => (b[2000]! ^= 1), V8)).notes.join('; ');
    expect(notes).toContain('the CRC in the file is not over the whole file');
  });
});

describe('MCUboot images of CC23xx and CC27xx', () => {
  /** Header and hash were computed by an independent script. */
  const made = makeMcubootImage({
    body: count(256),
    version: { major: 2, minor: 0, revision: 0, build: 0 },
    headerBytes: 256,
  });

  it('are those of imgtool with a header of 256 bytes', () => {
    expect(toHex(made.subarray(0, 32))).toBe('3db8f396000000000001000000010000000000000200000000000000' + '00000000');
    expect(toHex(made.subarray(512, 520))).toBe('0769280010002000');
    expect(toHex(made.subarray(520))).toBe('b4c610d16d82c82f603f314a86aa99f7e7421ef8081b7f762c4640b407221f3e');
    expect(describeArtifact(made)).toMatchObject({ format: 'mcuboot', protocols: ['smp', 'ti-oad'] });
    expect(tiOadPayloads(made).get('image:0')).toHaveLength(552);
  });

  it('padded to their slot they are for TI targets only, and name no hash', () => {
    const padded = padMcubootToSlot(made, 4096);
    const described = describeArtifact(padded);
    expect(described).toMatchObject({
      format: 'ti-mcuboot-slot',
      protocols: ['ti-oad'],
      images: [{ version: '2.0.0' }],
    });
    expect(described.images[0]).not.toHaveProperty('runningHash');
    expect(tiOadPayloads(padded).get('image:0')).toHaveLength(4096);
    expect(codeOf(() => padMcubootToSlot(made, 560)).code).toBe('artifact.limit');
  });
});
