import { describe, expect, it } from '@jest/globals';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify as nodeVerify,
  constants,
} from 'node:crypto';
import fc from 'fast-check';
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { ImageFlag, TlvType } from './format.js';
import {
  checkMcubootImage,
  compareMcubootVersions,
  describeMcubootImage,
  formatMcubootVersion,
  looksLikeMcubootImage,
  makeMcubootImage,
  mcubootPublicKeyOf,
  parseMcubootImage,
  parseMcubootPublicKey,
  parseMcubootVersion,
} from './index.js';

/** Images from outside our code: accepted by Zephyr 4.4.0 (A), signed with imgtool's conventions (B). */
const IMAGE_A = fromHex(
  `3db8f3960000000020000000100000000000000001020300 0400000000000000 000102030405060708090a0b0c0d0e0f
   076928001000200004cbb04cff0327ca1d27929d4af2c825fb1d13bdb48fd5fdd935263b6e42d4b3`,
);
const IMAGE_B = fromHex(
  `3db8f3960000000020001c001000000000000000010204000000000000000000 000102030405060708090a0b0c0d0e0f
   08691c00 50000400 07000000 40000c00 01000000 0200000000000000 07699000
   10002000 94754211c57d6bed22b8f184fa90af18a59c65c2251bf4e4a7b4f15928615ca7
   01002000 a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5
   24004000 5204b84e53584f12ba3a40a30e7b159c08865281a61b46aab71e2b22d0c9c4b9
   1cb654e6fa347b2ca42ebdf51c2f04983f294b7cc028b5671226f8903346b407`,
);
const KEY_B = { kind: 'ed25519', secret: Uint8Array.from({ length: 32 }, (_, i) => i) } as const;
const SPKI_B = fromHex('302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8');
const SIGNED_B = toHex(IMAGE_B.subarray(0, 76));
const BODY = Uint8Array.from({ length: 16 }, (_, i) => i);
const VERSION_A = { major: 1, minor: 2, revision: 3, build: 4 };
const VERSION_B = { major: 1, minor: 2, revision: 4, build: 0 };

function trusted(der: Uint8Array) {
  const key = parseMcubootPublicKey(der);
  if (!key) throw new Error('no key');
  return key;
}

/** @returns code and field of the refusal. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ArtifactError)
      return `${error.code} ${String(error.params['field'] ?? error.params['detail'])}`;
    throw error;
  }
  return 'taken';
}

function changed(file: Uint8Array, changes: Record<number, number>): Uint8Array {
  const copy = file.slice();
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

describe('images from outside', () => {
  it('reads and makes the unsigned image byte for byte', () => {
    expect(toHex(makeMcubootImage({ body: BODY, version: VERSION_A }))).toBe(toHex(IMAGE_A));
    expect(describeMcubootImage(IMAGE_A)).toEqual({
      format: 'mcuboot',
      protocols: ['smp', 'ti-oad'],
      sha256: '0898b398c2999332b1bcb9e49a3659ddb780f361ca06973d2b789bcd84e6d2f2',
      sizeBytes: 88,
      images: [
        {
          image: 0,
          kind: 'application',
          version: '1.2.3+4',
          sizeBytes: 88,
          runningHash: '04cbb04cff0327ca1d27929d4af2c825fb1d13bdb48fd5fdd935263b6e42d4b3',
          sha256: '0898b398c2999332b1bcb9e49a3659ddb780f361ca06973d2b789bcd84e6d2f2',
        },
      ],
      signatures: [],
      hardware: {},
      notes: ['header of 32 bytes', 'INSECURE: the image is not signed'],
    });
  });

  it('reads, verifies and makes the signed image with protected TLVs byte for byte', () => {
    const made = makeMcubootImage({
      body: BODY,
      version: VERSION_B,
      securityCounter: 7,
      dependencies: [{ image: 1, minimum: { major: 2, minor: 0, revision: 0, build: 0 } }],
      key: KEY_B,
    });
    expect(toHex(made)).toBe(toHex(IMAGE_B));
    expect(toHex(mcubootPublicKeyOf(KEY_B))).toBe(toHex(SPKI_B));
    const checked = checkMcubootImage(IMAGE_B, { trustedKeys: [trusted(SPKI_B)] });
    expect(checked).toMatchObject({ securityCounter: 7, dependencies: [{ image: 1, minimum: { major: 2 } }] });
    expect(checked.signedBy?.kind).toBe('ed25519');
    const description = describeMcubootImage(IMAGE_B);
    expect(description.sha256).toBe('45b985938acd6452d787d68b56b9d99cb96ac2c35100b42a1413c1b7ef7952e9');
    expect(description.notes).toEqual(['header of 32 bytes', 'security counter 7', 'needs image 1 at 2.0.0 or later']);
    expect(description.signatures).toEqual([
      {
        scheme: 'ed25519',
        covers: 'application',
        keyHash: 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5',
      },
    ]);
  });
});

describe('the checks, in their order', () => {
  const checks = (file: Uint8Array, options = {}) => refusal(() => checkMcubootImage(file, options));

  it.each([
    ['1 short', IMAGE_A.subarray(0, 31), 'artifact.truncated header'],
    ['1 magic', changed(IMAGE_A, { 0: 0 }), 'artifact.malformed magic'],
    ['1 legacy', changed(IMAGE_A, { 0: 0x3c }), 'artifact.malformed magic'],
    ['2 header size', changed(IMAGE_A, { 8: 31 }), 'artifact.malformed hdr_size'],
    ['2 image size', changed(IMAGE_A, { 15: 0xff }), 'artifact.truncated img_size'],
    ['2 cut', IMAGE_A.subarray(0, 50), 'artifact.truncated img_size'],
    ['3 protected, header says none', changed(IMAGE_B, { 10: 0 }), 'artifact.malformed protect_tlv_size'],
    ['3 protected, other size', changed(IMAGE_B, { 10: 0x18 }), 'artifact.malformed protect_tlv_size'],
    ['3 protected, no such block', changed(IMAGE_A, { 10: 4 }), 'artifact.malformed protected TLV block magic'],
    ['4 magic', changed(IMAGE_A, { 48: 0 }), 'artifact.malformed TLV block magic'],
    ['4 total too large', changed(IMAGE_A, { 50: 0x29 }), 'artifact.truncated TLV block'],
    ['4 total too small', changed(IMAGE_A, { 50: 3 }), 'artifact.malformed TLV block total'],
    ['4 TLV crosses the end', changed(IMAGE_A, { 54: 0x21 }), 'artifact.malformed TLV 0x10 length'],
    ['4 header crosses the end', changed(IMAGE_A, { 54: 0x1e }), 'artifact.malformed TLV block end'],
    ['5 no hash', changed(IMAGE_A, { 52: 0xa0 }), 'artifact.malformed hash TLV'],
    ['5 hash of another kind', changed(IMAGE_A, { 52: 0x12 }), 'artifact.malformed Sha512 TLV'],
    ['5 body', changed(IMAGE_A, { 40: 0xff }), 'artifact.digest image hash (Sha256 TLV at 52)'],
    ['5 version in the header', changed(IMAGE_A, { 20: 2 }), 'artifact.digest image hash (Sha256 TLV at 52)'],
    ['7 trailing', Uint8Array.from([...IMAGE_A, 0]), 'artifact.malformed trailing bytes'],
  ])('%s', (_, file, expected) => expect(checks(file)).toBe(expected));

  it('5: a second hash', () => {
    const protectedHash = makeMcubootImage({ body: BODY, version: VERSION_A });
    const tlv = protectedHash.subarray(52);
    const twice = Uint8Array.from([...protectedHash.subarray(0, 48), 0x07, 0x69, 4 + 36 + 36, 0, ...tlv, ...tlv]);
    expect(checks(twice)).toBe('artifact.malformed hash TLV');
  });

  it('5: an encrypted image keeps its hash unchecked and says so', () => {
    const file = changed(makeMcubootImage({ body: BODY, version: VERSION_A, flags: ImageFlag.EncryptedAes128 }), {
      40: 0xff,
    });
    expect(describeMcubootImage(file).notes.join()).toContain('encrypted with AES-128');
    expect(checks(file, { trustedKeys: [trusted(SPKI_B)] })).toMatch(/^artifact.signature .*encrypted/);
  });

  it('6: unsigned, signed by another, and damaged signatures', () => {
    const other = mcubootPublicKeyOf({ kind: 'ed25519', secret: new Uint8Array(32).fill(9) });
    expect(checks(IMAGE_A, { trustedKeys: [trusted(SPKI_B)] })).toBe(
      'artifact.signature the image carries no signature',
    );
    expect(checks(IMAGE_B, { trustedKeys: [trusted(other)] })).toBe(
      'artifact.signature no signature is by a trusted key',
    );
    expect(checks(IMAGE_B, { trustedKeys: [] })).toBe('artifact.signature no signature is by a trusted key');
    const damaged = changed(IMAGE_B, { [IMAGE_B.length - 1]: 0 });
    expect(checks(damaged, { trustedKeys: [trusted(SPKI_B)] })).toMatch(/does not match the image$/);
    expect(checks(damaged)).toBe('taken'); // nobody to trust was named
  });

  const MAGIC_8 = fromHex('77c295f360d2ef7f3552500f2cb67980');
  const MAGIC_32 = fromHex('20002de15d29410b8d77679c110f1f8a');
  it.each([
    ['8-byte alignment', [...new Uint8Array(64).fill(0xff), ...MAGIC_8]],
    ['32-byte alignment', [...new Uint8Array(64).fill(0xff), ...MAGIC_32]],
    ['confirmed', [...new Uint8Array(64).fill(0xff).fill(1, 56, 57), ...MAGIC_8]],
  ])('7: a slot trailer (%s) is refused by name, unless padding is asked for', (_, trailing) => {
    const padded = Uint8Array.from([...IMAGE_A, ...trailing]);
    expect(checks(padded)).toBe('artifact.malformed slot trailer');
    expect(checks(padded, { allowPadded: true })).toBe('taken');
    expect(checks(changed(padded, { 90: 0x55 }), { allowPadded: true })).toBe('artifact.malformed trailing bytes');
  });

  it('8 to 10: slot size, version, security counter, dependency, manifest', () => {
    expect(checks(IMAGE_B, { slotBytes: 219 })).toBe('artifact.limit size for the slot');
    expect(checks(IMAGE_B, { slotBytes: 220 })).toBe('taken');
    expect(checks(IMAGE_B, { notOlderThan: { ...VERSION_B, build: 1 } })).toBe('artifact.downgrade version');
    expect(checks(IMAGE_B, { notOlderThan: VERSION_B })).toBe('taken');
    expect(checks(IMAGE_B, { securityCounterAtLeast: 8 })).toBe('artifact.downgrade security counter');
    expect(checks(IMAGE_A, { securityCounterAtLeast: 1 })).toBe('artifact.downgrade security counter');
    const two = { major: 2, minor: 0, revision: 0, build: 0 };
    expect(checks(IMAGE_B, { otherImages: new Map() })).toBe('artifact.requires Dependency TLV');
    expect(checks(IMAGE_B, { otherImages: new Map([[1, VERSION_B]]) })).toBe('artifact.requires Dependency TLV');
    expect(checks(IMAGE_B, { otherImages: new Map([[1, two]]) })).toBe('taken');
    expect(checks(IMAGE_B, { declaredBytes: 219 })).toBe('artifact.malformed manifest size');
    const fixed = makeMcubootImage({ body: BODY, version: VERSION_A, flags: ImageFlag.RomFixed, loadAddress: 0x10000 });
    expect(checks(fixed, { declaredLoadAddress: 0x20000 })).toBe('artifact.malformed manifest load_address');
  });
});

describe('signatures of other kinds', () => {
  it('ECDSA P-256: made here, verified by OpenSSL and here; zero padding of old tools is tolerated', () => {
    const key = { kind: 'ecdsa-p256', secret: new Uint8Array(32).fill(5) } as const;
    const file = makeMcubootImage({ body: BODY, version: VERSION_A, headerBytes: 0x200, key });
    const der = mcubootPublicKeyOf(key);
    expect(checkMcubootImage(file, { trustedKeys: [trusted(der)] }).signedBy?.kind).toBe('ecdsa-p256');
    const image = parseMcubootImage(file);
    const signature = image.tlvs.find(({ type }) => type === TlvType.Ecdsa)?.value ?? new Uint8Array();
    const publicKey = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    expect(nodeVerify('sha256', image.hashedRegion, publicKey, signature)).toBe(true);

    const pad = 72 - signature.length;
    const old = Uint8Array.from([...file, ...new Uint8Array(pad)]);
    const view = new DataView(old.buffer);
    view.setUint16(0x210 + 2, view.getUint16(0x210 + 2, true) + pad, true);
    view.setUint16(0x214 + 36 + 36 + 2, 72, true);
    expect(checkMcubootImage(old, { trustedKeys: [trusted(der)] }).signedBy).toBeDefined();
  });

  it('ECDSA P-384 and pure Ed25519 made with OpenSSL', () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const der = Uint8Array.from(p384.publicKey.export({ format: 'der', type: 'spki' }));
    const unsigned = makeMcubootImage({ body: BODY, version: VERSION_A, hash: 'sha384' });
    const signed = withTlv(
      unsigned,
      TlvType.Ecdsa,
      sign('sha384', parseMcubootImage(unsigned).hashedRegion, p384.privateKey),
    );
    expect(checkMcubootImage(signed, { trustedKeys: [trusted(der)] }).signatures[0]?.scheme).toBe('ecdsa-p384-sha384');

    const seed = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(KEY_B.secret)]);
    const edKey = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' });
    const bare = makeMcubootImage({
      body: BODY,
      version: VERSION_A,
      protectedTlvs: [{ type: TlvType.SignaturePure, value: Uint8Array.of(1) }],
    });
    const pure = withTlv(bare, TlvType.Ed25519, sign(null, parseMcubootImage(bare).hashedRegion, edKey));
    expect(checkMcubootImage(pure, { trustedKeys: [trusted(SPKI_B)] }).signatures[0]?.pure).toBe(true);
  });

  it('RSA-2048 PSS goes to the function of the caller', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = Uint8Array.from(publicKey.export({ format: 'der', type: 'pkcs1' }));
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const unsigned = makeMcubootImage({ body: BODY, version: VERSION_A });
    const file = withTlv(
      withTlv(unsigned, TlvType.KeyHash, sha256(der)),
      TlvType.Rsa2048Pss,
      sign('sha256', parseMcubootImage(unsigned).hashedRegion, { key: privateKey, ...pss }),
    );
    const verifyRsaPss = (key: Uint8Array, message: Iterable<Uint8Array>, signature: Uint8Array) =>
      nodeVerify(
        'sha256',
        Buffer.concat([...message]),
        { key: Buffer.from(key), format: 'der', type: 'pkcs1', ...pss },
        signature,
      );
    const trustedKeys = [trusted(der)];
    expect(checkMcubootImage(file, { trustedKeys, verifyRsaPss }).signedBy?.kind).toBe('rsa');
    expect(refusal(() => checkMcubootImage(file, { trustedKeys }))).toBe(
      'artifact.signature RSA signatures cannot be checked here',
    );
    expect(refusal(() => checkMcubootImage(withTlv(unsigned, TlvType.Rsa2048Pss, new Uint8Array(255))))).toMatch(
      /^artifact.malformed/,
    );
  });

  it('a published test key is called insecure', () => {
    const keyHash = fromHex('e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6');
    const unsigned = makeMcubootImage({ body: BODY, version: VERSION_A });
    const file = withTlv(
      withTlv(unsigned, TlvType.KeyHash, keyHash),
      TlvType.Ecdsa,
      new Uint8Array(70).fill(0x30, 0, 1),
    );
    expect(describeMcubootImage(file).notes).toContain(
      'INSECURE: signed with the published MCUboot test key root-ec-p256',
    );
  });

  it('knows no other kinds of key', () => {
    expect(parseMcubootPublicKey(SPKI_B.subarray(1))).toBeUndefined();
    expect(parseMcubootPublicKey(new Uint8Array())).toBeUndefined();
  });
});

describe('versions', () => {
  it('reads the spellings of imgtool and of the image list', () => {
    expect(parseMcubootVersion('1.2.3.4')).toEqual(VERSION_A);
    expect(parseMcubootVersion('1.2.3+4')).toEqual(VERSION_A);
    expect(parseMcubootVersion('1.2.4')).toEqual(VERSION_B);
    for (const text of ['<???>', '1.2', '256.0.0', '1.0.65536', '1.0.0+4294967296', '']) {
      expect(parseMcubootVersion(text)).toBeUndefined();
    }
    expect(formatMcubootVersion(VERSION_A)).toBe('1.2.3+4');
    expect(formatMcubootVersion(VERSION_B)).toBe('1.2.4');
    expect(compareMcubootVersions(VERSION_A, VERSION_B)).toBeLessThan(0);
  });
});

describe('noise', () => {
  it('any bytes give an image or an ArtifactError', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 260 }).map((rest) => Uint8Array.from([0x3d, 0xb8, 0xf3, 0x96, ...rest])),
      fc
        .tuple(fc.nat(219), fc.integer({ min: 0, max: 255 }), fc.nat(220))
        .map(([at, value, cut]) => changed(IMAGE_B, { [at]: value }).subarray(0, cut % 3 === 0 ? cut : 220)),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        looksLikeMcubootImage(bytes);
        const outcome = refusal(() => describeMcubootImage(bytes, { trustedKeys: [trusted(SPKI_B)] }));
        // Whatever is taken is the very image that was signed; only the naming of its key lies outside the signature.
        return outcome !== 'taken' || toHex(parseMcubootImage(bytes).hashedRegion) === SIGNED_B;
      }),
      { numRuns: 3000 },
    );
  });

  it('what is made is read back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 32, max: 600 }),
        fc.constantFrom('sha256', 'sha384', 'sha512'),
        fc.option(fc.nat(), { nil: undefined }),
        (body, headerBytes, hash, securityCounter) => {
          const parts = { body, headerBytes, hash, version: VERSION_A, key: KEY_B };
          const file = makeMcubootImage({ ...parts, ...(securityCounter !== undefined && { securityCounter }) });
          const checked = checkMcubootImage(file, { trustedKeys: [trusted(SPKI_B)] });
          expect(toHex(checked.image.body)).toBe(toHex(body));
          expect(checked.securityCounter).toBe(securityCounter);
        },
      ),
      { numRuns: 50 },
    );
  });
});

/** Adds a TLV to the last block of an unpadded image. */
function withTlv(file: Uint8Array, type: number, value: Uint8Array): Uint8Array {
  const { hashedRegion } = parseMcubootImage(file);
  const longer = Uint8Array.from([...file, type, 0, value.length & 0xff, value.length >> 8, ...value]);
  const view = new DataView(longer.buffer);
  view.setUint16(hashedRegion.length + 2, longer.length - hashedRegion.length, true);
  return longer;
}
