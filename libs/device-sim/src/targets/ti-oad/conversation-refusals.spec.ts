/** What is refused, by whom, and in what state the unit is left; what cannot be proven. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { describeArtifact, tiOad, type UpdateRequest } from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import {
  ADDRESS,
  fileFor,
  identifyIt,
  requestFor,
  runs,
  shaOf,
  steps,
  unit,
  update,
  VARIANTS,
  versionOf,
  what,
} from './conversation.fixture.js';
import type { TiOadOptions, TiOadVariant } from './options.js';

describe('what is refused before anything is touched', () => {
  it.each<[string, TiOadVariant, Partial<TiOadOptions>, Uint8Array, Partial<UpdateRequest>, string]>([
    ['a file of another generation', 'e1-off-chip', {}, fileFor('e2-on-chip', 2), {}, 'artifact.wrong-model'],
    ['a TI header for an MCUboot target', 'e2-off-chip', {}, fileFor('e1-off-chip', 2), {}, 'artifact.wrong-model'],
    ['a padded image for an on-chip target', 'e2-on-chip', {}, fileFor('e2-off-chip', 2), {}, 'artifact.wrong-model'],
    ['an on-chip image for external flash', 'c2', {}, fileFor('c1', 2), {}, 'artifact.wrong-model'],
    [
      'an image of another chip family',
      'e1-off-chip',
      { chip: { type: 8, family: 3, revision: 20 } },
      fileFor('e1-off-chip', 2),
      {},
      'artifact.wrong-hardware',
    ],
    ['an image for the area that runs', 'c1', {}, fileFor('c1', 2, { area: 'A' }), {}, 'artifact.requires'],
    [
      'an older version',
      'e1-off-chip',
      { image: fileFor('e1-off-chip', 3) },
      fileFor('e1-off-chip', 2),
      { expectVersion: undefined },
      'artifact.downgrade',
    ],
    [
      'an older MCUboot version',
      'e2-off-chip',
      { image: fileFor('e2-off-chip', 3) },
      fileFor('e2-off-chip', 2),
      { expectVersion: undefined },
      'artifact.downgrade',
    ],
    ['what is expected to be older', 'c2', { image: fileFor('c2', 3) }, fileFor('c2', 2), {}, 'artifact.downgrade'],
    [
      'another unit',
      'e1-off-chip',
      {},
      fileFor('e1-off-chip', 2),
      { expectIdentity: { kind: 'ble-address', value: '54:6c:0e:00:00:00' } },
      'target.wrong-identity',
    ],
    [
      'another serial number',
      'e1-off-chip',
      {},
      fileFor('e1-off-chip', 2),
      { expectIdentity: { kind: 'serial-number', value: 'SN-8' } },
      'target.wrong-identity',
    ],
  ])('%s', (_, variant, options, file, change, code) => {
    const story = unit(variant, options);
    const { outcome, marks } = update(story, file, change);
    expect(outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect([marks, what(story)]).toEqual([[], ['booted']]);
  });

  it.each(VARIANTS.map((variant) => [variant]))('%s: bytes that are not what was described', (variant) => {
    const story = unit(variant);
    const file = fileFor(variant, 2);
    const payloads = new Map(tiOad.payloads(file));
    payloads.set(
      'image:0',
      file.map((byte, at) => (at === 9999 ? byte ^ 1 : byte)),
    );
    const { outcome } = update(story, file, {}, { payloads });
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest', needsRescue: false });
    expect(what(story)).toEqual(['booted']);
  });

  it.each(VARIANTS.filter((variant) => !variant.endsWith('on-chip')).map((variant) => [variant]))(
    '%s: what runs already is skipped',
    (variant) => {
      const story = unit(variant, { image: fileFor(variant, 2) });
      const expectVersion = versionOf(variant, 2);
      const file = variant === 'c1' ? fileFor('c1', 2, { area: 'A' }) : fileFor(variant, 2);
      expect(update(story, file, { expectVersion }).outcome).toMatchObject({ outcome: 'skipped' });
      expect(what(story)).toEqual(['booted']);
    },
  );
});

describe('what the target refuses', () => {
  const refuse = (request: string, code: number): Partial<TiOadOptions> => ({ faults: { refuse: { request, code } } });

  it.each<[string, TiOadVariant, Partial<TiOadOptions>, string]>([
    ['another product (0A)', 'e1-off-chip', { imageId: 'ACME-007' }, 'artifact.wrong-hardware'],
    ['another boot manager (0B)', 'e1-off-chip', refuse('identify', 11), 'artifact.requires'],
    ['an image that is too big (08)', 'e1-off-chip', refuse('identify', 8), 'artifact.limit'],
    ['an image type (09)', 'e1-off-chip', refuse('identify', 9), 'artifact.wrong-hardware'],
    ['without authorisation (0C)', 'e1-off-chip', refuse('identify', 12), 'artifact.signature'],
    ['out of memory (07)', 'e1-off-chip', refuse('identify', 7), 'target.no-memory'],
    ['flash (02)', 'e1-off-chip', refuse('block', 2), 'target.refused'],
    ['a block out of order, for ever (03)', 'e1-off-chip', refuse('block', 3), 'target.refused'],
    ['the checksum (01)', 'e1-off-chip', refuse('complete', 1), 'target.digest-mismatch'],
    ['to enable (09)', 'e1-off-chip', refuse('enable', 9), 'artifact.wrong-hardware'],
    ['because its application says no (11)', 'e2-off-chip', refuse('start', 17), 'target.busy'],
    ['with what its flash driver returned (FF)', 'e2-off-chip', refuse('block', 0xff), 'target.refused'],
    ['an MCUboot magic (0A)', 'e2-off-chip', refuse('identify', 10), 'artifact.wrong-hardware'],
    ['with an unknown status', 'e2-off-chip', refuse('identify', 0x77), 'target.refused'],
    ['an identify, by its own header', 'c1', refuse('identify', 1), 'target.refused-image'],
    ['a checksum with silence', 'c1', refuse('complete', 1), 'target.refused-image'],
    ['a checksum with a status (1)', 'c2', refuse('complete', 1), 'target.digest-mismatch'],
    ['flash with a status (2)', 'c2', refuse('complete', 2), 'target.refused'],
  ])('%s, and the old application runs', (_, variant, options, code) => {
    const story = unit(variant, options);
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect(runs(story)).toBe(shaOf(fileFor(variant, 1)));
  });

  it('an older off-chip image, whose version only the target knows', () => {
    const story = unit('c2', { image: fileFor('c2', 5) });
    const { outcome } = update(story, fileFor('c2', 2), { expectVersion: undefined });
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.downgrade', needsRescue: false });
    expect(runs(story)).toBe(shaOf(fileFor('c2', 5)));
  });

  it('a merged image out of external flash is stopped before an on-chip unit is touched', () => {
    const story = unit('e1-on-chip');
    const { outcome } = update(story, fileFor('e1-off-chip', 2));
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.wrong-hardware' });
    expect(what(story)).toEqual(['booted']);
  });

  it('an on-chip unit that refuses the image before the erase gets its application back', () => {
    for (const persistentHasReset of [true, false]) {
      const story = unit('e1-on-chip', { imageId: 'ACME-007', persistentHasReset });
      const { outcome } = update(story);
      expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.wrong-hardware', needsRescue: false });
      expect(runs(story)).toBe(shaOf(fileFor('e1-on-chip', 1)));
      expect(story.device.ble.advertisement()?.services).toEqual(['ffd0']);
    }
  });

  it('an on-chip unit of another chip family is seen only in its persistent application, and left in good form', () => {
    const story = unit('e1-on-chip', { chip: { type: 8, family: 3, revision: 20 } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.wrong-hardware', needsRescue: false });
    expect(steps(result)).toEqual(['touched']);
    expect(runs(story)).toBe(shaOf(fileFor('e1-on-chip', 1)));
  });

  it('an on-chip unit that refuses after the erase needs a rescue, and says so', () => {
    const story = unit('e1-on-chip', { faults: { refuse: { request: 'complete', code: 2 } } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: true });
    expect(runs(story)).toBeUndefined();
  });
});

describe('what only shows after the restart', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeyPem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const privateKey = new Uint8Array(Buffer.from(key.privateKey.export({ format: 'jwk' }).d!, 'base64url'));

  it.each<[TiOadVariant]>([['e1-off-chip'], ['e1-on-chip'], ['e2-off-chip'], ['e2-on-chip']])(
    '%s: an image signed with the right key is proven',
    (variant) => {
      const story = unit(variant, { image: fileFor(variant, 1, { privateKey }), publicKeyPem });
      const file = fileFor(variant, 2, { privateKey });
      expect(update(story, file).outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
      expect(runs(story)).toBe(shaOf(file));
    },
  );

  it.each<[TiOadVariant, string, boolean]>([
    ['e1-off-chip', 'target.reverted', false],
    ['e1-on-chip', 'target.in-bootloader', true],
    ['e2-off-chip', 'target.reverted', false],
    ['e2-on-chip', 'target.in-bootloader', true],
  ])('%s: one signed by a stranger ends as %s', (variant, code, needsRescue) => {
    const story = unit(variant, { publicKeyPem });
    const file = fileFor(variant, 2, { privateKey: new Uint8Array(32).fill(5) });
    const { outcome } = update(story, file);
    expect(outcome).toMatchObject({ outcome: 'failed', code, needsRescue });
    expect(runs(story)).toBe(needsRescue ? undefined : shaOf(fileFor(variant, 1)));
  });

  it.each(VARIANTS.map((variant) => [variant]))('%s: a unit that never comes back', (variant) => {
    const story = unit(variant, { faults: { muteAfterActivation: true } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.did-not-return', needsRescue: true });
  });

  it.each(VARIANTS.map((variant) => [variant]))('%s: a unit that keeps its old image', (variant) => {
    const story = unit(variant, { faults: { keepOldImage: true } });
    const { outcome } = update(story);
    expect(outcome.outcome).toBe('failed');
    const codes = ['target.reverted', 'target.in-bootloader', 'target.wrong-image-runs'];
    expect(codes).toContain((outcome as { code: string }).code);
  });
});

describe('what cannot be proven', () => {
  it.each<[string, TiOadVariant, Partial<TiOadOptions>, Partial<UpdateRequest>, string]>([
    ['the version is not readable', 'e1-on-chip', { without: ['revision'] }, {}, 'version-not-readable'],
    ['nobody knows how the application calls itself', 'c2', {}, { expectVersion: undefined }, 'version-ambiguous'],
    ['other files carry the version', 'e1-off-chip', {}, { versionProves: false }, 'version-ambiguous'],
    [
      'the caller spells the version in another way',
      'e1-off-chip',
      {},
      { expectVersion: '2.0.0' },
      'version-ambiguous',
    ],
    [
      'the version was the same before',
      'c2',
      { firmwareRevision: () => '2.0.0' },
      { versionProves: false },
      'version-unchanged',
    ],
    ['the identity is gone', 'c2', { firmwareRevision: () => undefined }, {}, 'version-not-readable'],
  ])('because %s', (_, variant, options, change, reason) => {
    const story = unit(variant, options);
    const { outcome } = update(story, undefined, change);
    expect(outcome).toMatchObject({ outcome: 'unproven', reason, needsRescue: false });
    expect(runs(story)).toBe(shaOf(fileFor(variant, 2)));
  });

  it('because a persistent application states no serial number, and what comes back states none or another', () => {
    const request = (value: string): Partial<UpdateRequest> => ({ expectIdentity: { kind: 'serial-number', value } });
    const mute = unit('e1-on-chip', { image: undefined, without: ['serial'] });
    expect(update(mute, undefined, request('SN-7')).outcome).toMatchObject({ reason: 'identity-not-readable' });
    const other = unit('e1-on-chip', { image: undefined });
    expect(update(other, undefined, request('SN-8')).outcome).toMatchObject({ code: 'target.wrong-identity' });
    const right = unit('e1-on-chip', { image: undefined });
    expect(update(right, undefined, request('SN-7')).outcome).toMatchObject({ outcome: 'proven' });
  });

  it('the header of the file proves where the caller names no version', () => {
    const story = unit('e1-off-chip');
    expect(update(story, undefined, { expectVersion: undefined }).outcome.outcome).toBe('proven');
  });

  it('a late proof reads what runs, with or without what was seen before', () => {
    for (const variant of VARIANTS) {
      const story = unit(variant, { image: fileFor(variant, 2) });
      const before = identifyIt(unit(variant));
      const request = requestFor(variant, fileFor(variant, 2));
      const prove = (seen: typeof before | undefined): unknown =>
        runInVirtualTime((link) => tiOad.prove(link, request, seen), story.device, { scheduler: story.scheduler })
          .outcome;
      expect(prove(before)).toMatchObject({ outcome: 'proven', sentBytes: 0 });
      expect(prove(undefined)).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
    }
    const erased = unit('e1-on-chip', { image: undefined });
    const request = requestFor('e1-on-chip', fileFor('e1-on-chip', 2));
    const { outcome } = runInVirtualTime(
      (link) => tiOad.prove(link, request, identifyIt(unit('e1-on-chip'))),
      erased.device,
      {
        scheduler: erased.scheduler,
      },
    );
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.in-bootloader', needsRescue: true });
  });

  it('the fixture speaks of the address it uses', () => {
    // Linked for area B: for a device that runs area A.
    expect(describeArtifact(fileFor('c1', 2)).hardware).toEqual({ area: 'A' });
    expect(unit('c1').device.ble.advertisement()?.address).toBe(ADDRESS);
  });
});
