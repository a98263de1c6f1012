/** Who is asked on a link: as its spelling and the file's format say. */
import { describe, expect, it } from '@jest/globals';
import { candidateProtocols } from './candidate-protocols.js';

const names = (link: string, format?: string): string[] =>
  candidateProtocols(link, undefined, format).map(({ name }) => name);

describe('protocols worth trying', () => {
  it('on a link whose options belong to one family: only that one', () => {
    expect(names('serial:/dev/x?framing=console')).toEqual(['smp']);
    expect(names('serial:/dev/x?baud=115200&framing=robust')).toEqual(['bgapi-dfu', 'gecko-xmodem']);
    expect(names('serial:/dev/x?generation=ble11x')).toEqual(['bgapi-dfu', 'gecko-xmodem']);
    expect(names('serial:/dev/x?application=bgapi')).toEqual(['gecko-xmodem']);
  });

  it('on a link that says nothing: all that use it, and deliver the file', () => {
    expect(names('serial:/dev/x')).toEqual(expect.arrayContaining(['smp', 'bgapi-dfu', 'gecko-xmodem']));
    expect(names('serial:/dev/x', 'silabs-gbl')).toEqual(['bgapi-dfu', 'gecko-xmodem']);
    expect(names('ble:AA:BB:CC:DD:EE:FF', 'silabs-gbl')).toEqual(['silabs-ota']);
    expect(() => names('udp:host:1', 'silabs-gbl')).toThrow(/no protocol/);
  });
});
