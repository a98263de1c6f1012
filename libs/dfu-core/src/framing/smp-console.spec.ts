import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../bytes/hex.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { crc16Xmodem } from './crc16.js';
import { ConsoleAssembler, type ConsoleEvent, encodeConsolePacket } from './smp-console.js';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const ECHO = fromHex('0a00000600000000a16164626869');
const ECHO_LINE = '\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n';

function messages(events: readonly ConsoleEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'message' ? [toHex(event.bytes)] : []));
}

function damaged(events: readonly ConsoleEvent[]): number {
  return events.filter(({ kind }) => kind === 'damaged').length;
}

describe('CRC-16/XMODEM', () => {
  it('gives the check value, and 0 over message and CRC', () => {
    expect(crc16Xmodem(ascii('123456789'))).toBe(0x31c3);
    expect(crc16Xmodem(fromHex('0200000600000000a16164626869'))).toBe(0x0917);
    expect(crc16Xmodem(ECHO)).toBe(0xe27c);
    expect(crc16Xmodem(fromHex('0800000100000106a0'))).toBe(0x4423);
    expect(crc16Xmodem(Uint8Array.from([...ECHO, 0xe2, 0x7c]))).toBe(0);
    expect(crc16Xmodem(ascii('6789'), crc16Xmodem(ascii('12345')))).toBe(0x31c3);
  });
});

describe('base64', () => {
  it('agrees with the platform on any bytes, and refuses what is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeBase64(bytes);
        expect(Buffer.from(text).toString()).toBe(Buffer.from(bytes).toString('base64'));
        expect(toHex(decodeBase64(text) ?? ascii('?'))).toBe(toHex(bytes));
      }),
      { numRuns: 300 },
    );
    for (const text of ['A', 'AB', 'ABC', 'A===', 'AB=C', '====', 'AA==AAAA', 'AB C', 'AB-_']) {
      expect(decodeBase64(ascii(text))).toBeUndefined();
    }
  });
});

describe('packets', () => {
  it('is spelled as the document says', () => {
    expect(encodeConsolePacket(ECHO)).toEqual(ascii(ECHO_LINE));
  });

  // Message size and the lengths of its lines.
  it.each([
    [86, [123]],
    [87, [127]],
    [89, [127]],
    [90, [127, 7]],
    [92, [127, 7]],
    [93, [127, 11]],
  ])('%i bytes take lines of %j', (size, lengths) => {
    const lines = Buffer.from(encodeConsolePacket(new Uint8Array(size)))
      .toString('latin1')
      .split(/(?<=\n)/);
    expect(lines.map((line) => line.length)).toEqual(lengths);
  });

  it('refuses a message that its length cannot announce', () => {
    expect(() => encodeConsolePacket(new Uint8Array(0xfffe))).toThrow(RangeError);
  });
});

describe('assembler', () => {
  const read = (text: string): ConsoleEvent[] => new ConsoleAssembler().push(ascii(text));

  it.each<[string, string, number, number]>([
    ['one line', ECHO_LINE, 1, 0],
    ['carriage return before the end', ECHO_LINE.replace('\n', '\r\n'), 1, 0],
    ['log text before, behind and without end', `*** Booting ***\r\nuart:~$ ${ECHO_LINE}[00:01] log\nmore`, 1, 0],
    ['two packets', ECHO_LINE + ECHO_LINE, 2, 0],
    ['lines shorter than full', '\x06\x09ABAK\n\x04\x14AAAGAAAA\nlog\n\x04\x14AKFhZGJoaeJ8\n', 1, 0],
    ['a start that begins anew', `\x06\x09ABAK\n${ECHO_LINE}`, 1, 1],
    ['a line cut by the next start', `\x06\x09ABAKAA${ECHO_LINE}`, 1, 1],
    ['a continuation without start', `\x04\x14AAAG\n${ECHO_LINE}`, 1, 1],
    ['a wrong CRC', ECHO_LINE.replace('eJ8', 'eJ9'), 0, 1],
    ['more than announced', ECHO_LINE.replace('\n', 'AAAA\n'), 0, 1],
    ['characters that are no base64', ECHO_LINE.replace('AAAG', 'A*AG'), 0, 1],
    ['a line that is no multiple of four', ECHO_LINE.replace('AAAG', 'AAG'), 0, 1],
    ['a length that holds not even the CRC', '\x06\x09AAE=\n', 0, 1],
    ['a line without end', `\x06\x09${'A'.repeat(5000)}\n${ECHO_LINE}`, 1, 1],
  ])('%s', (_, text, good, bad) => {
    const events = read(text);
    expect([messages(events), damaged(events)]).toEqual([new Array(good).fill(toHex(ECHO)), bad]);
  });

  it('forgets what was begun', () => {
    const assembler = new ConsoleAssembler();
    assembler.push(ascii('\x06\x09ABAK\n\x04\x14AA'));
    assembler.clear();
    expect(assembler.push(ascii(`AG\n${ECHO_LINE}`))).toEqual([{ kind: 'message', bytes: ECHO }]);
  });

  it('finds any messages again, cut anywhere, with log lines between them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }),
        (contents, cuts) => {
          const text = contents
            .map((message) => `log\r\n${Buffer.from(encodeConsolePacket(message)).toString('latin1')}`)
            .join('');
          const assembler = new ConsoleAssembler();
          const events: ConsoleEvent[] = [];
          for (let at = 0, i = 0; at < text.length; i++) {
            const end = at + (cuts[i % cuts.length] ?? 1);
            events.push(...assembler.push(ascii(text.slice(at, end))));
            at = end;
          }
          expect(messages(events)).toEqual(contents.map(toHex));
          expect(damaged(events)).toBe(0);
        },
      ),
      { numRuns: 700 },
    );
  });

  it('never takes damage for a message', () => {
    const packet = encodeConsolePacket(Uint8Array.from({ length: 200 }, (_, i) => i));
    const original = toHex(Uint8Array.from({ length: 200 }, (_, i) => i));
    fc.assert(
      fc.property(
        fc.nat(packet.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.uint8Array({ maxLength: 60 }),
        (at, mask, noise) => {
          const wire = packet.slice();
          wire[at] = (wire[at] ?? 0) ^ mask;
          const assembler = new ConsoleAssembler();
          const events = [
            ...assembler.push(noise),
            ...assembler.push(wire),
            ...assembler.push(ascii(`\n${ECHO_LINE}`)),
          ];
          // One flipped character changes at most six neighbouring bits: CRC-16 sees each such change.
          for (const message of messages(events)) expect([original, toHex(ECHO)]).toContain(message);
          expect(messages(events)).toContain(toHex(ECHO));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
