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
    expect(names('serial:/dev/x?framing=raw')).toEqual(['smp']);
    expect(names('serial:/dev/x?via=recovery')).toEqual(['smp']);
    expect(names('ble:AA:BB:CC:DD:EE:FF?identity=node-name')).toEqual(['smp']);
    expect(names('ble:AA:BB:CC:DD:EE:FF?reset=force')).toEqual(['smp']);
    expect(names('serial:/dev/x?hwVersion=52')).toEqual(['secure-dfu']);
    expect(names('serial:/dev/x?softDevice=0x0101')).toEqual(['secure-dfu', 'legacy-serial']);
    expect(names('ble:AA:BB:CC:DD:EE:FF?softDevice=0x64')).toEqual(['secure-dfu', 'legacy-dfu']);
    expect(names('serial:/dev/x?deviceType=82&deviceRevision=52840')).toEqual(['legacy-serial']);
    expect(names('serial:/dev/x?entry=touch')).toEqual(['legacy-serial']);
    expect(names('ble:AA:BB:CC:DD:EE:FF?writes=acknowledged&type=random')).toEqual(['silabs-ota']);
    expect(names('serial:/dev/x?baud=9600&identity=link')).toContain('legacy-serial');
  });

  it('options of two families at once leave nobody', () => {
    expect(() => names('serial:/dev/x?entry=touch&framing=raw')).toThrow(
      /options of the link belong to no protocol that is spoken over serial, or to several at once/,
    );
  });

  it('on a link that says nothing: all that use it, and deliver the file', () => {
    expect(names('serial:/dev/x')).toEqual([
      'gecko-xmodem',
      'smp',
      'secure-dfu',
      'bgapi-dfu',
      'legacy-serial',
      'csr-dfu',
    ]);
    expect(names('serial:/dev/x?variant=hd')).toEqual(['csr-dfu']);
    expect(names('serial:/dev/x', 'silabs-gbl')).toEqual(['gecko-xmodem', 'bgapi-dfu']);
    expect(names('ble:AA:BB:CC:DD:EE:FF', 'silabs-gbl')).toEqual(['silabs-ota']);
    expect(() => names('udp:host:1', 'silabs-gbl')).toThrow(/no protocol/);
  });
});
