/** Pairing functions by the specification's own examples, and a device that says anything at all. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DrydockError } from '@drydock/dfu-core';
import { pairByJustWorks } from './pairing.js';
import { c1, s1 } from './pairing-functions.js';

/** As the specification prints numbers: most significant byte first. */
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex').reverse();

describe('functions', () => {
  it('c1, Bluetooth Core 5.2, Vol 3 Part H, 2.2.3', () => {
    const confirm = c1(
      new Uint8Array(16),
      bytes('5783d52156ad6f0e6388274ec6702ee0'),
      bytes('07071000000101'),
      bytes('05000800000302'),
      {
        initiator: bytes('a1a2a3a4a5a6'),
        initiatorIsRandom: true,
        responder: bytes('b1b2b3b4b5b6'),
        responderIsRandom: false,
      },
    );
    expect(confirm.toString('hex')).toBe(bytes('1e1e3fef878988ead2a74dc5bef13b86').toString('hex'));
  });

  it('s1, Bluetooth Core 5.2, Vol 3 Part H, 2.2.4', () => {
    const key = s1(
      new Uint8Array(16),
      bytes('000f0e0d0c0b0a091122334455667788'),
      bytes('010203040506070899aabbccddeeff00'),
    );
    expect(key.toString('hex')).toBe(bytes('9a1fe1f0e8b0f49b5b4216ae796da062').toString('hex'));
  });
});

describe('a device that answers anything', () => {
  it('gives a bond or a typed error, never anything else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 }), async (answers) => {
        const queue = [Uint8Array.of(2, 3, 0, 1, 16, 0, 1), ...answers];
        const parties = {
          initiator: bytes('a1a2a3a4a5a6'),
          initiatorIsRandom: true,
          responder: bytes('b1b2b3b4b5b6'),
          responderIsRandom: false,
        };
        await pairByJustWorks({
          parties,
          send: () => undefined,
          receive: () => Promise.resolve(Buffer.from(queue.shift() ?? [5, 8])),
          encrypt: () => Promise.resolve(),
        }).catch((error: unknown) => expect(error).toBeInstanceOf(DrydockError));
      }),
      { numRuns: 200 },
    );
  });
});
