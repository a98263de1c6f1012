/** How an application is made to start its bootloader, and how that one is found again. */
import { describe, expect, it } from '@jest/globals';
import { ADDRESS, PACKAGE, runs, SHA_NEW, SHA_OLD, steps, unit, update, what } from './conversation.fixture.js';
import { SecureDfuUuid } from './gatt.js';

const BONDED = { ble: { bonded: true } };

describe('the sample of SDK 12 (8E400001)', () => {
  it('is entered by its notification, and proven', () => {
    const story = unit({ sdk: '12', buttonless: 'experimental' });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', before: { hardware: { buttonless: 'experimental' } } });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('is entered also where the link drops before the notification', () => {
    const story = unit({ sdk: '12', buttonless: 'experimental', faults: { dropToHost: [1] } });
    expect(update(story).outcome).toMatchObject({ outcome: 'proven' });
  });
});

describe('the service for bonded peers (8EC90004)', () => {
  it('is entered over an encrypted link, and the bootloader keeps the address', () => {
    const story = unit({ buttonless: 'bonded' });
    const seen: (string | undefined)[] = [];
    const result = update(
      story,
      PACKAGE,
      {},
      {
        model: BONDED,
        onMark: (step) => {
          if (step === 'erased') seen.push(story.device.unit.settings.peerData ? ADDRESS : undefined);
          return 'go';
        },
      },
    );
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(seen).toEqual([ADDRESS]);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('goes on after lost links, each of which is encrypted again', () => {
    const story = unit({ buttonless: 'bonded', faults: { disconnectAtByte: [5_000, 20_000] } });
    expect(update(story, PACKAGE, {}, { model: BONDED }).outcome).toMatchObject({ outcome: 'proven' });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('refuses a stranger before anything is touched', () => {
    const story = unit({ buttonless: 'bonded' });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', needsRescue: false });
    expect([result.sends, steps(result), what(story)]).toEqual([[], [], ['booted']]);
    expect(runs(story)).toBe(SHA_OLD);
  });
});

describe('an application under a private address', () => {
  const PRIVATE = '5b:02:03:04:05:06';
  const IDENTITY = 'd7:11:22:33:44:55';
  const request = { expectIdentity: undefined, versionProves: true };

  it('gives its bootloader a name, under which it is found at an address nobody foresaw', () => {
    const story = unit({ address: PRIVATE, bootloaderIdentityAddress: IDENTITY });
    const result = update(story, PACKAGE, request);
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
    expect(story.device.unit.settings.advertisedName).toMatch(/^Dfu[0-9a-f]{12}$/);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('is not mistaken for a neighbour that waits in its bootloader', () => {
    const story = unit({ address: PRIVATE, bootloaderIdentityAddress: IDENTITY });
    const neighbour = unit({ address: 'c9:00:00:00:00:01', application: undefined }).device;
    const result = update(story, PACKAGE, request, { others: [neighbour] });
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
    expect(neighbour.flash.runningImageSha256()).toBeUndefined();
  });

  it('of SDK 13, which takes no name, is found where its address tells', () => {
    const story = unit({ address: PRIVATE, sdk: '13' });
    expect(update(story, PACKAGE, request).outcome).toMatchObject({ outcome: 'proven' });
    expect(story.device.unit.settings.advertisedName).toBeUndefined();
  });

  it('is given no name where the address is one that stays', () => {
    const story = unit();
    const { sends } = update(story);
    expect(sends.filter(({ channel }) => channel === SecureDfuUuid.buttonless).map(({ bytes }) => bytes[0])).toEqual([
      1,
    ]);
  });
});
