import { describe, expect, it } from '@jest/globals';
import { linkLane, parseLinkName } from './parse-link.js';

describe('parseLinkName', () => {
  it('reads the three kinds', () => {
    expect(parseLinkName('serial:/dev/ttyUSB0?baud=115200&framing=console')).toMatchObject({
      kind: 'serial',
      path: '/dev/ttyUSB0',
      line: { baud: 115_200 },
      options: { framing: 'console' },
    });
    expect(
      parseLinkName('serial:/dev/ttyS1?baud=9600&parity=even&dataBits=7&stopBits=2&rtscts=on&dtr=0'),
    ).toMatchObject({
      line: { baud: 9600, parity: 'even', dataBits: 7, stopBits: 2, rtscts: true },
      dtr: false,
      rts: undefined,
    });
    expect(parseLinkName('ble:AA:BB:CC:DD:EE:FF?type=random')).toMatchObject({
      kind: 'ble',
      address: 'aa:bb:cc:dd:ee:ff',
      addressType: 'random',
    });
    expect(parseLinkName('udp:[2001:db8::7]:1337')).toMatchObject({ kind: 'udp', host: '2001:db8::7', port: 1337 });
    expect(parseLinkName('udp:host.example:1')).toMatchObject({ host: 'host.example', port: 1 });
  });

  it.each([
    ['usb:1', 'expected serial:'],
    ['serial:', 'expected serial:'],
    ['serial:/dev/x?speed=9600', 'unknown option speed; known: baud'],
    ['serial:/dev/x?baud=fast', 'baud=fast is no baud rate'],
    ['serial:/dev/x?baud=9600&baud=1', 'given twice'],
    ['serial:/dev/x?parity=even', 'need baud'],
    ['serial:/dev/x?baud=9600&framing=slip', 'one of console, raw'],
    ['serial:/dev/x?generation=efr31', 'one of efr32, bt12x, ble11x'],
    ['serial:/dev/x?bootbaud=fast', 'bootbaud=fast is no baud rate'],
    ['ble:AA:BB:CC:DD:EE:FF?apploader=AA', 'apploader must look like'],
    ['udp:host:1?framing=robust', 'one of console, raw'],
    ['ble:AA:BB:CC', 'must look like'],
    ['ble:AA:BB:CC:DD:EE:FF?type=static', 'one of public, random'],
    ['udp:host', 'HOST:PORT'],
    ['udp:host:70000', 'HOST:PORT'],
    [`serial:${'x'.repeat(300)}`, 'longer than'],
  ])('refuses %s and says why', (name, why) => {
    expect(() => parseLinkName(name)).toThrow(
      expect.objectContaining({ code: 'request.invalid', message: expect.stringContaining(why) }),
    );
  });

  it('knows the same place under different spellings', () => {
    expect(linkLane('serial:/dev/x?baud=9600')).toBe(linkLane('serial:/dev/x'));
    expect(linkLane('ble:AA:BB:CC:DD:EE:FF?type=random')).toBe(linkLane('ble:aa:bb:cc:dd:ee:ff'));
    expect(linkLane('udp:HOST:1')).toBe(linkLane('udp:host:1'));
  });
});
