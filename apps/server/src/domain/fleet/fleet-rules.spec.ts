import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { identityScope, judgeClaim } from './claim.js';
import { chooseGateway, SIGHTING_FRESH_MS, TAKE_OVER_DB } from './gateway-choice.js';
import { compareRunning, isReadAfter, mainVersion } from './running-evidence.js';
import { linkPlace, matchStray, nextBlePlace } from './stray-match.js';

describe('evidence of what runs', () => {
  const result = { gatewayId: 'g1', epoch: 'e1', seq: 10, atMs: 50_000 };
  const sighting = {
    gatewayId: 'g1',
    epoch: 'e1',
    readAfterSeq: 10,
    readHeardMs: null,
    earlierEpochs: new Set(['e0']),
  };
  it.each([
    ['no result yet', sighting, null, true],
    ['read after the result', sighting, result, true],
    ['read before the result, delivered after it', { ...sighting, readAfterSeq: 9 }, result, false],
    ['read in a later run of the same agent', { ...sighting, readAfterSeq: 0 }, { ...result, epoch: 'e0' }, true],
    ['in a run whose place is not known', sighting, { ...result, epoch: 'e2' }, false],
    [
      'in a run whose place is not known, by the clock',
      { ...sighting, readHeardMs: 50_001 },
      { ...result, epoch: 'e2' },
      true,
    ],
    ['through another gateway, time unknown', { ...sighting, gatewayId: 'g2' }, result, false],
    ['through another gateway, before', { ...sighting, gatewayId: 'g2', readHeardMs: 49_999 }, result, false],
    ['through another gateway, after', { ...sighting, gatewayId: 'g2', readHeardMs: 50_001 }, result, true],
    ['after a deadline ended it: only the clock tells', sighting, { ...result, epoch: null, seq: null }, false],
  ] as const)('%s', (_, seen, last, after) => expect(isReadAfter(seen, last)).toBe(after));

  const A = 'aa'.repeat(32);
  const B = 'bb'.repeat(32);
  it.each([
    ['same hash', [{ image: 0, hash: A }], { images: [{ image: 0, runningHash: A }], version: null }, 'same'],
    [
      'a lone image in another slot number',
      [
        { image: 0, hash: B },
        { image: 1, hash: A },
      ],
      { images: [{ image: 0, runningHash: A }], version: null },
      'same',
    ],
    [
      'other hash, same version',
      [{ image: 0, hash: B, version: '1' }],
      { images: [{ image: 0, runningHash: A }], version: '1' },
      'other',
    ],
    [
      'one of two images is another',
      [
        { image: 0, hash: A },
        { image: 1, hash: A },
      ],
      {
        images: [
          { image: 0, runningHash: A },
          { image: 1, runningHash: B },
        ],
        version: null,
      },
      'other',
    ],
    [
      'no hash read: version decides',
      [{ image: 0, version: '2' }],
      { images: [{ image: 0, runningHash: A }], version: '1' },
      'other',
    ],
    ['nothing to compare', [{ image: 0, version: '2' }], { images: [{ image: 0 }], version: null }, 'unknown'],
    ['nothing read', [], { images: [{ image: 0, runningHash: A }], version: '1' }, 'unknown'],
  ] as const)('%s', (_, running, artifact, verdict) => expect(compareRunning(running, artifact)).toBe(verdict));

  it('takes the main image wherever it stands in the list', () => {
    expect(
      mainVersion([
        { image: 1, version: 'net' },
        { image: 0, version: 'app' },
      ]),
    ).toBe('app');
  });
});

describe('claims', () => {
  it.each([
    ['open', false, undefined, { kind: 'create', approved: true }],
    ['list', true, undefined, { kind: 'create', approved: true }],
    ['list', false, undefined, { kind: 'create', approved: false }],
    ['approval', true, undefined, { kind: 'create', approved: false }],
    ['approval', false, { siteId: 's1' }, { kind: 'own' }],
    ['open', true, { siteId: 's2' }, { kind: 'foreign' }],
  ] as const)('%s, listed %s, known %j', (mode, listed, known, verdict) => {
    expect(judgeClaim('s1', mode, listed, known)).toEqual(verdict);
  });

  it('a port path is a socket of one machine, a chip id is the chip everywhere', () => {
    const here = { gatewayId: 'g1', siteId: 's' };
    const there = { gatewayId: 'g2', siteId: 's' };
    expect(identityScope('port-path', here)).not.toBe(identityScope('port-path', there));
    expect(identityScope('udp-endpoint', here)).toBe(identityScope('udp-endpoint', there));
    expect(identityScope('chip-id', here)).toBe('');
  });
});

describe('choice of the gateway', () => {
  const now = 10 * SIGHTING_FRESH_MS;
  const sees = (gatewayId: string, rssiDbm: number | null, fields = {}) => ({
    gatewayId,
    usable: true,
    rssiDbm,
    lastSeenMs: now,
    ...fields,
  });
  it.each([
    ['the first that sees it', null, [sees('a', -70)], 'a'],
    ['stays for a little more signal', 'a', [sees('a', -70), sees('b', -70 + TAKE_OVER_DB - 1)], 'a'],
    ['moves for a lot more', 'a', [sees('a', -70), sees('b', -70 + TAKE_OVER_DB)], 'b'],
    ['leaves one that is gone', 'a', [sees('a', -40, { usable: false }), sees('b', -90)], 'b'],
    ['leaves one that lost sight of it', 'a', [sees('a', -40, { lastSeenMs: 0 }), sees('b', -90)], 'b'],
    ['a wire beats the air', 'a', [sees('a', -40), sees('b', null)], 'b'],
    ['keeps the present one when nobody is there', 'a', [sees('b', -40, { usable: false })], 'a'],
  ] as const)('%s', (_, present, sightings, chosen) => expect(chooseGateway(present, sightings, now)).toBe(chosen));

  it('does not depend on the order of sightings, and never goes to and fro', () => {
    const sightings = fc.uniqueArray(
      fc.record({
        gatewayId: fc.constantFrom('a', 'b', 'c', 'd'),
        usable: fc.boolean(),
        rssiDbm: fc.option(fc.integer({ min: -100, max: -20 })),
        lastSeenMs: fc.integer({ min: 0, max: now }),
      }),
      { selector: ({ gatewayId }) => gatewayId, minLength: 1 },
    );
    fc.assert(
      fc.property(sightings, fc.option(fc.constantFrom('a', 'b', 'c')), (seen, present) => {
        const first = chooseGateway(present, seen, now);
        if (
          present !== null ||
          seen.some(({ usable, lastSeenMs }) => usable && now - lastSeenMs <= SIGHTING_FRESH_MS)
        ) {
          expect(chooseGateway(present, [...seen].reverse(), now)).toBe(first);
        }
        expect(chooseGateway(first, seen, now)).toBe(first);
      }),
    );
  });
});

describe('strays', () => {
  const candidate = (deploymentId: string, fields = {}) => ({
    deploymentId,
    protocol: 'secure-dfu',
    links: ['ble:AA:BB:CC:DD:EE:01?type=random'],
    sameGateway: false,
    ...fields,
  });
  const stray = (link: string) => ({ link, protocol: 'secure-dfu' });
  it.each([
    ['its own address', stray('ble:aa:bb:cc:dd:ee:01'), [candidate('x')], 'x'],
    ['the next address', stray('ble:AA:BB:CC:DD:EE:02?type=random'), [candidate('x')], 'x'],
    [
      'its own address before the next one of another',
      stray('ble:AA:BB:CC:DD:EE:02'),
      [candidate('x'), candidate('y', { links: ['ble:AA:BB:CC:DD:EE:02'] })],
      'y',
    ],
    [
      'the only attempt of the gateway',
      stray('ble:11:11:11:11:11:11'),
      [candidate('x', { sameGateway: true }), candidate('y')],
      'x',
    ],
    [
      'two that fit equally',
      stray('ble:11:11:11:11:11:11'),
      [candidate('x', { sameGateway: true }), candidate('y', { sameGateway: true })],
      undefined,
    ],
    ['another protocol', { link: 'ble:AA:BB:CC:DD:EE:01', protocol: 'smp' }, [candidate('x')], undefined],
    ['nothing near', stray('ble:11:11:11:11:11:11'), [candidate('x')], undefined],
  ] as const)('%s', (_, seen, candidates, found) => expect(matchStray(seen, candidates)).toBe(found));

  it('addresses wrap in their last byte and options do not count', () => {
    expect(nextBlePlace('ble:AA:BB:CC:DD:EE:FF?type=random')).toBe('ble:AA:BB:CC:DD:EE:00');
    expect(nextBlePlace('serial:/dev/ttyUSB0')).toBeUndefined();
    expect(linkPlace('serial:/dev/ttyUSB0?baud=115200')).toBe('serial:/dev/ttyUSB0');
  });
});
