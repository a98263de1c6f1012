/** Advertising reports as controllers send them: Bluetooth Core 5.2, Vol 4 Part E, 7.7.65.2. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StatedAddresses } from './stated-addresses.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** From aa:00:00:00:00:01: flags, name OTA, own address 11:22:33:44:55:66 (as the AppLoader of Silicon Labs). */
const DATA = '02 01 06 04 09 4f 54 41 08 1b 66 55 44 33 22 11 00';
const REPORT = `00 01 01 00 00 00 00 aa 11 ${DATA} c4`;

describe('addresses that devices state', () => {
  it('are known from the advertisement, not from the scan response, and forgotten with it', () => {
    const stated = new StatedAddresses();
    stated.note(hex(`04 3e 1d 02 01 ${REPORT}`));
    expect(stated.of('AA:00:00:00:00:01')).toBe('11:22:33:44:55:66');
    stated.note(hex('04 3e 0f 02 01 04 01 01 00 00 00 00 aa 03 02 0a 00 c4'));
    expect(stated.of('aa:00:00:00:00:01')).toBe('11:22:33:44:55:66');
    stated.note(hex('04 3e 0f 02 01 00 01 01 00 00 00 00 aa 03 02 01 06 c4'));
    expect(stated.of('aa:00:00:00:00:01')).toBeUndefined();
  });

  it('are read from the second report too', () => {
    const stated = new StatedAddresses();
    stated.note(hex(`04 3e 2a 02 02 00 01 02 00 00 00 00 aa 03 02 01 06 c4 ${REPORT}`));
    expect(stated.of('aa:00:00:00:00:01')).toBe('11:22:33:44:55:66');
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        const stated = new StatedAddresses();
        stated.note(Buffer.from(noise));
        stated.note(Buffer.concat([hex('04 3e 1d 02 01 00 01 01 00 00 00 00 aa'), Buffer.from(noise)]));
        expect(stated.of('aa:00:00:00:00:01') ?? '00:00:00:00:00:00').toMatch(/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/);
      }),
    );
  });
});
