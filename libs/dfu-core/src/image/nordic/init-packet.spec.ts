import { describe, expect, it } from '@jest/globals';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import { decodeInitPacket, encodeInitCommand, encodeInitPacket, FirmwareType, reverseHalves } from './init-packet.js';
import { signNordic } from './signature.js';
import {
  I16,
  INIT_COMMAND,
  RFC6979_PRIVATE_KEY,
  SIGNATURE_ON_WIRE,
  SIGNED_PACKET,
  SIGNED_PACKET_CRC32,
  UNSIGNED_PACKET,
  UNSIGNED_PACKET_CRC32,
} from './vectors.fixture.js';

/** nRF5 SDK 17 dfu-cc.proto, read by a library that knows nothing of ours. */
const schema = protobuf.parse(`
  syntax = "proto2"; package dfu;
  message Hash { required uint32 hash_type = 1; required bytes hash = 2; }
  message BootValidation { required uint32 type = 1; required bytes bytes = 2; }
  message InitCommand {
    optional uint32 fw_version = 1; optional uint32 hw_version = 2; repeated uint32 sd_req = 3 [packed = true];
    optional uint32 type = 4; optional uint32 sd_size = 5; optional uint32 bl_size = 6; optional uint32 app_size = 7;
    optional Hash hash = 8; optional bool is_debug = 9 [default = false]; repeated BootValidation boot_validation = 10;
  }
  message Command { optional uint32 op_code = 1; optional InitCommand init = 2; }
  message SignedCommand { required Command command = 1; required uint32 signature_type = 2; required bytes signature = 3; }
  message Packet { optional Command command = 1; optional SignedCommand signed_command = 2; }`).root;
const Packet = schema.lookupType('dfu.Packet');

const INIT = {
  fwVersion: 1,
  hwVersion: 52,
  sdReq: [0x0101],
  type: FirmwareType.Application,
  sdSizeBytes: 0,
  blSizeBytes: 0,
  appSizeBytes: 16,
  sha256: sha256(I16),
  isDebug: false,
  bootValidation: [{ type: 1, bytes: new Uint8Array() }],
};

/** What protobufjs makes of the same words; `change` may spoil them. */
function foreign(change: Record<string, unknown> = {}, command: Record<string, unknown> = {}): Uint8Array {
  const init = {
    fwVersion: 1,
    hwVersion: 52,
    sdReq: [0x0101],
    type: 0,
    appSize: 16,
    hash: { hashType: 3, hash: sha256(I16).slice().reverse() },
    ...change,
  };
  return Packet.encode(Packet.fromObject({ command: { opCode: 1, init, ...command } })).finish();
}

function refusal(bytes: Uint8Array): ArtifactError {
  try {
    decodeInitPacket(bytes);
  } catch (error) {
    if (error instanceof ArtifactError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('init packet, worked values', () => {
  it('writes the init command byte by byte', () => {
    expect(toHex(encodeInitCommand(INIT))).toBe(toHex(INIT_COMMAND));
  });

  it('writes the unsigned packet', () => {
    const packet = encodeInitPacket(encodeInitCommand(INIT));
    expect(toHex(packet)).toBe(toHex(UNSIGNED_PACKET));
    expect(packet).toHaveLength(68);
    expect(crc32(packet)).toBe(UNSIGNED_PACKET_CRC32);
  });

  it('signs it with the key of RFC 6979 to the very byte', () => {
    const signature = signNordic(INIT_COMMAND, RFC6979_PRIVATE_KEY);
    expect(toHex(signature)).toBe(
      '20ef33a7065eda64e160092db199743e2f180a61d2309b7cc4d8e5d0a4fa3431' +
        '988794e7552c88046cb03f50f266de97e370730d56da98db48a8369058b2a6de',
    );
    expect(toHex(reverseHalves(signature))).toBe(toHex(SIGNATURE_ON_WIRE));
    const packet = encodeInitPacket(INIT_COMMAND, signature);
    expect(toHex(packet)).toBe(toHex(SIGNED_PACKET));
    expect(packet).toHaveLength(139);
    expect(crc32(packet)).toBe(SIGNED_PACKET_CRC32);
  });

  it('reads both', () => {
    const unsigned = decodeInitPacket(UNSIGNED_PACKET);
    expect(unsigned.signature).toBeUndefined();
    expect(unsigned.init).toEqual(INIT);
    expect(toHex(unsigned.signedBytes)).toBe(toHex(INIT_COMMAND));
    const signed = decodeInitPacket(SIGNED_PACKET);
    expect(signed.init).toEqual(INIT);
    expect(toHex(signed.signature!)).toBe(toHex(reverseHalves(SIGNATURE_ON_WIRE)));
    expect(toHex(signed.signedBytes)).toBe(toHex(INIT_COMMAND));
  });
});

describe('init packet against another implementation', () => {
  it('is read by it', () => {
    const read = Packet.toObject(Packet.decode(SIGNED_PACKET)) as {
      signedCommand: { command: { opCode: number; init: Record<string, unknown> } };
    };
    expect(read.signedCommand.command.opCode).toBe(1);
    expect(read.signedCommand.command.init).toMatchObject({
      fwVersion: 1,
      hwVersion: 52,
      sdReq: [0x0101],
      appSize: 16,
    });
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.record({
          fwVersion: fc.nat(0xffffffff),
          hwVersion: fc.nat(0xffffffff),
          sdReq: fc.array(fc.nat(0xffff), { maxLength: 16 }),
          type: fc.integer({ min: 0, max: 4 }),
          appSize: fc.nat(0xffffffff),
          isDebug: fc.boolean(),
        }),
        (words) => {
          const { init } = decodeInitPacket(foreign(words));
          expect(init).toMatchObject({
            fwVersion: words.fwVersion,
            hwVersion: words.hwVersion,
            sdReq: words.sdReq,
            type: words.type,
            appSizeBytes: words.appSize,
            isDebug: words.isDebug,
          });
          expect(toHex(init.sha256)).toBe(toHex(sha256(I16)));
        },
      ),
    );
  });
});

describe('init packet refusals', () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['no command at all', new Uint8Array(), 'one command'],
    ['two commands', Uint8Array.of(...UNSIGNED_PACKET, ...SIGNED_PACKET), 'one command'],
    ['the same command twice', Uint8Array.of(...UNSIGNED_PACKET, ...UNSIGNED_PACKET), 'twice'],
    ['reset instead of init', foreign({}, { opCode: 0 }), 'INIT'],
    ['an unknown firmware type', foreign({ type: 9 }), 'firmware type 9'],
    ['no firmware type', foreign({ type: undefined }), 'missing'],
    ['no hash', foreign({ hash: undefined }), 'missing'],
    ['a CRC as hash', foreign({ hash: { hashType: 1, hash: new Uint8Array(32) } }), 'SHA-256'],
    ['a short hash', foreign({ hash: { hashType: 3, hash: new Uint8Array(20) } }), '20 bytes'],
    ['too many SoftDevices', foreign({ sdReq: Array.from({ length: 17 }, () => 1) }), 'limit'],
    ['a number of more than 32 bits', fromHex('0a 0a 08 ff ff ff ff 1f 12 02 20 00'), '32 bits'],
    ['a message cut off', SIGNED_PACKET.subarray(0, 100), 'cut off'],
    ['a field behind the init command', fromHex('0a 08 12 02 20 00 08 01 18 00'), 'last field'],
  ];
  it.each(cases)('%s', (_, bytes, detail) => {
    const error = refusal(bytes);
    expect(['artifact.malformed', 'artifact.limit']).toContain(error.code);
    expect(error.message).toContain(detail);
  });

  it('a signature of another length or kind', () => {
    const signed = (signatureType: number, length: number): Uint8Array =>
      Packet.encode(
        Packet.fromObject({
          signedCommand: {
            command: (Packet.toObject(Packet.decode(foreign())) as { command: object }).command,
            signatureType,
            signature: new Uint8Array(length),
          },
        }),
      ).finish();
    expect(refusal(signed(0, 63)).message).toContain('63 bytes');
    expect(refusal(signed(1, 64)).message).toContain('ECDSA');
  });

  it('says so of any noise, and of any packet with one byte changed, or takes it', () => {
    const taken = (bytes: Uint8Array): void => {
      try {
        decodeInitPacket(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), taken));
    fc.assert(
      fc.property(fc.nat(SIGNED_PACKET.length - 1), fc.nat(255), (at, byte) => {
        const bytes = SIGNED_PACKET.slice();
        bytes[at] = byte;
        taken(bytes);
      }),
    );
  });
});
