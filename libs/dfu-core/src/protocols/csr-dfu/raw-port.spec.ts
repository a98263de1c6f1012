import { describe, expect, it } from '@jest/globals';
import { csrRawPort } from './raw-port.js';

describe('whether a module said something of its own', () => {
  it.each([
    // SYNC as CSR's documents spell it, in two pieces.
    ['a SYNC in two pieces', ['c0404100', '7edadcededa97ac0'], true],
    ['a SYNC without CRC behind noise', ['ff00c000', '4100bedadcededc0'], true],
    ['noise', ['ffffffffff', '00'], false],
    ['frames whose header does not add up', ['c04041007fdadcededa97ac0', 'c0c0'], false],
    ['Melody’s command line', ['4f4b0d0a'], false],
  ])('%s: %s', (_, pieces, expected) => {
    const listener = csrRawPort.listener();
    const heard = pieces.map((piece) => listener(Uint8Array.from(Buffer.from(piece, 'hex'))));
    expect(heard.includes(true)).toBe(expected);
  });
});
