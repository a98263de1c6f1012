/** Adapter names, link names, and which peripheral a hint means. */
import { describe, expect, it } from '@jest/globals';
import type { ReconnectHint, Sighting } from '@drydock/dfu-core';
import { formatBleLinkName, parseAdapterName, parseBleLinkName } from './adapter-name.js';
import { matcherFor } from './target-match.js';

describe('adapter names', () => {
  it.each([
    ['hci0', { kind: 'kernel', index: 0 }],
    ['h4:serial:/dev/ttyACM0,1000000', { kind: 'h4-serial', path: '/dev/ttyACM0', baud: 1_000_000 }],
    ['h4:serial:/dev/ttyACM0', { kind: 'h4-serial', path: '/dev/ttyACM0', baud: 1_000_000 }],
    ['h4:tcp:127.0.0.1:4000', { kind: 'h4-tcp', host: '127.0.0.1', port: 4000 }],
    ['h4:tcp:[::1]:4000', { kind: 'h4-tcp', host: '::1', port: 4000 }],
    ['h4:unix:/run/hci', { kind: 'h4-unix', path: '/run/hci' }],
  ])('%s', (name, parsed) => {
    expect(parseAdapterName(name)).toEqual(parsed);
  });

  it.each(['', 'hci', 'hci0x', 'h4:', 'h4:usb:0', 'h4:tcp:host', 'h4:tcp:host:70000', 'h4:serial:/dev/x,fast'])(
    'refuses "%s" and says why',
    (name) => {
      expect(() => parseAdapterName(name)).toThrow(expect.objectContaining({ code: 'settings.invalid' }));
    },
  );
});

describe('link names', () => {
  it('are read and written alike', () => {
    const name = 'ble:AA:BB:CC:DD:EE:FF?type=random';
    expect(parseBleLinkName(name)).toEqual({ address: 'aa:bb:cc:dd:ee:ff', addressType: 'random' });
    expect(formatBleLinkName(parseBleLinkName(name))).toBe(name);
    expect(parseBleLinkName('ble:aa:bb:cc:dd:ee:ff').addressType).toBeUndefined();
  });

  it.each(['ble:AA:BB:CC:DD:EE', 'ble:AA:BB:CC:DD:EE:FF?type=other', 'ble:AA:BB:CC:DD:EE:FF?x=1', 'serial:/dev/x'])(
    'refuses "%s"',
    (name) => {
      expect(() => parseBleLinkName(name)).toThrow(expect.objectContaining({ code: 'request.invalid' }));
    },
  );
});

describe('a reconnect hint', () => {
  const own = 'c0:00:00:00:00:10';
  const next = 'c0:00:00:00:00:11';
  const sighting = (address: string, name?: string, services: string[] = []): Sighting => ({
    link: 'ble',
    address,
    services,
    ...(name === undefined ? {} : { name }),
  });
  const cases: [string, ReconnectHint, Sighting, boolean][] = [
    ['nothing: where it was', {}, sighting(own), true],
    ['nothing: nobody else', {}, sighting(next), false],
    ['another address, as well', { addresses: [next.toUpperCase()] }, sighting(next), true],
    ['another address: still its own', { addresses: [next] }, sighting(own), true],
    ['another address only', { addresses: [next], notSameAddress: true }, sighting(own), false],
    ['a name', { name: 'DfuTarg' }, sighting('c0:00:00:00:00:77', 'DfuTarg'), true],
    ['a name, of somebody else', { name: 'DfuTarg' }, sighting('c0:00:00:00:00:77', 'Lamp'), false],
    ['an address that it states as its own', {}, { ...sighting(next), deviceAddress: own }, true],
    ['an address that it states, of somebody else', {}, { ...sighting(next), deviceAddress: next }, false],
    ['a service it must have', { addresses: [next], serviceUuid: 'FE59' }, sighting(next, undefined, ['fe59']), true],
    ['a service it lacks', { addresses: [next], serviceUuid: 'fe59' }, sighting(next), false],
    ['a service alone', { notSameAddress: true, serviceUuid: 'fe59' }, sighting(next, undefined, ['fe59']), true],
    [
      'a service alone, but not under its own address',
      { notSameAddress: true, serviceUuid: 'fe59' },
      sighting(own, undefined, ['fe59']),
      false,
    ],
  ];
  it.each(cases)('%s', (_, hint, seen, expected) => {
    expect(matcherFor(own, hint)(seen)).toBe(expected);
  });

  it('must describe something', () => {
    expect(() => matcherFor(own, { notSameAddress: true })).toThrow(
      expect.objectContaining({ code: 'internal.invariant' }),
    );
  });
});
