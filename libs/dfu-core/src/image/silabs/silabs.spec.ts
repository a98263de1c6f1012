import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import { describeArtifact } from '../describe.js';
import { openGblSet, silabsPayloads } from './describe.js';
import { looksLikeEbl, parseEbl } from './ebl.js';
import { findApplicationProperties } from './application-properties.js';
import { verifyGblSignature, silabsPublicKeyOf } from './gbl-crypto.js';
import {
  encodeApplicationProperties,
  type GblParts,
  makeBluegigaPackage,
  makeEbl,
  makeGbl,
  makeGblSet,
} from './make.js';
import { parseGbl } from './parse-gbl.js';
import {
  AES_KEY,
  DEPENDENCY,
  ENCRYPTED,
  NONCE,
  PLAIN,
  SIGNED_DIGEST,
  SMALLEST,
  WITH_METADATA_TAIL,
} from './vectors.fixture.js';

const INFO = { type: 0x20, version: 0x01020003, capabilities: 0, productId: '000102030405060708090a0b0c0d0e0f' };
const DATA = fromHex('000102030405060708090a0b0c0d0e0f');
const PARTS: GblParts = { applicationInfo: INFO, programs: [{ address: 0x4000, data: DATA }] };
const PRIVATE_KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);

/** The end tag again, over other bytes. */
function reclosed(file: Uint8Array, change: (body: Uint8Array) => void): Uint8Array {
  const copy = file.slice();
  change(copy);
  new DataView(copy.buffer).setUint32(copy.length - 4, crc32(copy.subarray(0, copy.length - 4)), true);
  return copy;
}

function refusal(bytes: Uint8Array): string {
  try {
    parseGbl(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(ArtifactError);
    return (error as ArtifactError).message;
  }
  throw new Error('it was taken');
}

describe('GBL files made elsewhere', () => {
  it('reads the smallest one', () => {
    expect(parseGbl(SMALLEST)).toMatchObject({ isSigned: false, isEncrypted: false, programs: [], lengthBytes: 28 });
  });

  it('reads application info and program', () => {
    expect(parseGbl(PLAIN)).toMatchObject({
      applicationInfo: INFO,
      programs: [{ kind: 'erase-program', address: 0x4000, data: DATA }],
      isReadable: true,
      lengthBytes: 92,
    });
  });

  it('takes metadata of odd length and the padding behind the end', () => {
    const file = Uint8Array.of(...PLAIN.subarray(0, 80), ...WITH_METADATA_TAIL);
    const gbl = parseGbl(file);
    expect(gbl.lengthBytes).toBe(107);
    expect(gbl.metadata.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['{"v":1}']);
  });

  it('opens an encrypted one with its key, and says so without', () => {
    expect(parseGbl(ENCRYPTED)).toMatchObject({ isEncrypted: true, isReadable: false, programs: [] });
    expect(parseGbl(ENCRYPTED, { aesKey: AES_KEY })).toMatchObject({
      isReadable: true,
      applicationInfo: INFO,
      programs: [{ address: 0x4000, data: DATA }],
    });
    expect(() => parseGbl(ENCRYPTED, { aesKey: new Uint8Array(16) })).toThrow(ArtifactError);
    expect(() => parseGbl(ENCRYPTED, { aesKey: new Uint8Array(32) })).toThrow(ArtifactError);
  });

  it('reads a version dependency', () => {
    const file = makeGbl({ ...PARTS, dependencies: DEPENDENCY.subarray(8) });
    expect(toHex(file.subarray(16, 32))).toBe(toHex(DEPENDENCY));
    expect(parseGbl(file).dependencies).toEqual([{ image: 'application', text: '>= 0x01020000' }]);
  });

  it('our own are byte for byte the same', () => {
    expect(toHex(makeGbl({}))).toBe(toHex(SMALLEST));
    expect(toHex(makeGbl(PARTS))).toBe(toHex(PLAIN));
    expect(toHex(makeGbl({ ...PARTS, encryption: { aesKey: AES_KEY, nonce: NONCE } }))).toBe(toHex(ENCRYPTED));
    const metadata = [new TextEncoder().encode('{"v":1}')];
    expect(toHex(makeGbl({ ...PARTS, metadata }).subarray(80))).toBe(toHex(WITH_METADATA_TAIL));
  });
});

describe('signatures', () => {
  const signed = makeGbl({ ...PARTS, privateKey: PRIVATE_KEY });
  const publicKey = silabsPublicKeyOf(PRIVATE_KEY);

  it('cover the bytes before the signature tag: node agrees', () => {
    const gbl = parseGbl(signed);
    expect(createHash('sha256').update(gbl.signedBytes).digest('hex')).toBe(SIGNED_DIGEST);
    const [x, y] = [publicKey.subarray(0, 32), publicKey.subarray(32)].map((part) =>
      Buffer.from(part).toString('base64url'),
    );
    const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
    expect(verify('sha256', gbl.signedBytes, { key, dsaEncoding: 'ieee-p1363' }, gbl.signature!)).toBe(true);
    expect(verifyGblSignature(gbl, publicKey)).toBe(true);
    expect(verifyGblSignature(gbl, silabsPublicKeyOf(OTHER_KEY))).toBe(false);
  });

  it('do not hold over changed bytes', () => {
    const changed = reclosed(signed, (body) => (body[70] = 0xee));
    expect(verifyGblSignature(parseGbl(changed), publicKey)).toBe(false);
  });

  it('reach through a certificate, only with the right issuer', () => {
    const certificate = { version: 1, publicKey, issuerKey: OTHER_KEY };
    const gbl = parseGbl(makeGbl({ ...PARTS, certificate, privateKey: PRIVATE_KEY }));
    expect(verifyGblSignature(gbl, silabsPublicKeyOf(OTHER_KEY))).toBe(true);
    expect(verifyGblSignature(gbl, publicKey)).toBe(false);
  });

  it('are missing where the header promises one, and are not taken where it denies one', () => {
    expect(refusal(reclosed(PLAIN, (body) => (body[13] = 1)))).toContain('no signature');
    expect(refusal(reclosed(signed, (body) => (body[13] = 0)))).toContain('denies');
  });
});

describe('what is refused', () => {
  it.each<[string, Uint8Array, string]>([
    ['a flipped bit', Uint8Array.from(PLAIN, (byte, at) => (at === 60 ? byte ^ 1 : byte)), 'CRC-32'],
    ['a file cut off', PLAIN.subarray(0, 80), 'needs'],
    ['nothing', new Uint8Array(), 'needs 28'],
    ['bytes behind the end', Uint8Array.of(...PLAIN, 0xff, 0xfe), 'other than 0xff'],
    ['an unknown tag', reclosed(PLAIN, (body) => (body[16] = 0x99)), 'unknown tag'],
    ['another version', reclosed(PLAIN, (body) => (body[11] = 4)), 'not 3'],
    ['two application infos', makeGbl(PARTS).length > 0 ? twice(16, 52) : PLAIN, 'occurs twice'],
    ['application info behind a program', swapped(), 'too late'],
    ['plain contents in an encrypted file', reclosed(PLAIN, (body) => (body[12] = 1)), 'in the open'],
    ['an overlong tag', reclosed(PLAIN, (body) => (body[58] = 9)), 'needs'],
  ])('%s', (_, bytes, sentence) => {
    expect(refusal(bytes)).toContain(sentence);
  });

  function twice(from: number, to: number): Uint8Array {
    const body = [...PLAIN.subarray(0, to), ...PLAIN.subarray(from, PLAIN.length)];
    return reclosed(Uint8Array.from(body), () => undefined);
  }
  function swapped(): Uint8Array {
    const body = [
      ...PLAIN.subarray(0, 16),
      ...PLAIN.subarray(52, 80),
      ...PLAIN.subarray(16, 52),
      ...PLAIN.subarray(80),
    ];
    return reclosed(Uint8Array.from(body), () => undefined);
  }

  it('survives noise, and noise in the middle of real files', () => {
    const files = [
      PLAIN,
      ENCRYPTED,
      makeGbl({ ...PARTS, privateKey: PRIVATE_KEY }),
      makeEbl({ programs: [{ address: 0, data: DATA }] }),
    ];
    const judged = (bytes: Uint8Array): void => {
      try {
        describeArtifact(bytes);
        silabsPayloads(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.nat(),
        (file, changes, cut) => {
          const body = reclosed(file, (copy) => changes.forEach(([at, byte]) => (copy[at % copy.length] = byte)));
          judged(body);
          judged(body.subarray(0, cut % (body.length + 1)));
        },
      ),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        judged(noise);
        judged(Uint8Array.of(...PLAIN.subarray(0, 16), ...noise));
        judged(Uint8Array.of(0, 0, 0, 0x8c, 0, 0, 0xe3, 0x50, ...noise));
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is told of a file', () => {
  it('plain, with what the application says of itself', () => {
    const image = Uint8Array.of(...new Uint8Array(64), ...encodeApplicationProperties({ ...INFO, version: 9 }, 1));
    expect(findApplicationProperties(image)).toMatchObject({ version: 9, signatureType: 'ecdsa-p256' });
    const found = describeArtifact(makeGbl({ applicationInfo: INFO, programs: [{ address: 0, data: image }] }));
    expect(found).toMatchObject({
      format: 'silabs-gbl',
      protocols: ['silabs-ota', 'bgapi-dfu', 'gecko-xmodem'],
      images: [{ kind: 'application', version: String(0x01020003) }],
      hardware: { productId: INFO.productId },
      signatures: [],
    });
    expect(found.notes).toContain('the application is checked at start: ecdsa-p256');
    expect(found.notes.join()).toContain('calls itself version 9');
  });

  it('everything else that a file may hold', () => {
    const found = describeArtifact(
      makeGbl({
        secureElement: { version: 0x010203, blob: new Uint8Array(10) },
        bootloader: { version: 0x02040001, baseAddress: 0x08000000, data: new Uint8Array(8) },
        programs: [
          { address: 0, data: DATA, kind: 'lz4' },
          { address: 0, data: DATA, kind: 'lzma' },
          { address: 0, data: DATA, kind: 'delta' },
        ],
        privateKey: PRIVATE_KEY,
      }),
    );
    expect(found.images[0]?.kind).toBe('secure-element+bootloader+application');
    expect(found.signatures).toEqual([{ scheme: 'ecdsa-p256-sha256', covers: 'image:0' }]);
    expect(found.notes.join('; ')).toMatch(/bootloader 0x02040001.*secure element.*lz4.*lzma.*delta/);
  });

  it('an encrypted one: that it cannot be read', () => {
    const found = describeArtifact(ENCRYPTED);
    expect(found.images[0]?.kind).toBe('encrypted');
    expect(found.notes.join()).toContain('without its key');
  });

  it('the payload leaves out what follows the end, and fills up to 4', () => {
    const file = Uint8Array.of(...PLAIN.subarray(0, 80), ...WITH_METADATA_TAIL, ...new Uint8Array(64).fill(0xff));
    expect(silabsPayloads(file).get('image:0')?.length).toBe(108);
    expect(describeArtifact(file).notes.join()).toContain('65 bytes of padding');
  });

  it('a set of two files, the application last', () => {
    const set = makeGblSet({ first: { name: 'apploader.gbl', file: SMALLEST }, application: PLAIN });
    const found = describeArtifact(set);
    expect(found).toMatchObject({
      format: 'silabs-gbl-set',
      images: [
        { image: 0, member: 'apploader.gbl' },
        { image: 1, member: 'application.gbl' },
      ],
    });
    expect(openGblSet(set)).toHaveLength(2);
    expect([...silabsPayloads(set).values()].map((bytes) => bytes.length)).toEqual([28, 92]);
  });
});

describe('EBL', () => {
  const file = makeEbl({ programs: [{ address: 0x4000, data: new Uint8Array(5000).fill(3) }] });

  it('begins as real files do, and its residue is the one of real files', () => {
    expect(toHex(file.subarray(0, 4))).toBe('0000008c');
    const { lengthBytes, programs } = parseEbl(file);
    expect(crc32(file.subarray(0, lengthBytes))).toBe(0x2144df1c);
    expect(programs.map(({ address }) => address)).toEqual([0x4000, 0x4800, 0x5000]);
    expect(describeArtifact(file)).toMatchObject({ format: 'silabs-ebl', protocols: ['bgapi-dfu', 'gecko-xmodem'] });
  });

  it.each([
    ['a flipped bit', Uint8Array.from(file, (byte, at) => (at === 300 ? byte ^ 1 : byte))],
    ['a file cut off', file.subarray(0, 2000)],
    ['bytes behind the end', Uint8Array.of(...file.subarray(0, parseEbl(file).lengthBytes), 1)],
  ])('refuses %s', (_, bytes) => {
    expect(looksLikeEbl(bytes)).toBe(true);
    expect(() => parseEbl(bytes)).toThrow(ArtifactError);
  });
});

describe('Bluegiga packages', () => {
  it('carry the bytes from 0x1000 on, or a .hex from which they are taken', () => {
    const hex = [':020000040000FA', ':04100000DEADBEEFB4', ':041004000102030 4DE'.replace(' ', ''), ':00000001FF'].join(
      '\n',
    );
    const file = makeBluegigaPackage({ generation: 'ble11x', image: new TextEncoder().encode(hex), fileName: 'p.hex' });
    expect(toHex(silabsPayloads(file).get('image:0')!)).toBe('deadbeef01020304');
    expect(
      describeArtifact(makeBluegigaPackage({ generation: 'ble11x', image: DATA, version: '1.3.2' })),
    ).toMatchObject({
      format: 'bluegiga-ble11x',
      protocols: ['bgapi-dfu'],
      images: [{ version: '1.3.2', sizeBytes: 16 }],
    });
    expect(describeArtifact(makeBluegigaPackage({ generation: 'bt12x', image: DATA }))).toMatchObject({
      format: 'bluegiga-bt12x',
    });
  });

  it.each([
    ['a wrong checksum', ':04100000DEADBEEF00\n:00000001FF'],
    ['no end', ':04100000DEADBEEFB4'],
    ['an address beyond the flash', ':020000040100F9\n:04100000DEADBEEFB4\n:00000001FF'],
    ['no record', ':zz'],
  ])('refuse a .hex with %s', (_, text) => {
    const image = new TextEncoder().encode(text);
    const file = makeBluegigaPackage({ generation: 'ble11x', image, fileName: 'p.hex' });
    expect(() => describeArtifact(file)).toThrow(ArtifactError);
  });

  it('refuse an image that does not fit', () => {
    const file = makeBluegigaPackage({ generation: 'ble11x', image: new Uint8Array(130 * 1024) });
    expect(() => describeArtifact(file)).toThrow(/limit/);
  });
});
