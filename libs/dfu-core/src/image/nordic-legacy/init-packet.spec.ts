import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { decodeLegacyInitPacket, encodeLegacyInitPacket } from './init-packet.js';
import { makeLegacyInitPacket } from './make-package.js';
import { DAT_05, DAT_05_NAMED, DAT_06, DAT_07, I16, I16_CRC16, I16_SHA256 } from './vectors.fixture.js';

describe('init packets as nrfutil and gen_dat write them', () => {
  it.each([
    ['0.5, all defaults', {}, DAT_05],
    [
      '0.5, everything named',
      { deviceType: 0x52, deviceRevision: 52840, applicationVersion: 1, softdevices: [0xb6, 0x101] },
      DAT_05_NAMED,
    ],
    ['0.6', { dfuVersion: 0.6 as const }, DAT_06],
    ['0.7', { dfuVersion: 0.7 as const }, DAT_07],
  ])('%s', (_, options, expected) => {
    expect(toHex(makeLegacyInitPacket(I16, options))).toBe(toHex(expected));
  });

  it('are read', () => {
    expect(decodeLegacyInitPacket(DAT_05_NAMED)).toMatchObject({
      deviceType: 0x52,
      deviceRevision: 52840,
      applicationVersion: 1,
      softdevices: [0xb6, 0x101],
      extension: { form: 'crc16', crc16: I16_CRC16 },
    });
    expect(decodeLegacyInitPacket(DAT_06).extension).toEqual({ form: 'crc16-with-id', crc16: I16_CRC16 });
    const { extension } = decodeLegacyInitPacket(DAT_07);
    expect(extension).toMatchObject({ form: 'sha256', lengthBytes: 16 });
    expect('sha256' in extension && toHex(extension.sha256)).toBe(I16_SHA256);
    expect(decodeLegacyInitPacket(fromHex('373b'))).toMatchObject({
      softdevices: [],
      extension: { form: 'crc16', crc16: I16_CRC16 },
    });
  });

  it('signed ones say what is signed', () => {
    const bytes = makeLegacyInitPacket(I16, { privateKey: new Uint8Array(32).fill(7) });
    expect(bytes).toHaveLength(12 + 104);
    const { extension, signedBytes } = decodeLegacyInitPacket(bytes);
    expect(extension.form).toBe('signed');
    expect(toHex(signedBytes)).toBe(toHex(bytes.subarray(0, 52)));
    expect(toHex(signedBytes.subarray(0, 12))).toBe(toHex(DAT_07.subarray(0, 12)));
    expect(toHex(signedBytes.subarray(12, 16))).toBe('02000000');
  });

  it.each([
    ['nothing', '', 'at least 12'],
    ['eleven bytes', 'ffffffffffffffff010000', 'at least 12'],
    ['a SoftDevice too many', 'FF FF FF FF FF FF FF FF 02 00 FE FF 37 3B', 'leave 0'],
    ['a list without end', 'FF FF FF FF FF FF FF FF FF FF FE FF 37 3B', '65535'],
    ['another number than its length', 'FF FF FF FF FF FF FF FF 01 00 FE FF 01 00 00 00 37 3B', 'it says 1'],
  ])('refuses %s', (_, hex, text) => {
    expect(() => decodeLegacyInitPacket(fromHex(hex))).toThrow(text);
  });

  it('make the round trip', () => {
    const number16 = fc.nat(0xffff);
    fc.assert(
      fc.property(
        number16,
        number16,
        fc.nat(0xffffffff),
        fc.array(number16, { minLength: 1, maxLength: 5 }),
        number16,
        (deviceType, deviceRevision, applicationVersion, softdevices, crc16) => {
          const packet = {
            deviceType,
            deviceRevision,
            applicationVersion,
            softdevices,
            extension: { form: 'crc16' as const, crc16 },
          };
          expect(decodeLegacyInitPacket(encodeLegacyInitPacket(packet))).toMatchObject(packet);
        },
      ),
    );
  });

  it('any noise gives a packet or an artifact error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), (bytes) => {
        try {
          decodeLegacyInitPacket(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ArtifactError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
