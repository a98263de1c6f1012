/** P1 by hand: the table of the common rule, through what sessions hand over. */
import { describe, expect, it } from '@jest/globals';
import type { ArtifactDescription, Identification, UpdateOutcome } from '@drydock/dfu-core';
import { holdToProof } from './hold-to-proof.js';

const HASH = 'aa'.repeat(32);
const OTHER = 'bb'.repeat(32);
const APP = 'c0:ff:ee:00:00:01';
const BOOT = 'c0:ff:ee:00:00:02';

const artifact = (runningHash?: string): ArtifactDescription => ({
  format: 'mcuboot',
  protocols: ['smp'],
  sha256: HASH,
  sizeBytes: 1,
  images: [{ image: 0, kind: 'application', sizeBytes: 1, sha256: HASH, ...(runningHash && { runningHash }) }],
  signatures: [],
  hardware: {},
  notes: [],
});

const seen = (address: string, running: Identification['running'], mode: Identification['mode'] = 'application') => ({
  protocol: 'smp',
  mode,
  identity: { kind: 'ble-address' as const, value: address },
  hardware: {},
  running,
});

const proven = (before: Identification | undefined, after: Identification | undefined): UpdateOutcome => ({
  outcome: 'proven',
  ...(before && { before }),
  ...(after && { after }),
  sentBytes: 1,
  needsRescue: false,
});

const old = seen(APP, [{ image: 0, version: '1', hash: OTHER, confirmed: true }]);
const now = seen(APP, [{ image: 0, version: '2', hash: HASH, confirmed: true }]);
const inBootloader = seen(BOOT, [], 'bootloader');
const named = (version: string, address = APP) => seen(address, [{ image: 0, version }]);

describe('P1 by hand', () => {
  it.each<
    [
      string,
      string | undefined,
      UpdateOutcome,
      Identification,
      ArtifactDescription,
      { expect?: string; touched?: boolean },
    ]
  >([
    ['the hash on the same unit', undefined, proven(old, now), old, artifact(HASH), {}],
    ['out of its bootloader, by the hash', undefined, proven(inBootloader, now), inBootloader, artifact(HASH), {}],
    [
      'by a version that a person vouches for',
      undefined,
      proven(named('1'), named('2')),
      old,
      artifact(),
      { expect: '2' },
    ],
    ['nothing was touched', 'did-not-see-it-leave', proven(old, now), old, artifact(HASH), { touched: false }],
    [
      'a bootloader answers',
      'image-not-readable',
      proven(old, { ...now, mode: 'bootloader' }),
      old,
      artifact(HASH),
      {},
    ],
    ['nobody answered', 'image-not-readable', proven(old, undefined), old, artifact(HASH), {}],
    [
      'another unit',
      'identity-differs',
      proven(old, { ...now, identity: { kind: 'ble-address', value: BOOT } }),
      old,
      artifact(HASH),
      {},
    ],
    [
      'the bootloader of another unit',
      'identity-differs',
      proven(inBootloader, { ...now, identity: { kind: 'ble-address', value: 'c0:ff:ee:00:00:09' } }),
      inBootloader,
      artifact(HASH),
      {},
    ],
    ['another hash', 'image-differs', proven(old, old), old, artifact(HASH), {}],
    [
      'on trial',
      'not-confirmed',
      proven(old, seen(APP, [{ image: 0, hash: HASH, confirmed: false }])),
      old,
      artifact(HASH),
      {},
    ],
    [
      'the same version before',
      'version-unchanged',
      proven(named('2'), named('2')),
      named('2'),
      artifact(),
      { expect: '2' },
    ],
    [
      'a version for which nobody vouches',
      'version-not-readable',
      proven(named('1'), named('2')),
      named('1'),
      artifact(),
      {},
    ],
    [
      'a version, and nobody read the one before',
      'version-not-readable',
      proven(inBootloader, named('2')),
      inBootloader,
      artifact(),
      { expect: '2' },
    ],
  ])('%s: %s', (_, reason, outcome, found, file, { expect: version, touched = true }) => {
    const held = holdToProof(outcome, found, touched, file, version);
    expect(held).toMatchObject(reason === undefined ? { outcome: 'proven' } : { outcome: 'unproven', reason });
  });

  it('leaves every other outcome as it is', () => {
    const failed: UpdateOutcome = { outcome: 'reverted', before: old, sentBytes: 1, needsRescue: false };
    expect(holdToProof(failed, old, true, artifact(HASH), undefined)).toBe(failed);
  });
});
