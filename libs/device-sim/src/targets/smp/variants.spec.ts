/** Kinds of units beside the usual one: several images, images in place, single slot, other addresses. */
import { describe, expect, it } from '@jest/globals';
import {
  makeMcubootPackage,
  type McubootPackageOptions,
  makeIntelHex,
  smp,
  SmpRefusedError,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { createHash } from 'node:crypto';
import {
  bench,
  expectProven,
  fileHash,
  firmware,
  FORGER,
  hashOf,
  KEY,
  NEW,
  OLD,
  OTHER,
  steps,
} from './conversation.fixture.js';
import type { SmpOptions } from './options.js';
import type { SmpDevice } from './smp-device.js';

const NET_OLD = firmware(0, 12_000);
const NET_NEW = firmware(6, 14_001);
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function packageOf(images: Record<string, Uint8Array>, options: McubootPackageOptions = {}): Uint8Array {
  return makeMcubootPackage(
    Object.entries(images).map(([place, bytes]) => {
      const [image, slot] = place.split('/').map(Number);
      return { image: image ?? 0, ...(slot !== undefined && { slot }), file: `${place.replace('/', '_')}.bin`, bytes };
    }),
    options,
  );
}

const running = (device: SmpDevice): (string | undefined)[] =>
  device.unit.images.map((slots) => device.unit.imageSha256(slots));

describe('application and network core in one package', () => {
  const BOTH = packageOf({ '0': NEW, '1': NET_NEW });
  const nrf5340: Partial<SmpOptions> = { mode: 2, networkCore: { image: NET_OLD } };

  it('both are sent, the network core is set first, one reset; what cannot be read stays unproven', () => {
    const { device, update } = bench(nrf5340);
    const result = update(BOTH);
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable', needsRescue: false });
    expect(result.outcome.sentBytes).toBe(NEW.length + NET_NEW.length);
    expect(result.outcome.after?.running).toMatchObject([{ image: 0, hash: hashOf(NEW) }]);
    // The unit's own flash knows better: both run. Had the application been set first, the core would have been left out.
    expect(running(device)).toEqual([sha(NEW), sha(NET_NEW)]);
    expect(steps(result)).toBe('touched complete erased activating');
  });

  it('a network core that was not taken is seen', () => {
    // Set by us in the right order, and still refused by the bootloader: a forged image is thrown away at boot.
    const forged = packageOf({ '0': NEW, '1': firmware(6, 14_001, FORGER) });
    const { device, update } = bench({ ...nrf5340, networkCore: { image: NET_OLD } });
    expect(update(forged).outcome).toMatchObject({ outcome: 'unproven' });
    expect(running(device)[1]).toBe(sha(NET_OLD));
    // One whose needs are not met stays in its slot.
    const needy = firmware(6, 14_001, KEY, {
      dependencies: [{ image: 0, minimum: { major: 9, minor: 0, revision: 0, build: 0 } }],
    });
    const alone = bench(nrf5340);
    expect(alone.update(packageOf({ '1': needy })).outcome).toMatchObject({ code: 'artifact.requires' });
  });

  it('what lies in the slot of a core that cannot be read is no version that runs', () => {
    const { device, update } = bench(nrf5340);
    update(BOTH, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    const lower = firmware(3, 13_000);
    expect(update(packageOf({ '0': NEW, '1': lower })).outcome).toMatchObject({ outcome: 'unproven' });
    expect(running(device)).toEqual([sha(NEW), sha(lower)]);
  });

  it('the same package again sends only what cannot be seen to run', () => {
    const { update } = bench(nrf5340);
    update(BOTH);
    const again = update(BOTH);
    expect(again.outcome).toMatchObject({ outcome: 'unproven', sentBytes: NET_NEW.length });
  });

  it.each<[string, Partial<SmpOptions>]>([
    ['over BLE', { transport: 'ble', bufSize: 2475, bufCount: 8 }],
    ['with uploads chosen by slot', { directUpload: true }],
    ['with a cut in the second image', { faults: { powerCutAtByte: 20_000 } }],
    ['with lost lines', { faults: { lossRate: 0.02, seed: 3 } }],
  ])('%s', (_, options) => {
    const { device, update } = bench({ ...nrf5340, ...options });
    expect(update(BOTH, { returnWithinMs: 200_000 }).outcome).toMatchObject({ outcome: 'unproven' });
    expect(running(device)).toEqual([sha(NEW), sha(NET_NEW)]);
  });
});

describe('two images of one core', () => {
  const second: Partial<SmpOptions> = { secondImage: { image: NET_OLD } };
  const BOTH = packageOf({ '0': NEW, '1': NET_NEW });

  it('are both tried, proven and confirmed', () => {
    const { device, update } = bench(second);
    const result = update(BOTH);
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
    expect(result.outcome.after?.running).toMatchObject([
      { image: 0, hash: hashOf(NEW), confirmed: true },
      { image: 1, hash: hashOf(NET_NEW), confirmed: true },
    ]);
    expect(running(device)).toEqual([sha(NEW), sha(NET_NEW)]);
    expect(device.unit.images.map((slots) => slots.flags(slots.primary).confirmed)).toEqual([true, true]);
    expect(update(BOTH).outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running', sentBytes: 0 });
  });

  it('one alone, with what it needs of the other', () => {
    const needs = (minor: number) =>
      firmware(3, 20_000, KEY, { dependencies: [{ image: 1, minimum: { major: 1, minor, revision: 0, build: 0 } }] });
    const { device, update } = bench(second);
    expect(update(packageOf({ '0': needs(1) })).outcome).toMatchObject({
      code: 'artifact.requires',
      params: { actual: '1.0.0' },
    });
    expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
    expect(update(packageOf({ '0': needs(0) })).outcome).toMatchObject({ outcome: 'proven' });
  });

  it('a second image that the bootloader refuses makes the whole fail', () => {
    const { device, update } = bench(second);
    const result = update(packageOf({ '0': NEW, '1': firmware(6, 14_001, FORGER) }));
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs', params: { image: 1 } });
    expect(running(device)).toEqual([sha(NEW), sha(NET_OLD)]);
  });

  it('a cut between the two states starts the half that was set, and the next update brings the other', () => {
    const { device, scheduler, update } = bench({ ...second, resetDelayMs: 60_000 });
    const cut = (): void => {
      if (device.touches.some(({ what }) => what === 'activated')) device.powerCut(500);
      else scheduler.after(1, cut);
    };
    scheduler.after(1, cut);
    const first = update(BOTH);
    expect(['failed', 'proven']).toContain(first.outcome.outcome);
    scheduler.advance(60_000);
    const again = bench(second);
    expect(again.update(BOTH).outcome).toMatchObject({ outcome: 'proven' });
  });

  it('refuses what is too large for its own slot', () => {
    const { update } = bench({ secondImage: { image: NET_OLD, slotBytes: 20 * 1024 } });
    expect(update(packageOf({ '0': NEW, '1': firmware(6, 17_000) })).outcome).toMatchObject({ code: 'artifact.limit' });
  });
});

describe('images that run where they lie', () => {
  const ADDRESSES = [0x10000, 0x80000] as const;
  const linked = (minor: number, slot: number, more = {}) =>
    firmware(minor, 20_000 + slot * 16, KEY, { loadAddress: ADDRESSES[slot] ?? 0, romFixed: true, ...more });
  const pair = (minor: number) => packageOf({ '0/0': linked(minor, 0), '0/1': linked(minor, 1) }, { xip: true });

  it.each<[string, 4 | 5]>([
    ['without revert', 4],
    ['with revert', 5],
  ])('%s: there and back again, each time for the slot that is free', (_, mode) => {
    const { device, update } = bench({ mode, image: linked(0, 0), slotAddresses: ADDRESSES });
    const first = update(pair(1));
    expect(first.outcome).toMatchObject({ outcome: 'proven' });
    expect(device.unit.slots.active).toBe('slot1');
    expect(device.flash.runningImageSha256()).toBe(sha(linked(1, 1)));
    const second = update(pair(2));
    expect(second.outcome).toMatchObject({ outcome: 'proven', sentBytes: linked(2, 0).length });
    expect(device.unit.slots.active).toBe('slot0');
    expect(update(pair(2)).outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running' });
    // The higher version starts, whatever anybody wants.
    expect(update(pair(1), { allowDowngrade: true }).outcome).toMatchObject({ code: 'artifact.downgrade' });
  });

  it('with revert: what was not confirmed is gone after the next boot', () => {
    const { device, scheduler, update } = bench({ mode: 5, image: linked(0, 0), slotAddresses: ADDRESSES });
    // The agent is cut off when the new image runs for the first time.
    const leave = (): void => {
      if (device.unit.slots.active === 'slot1') device.powerCut(100);
      else scheduler.after(1, leave);
    };
    scheduler.after(1, leave);
    expect(update(pair(1)).outcome).toMatchObject({ outcome: expect.stringMatching(/reverted|failed/) });
    scheduler.advance(10_000);
    expect(device.flash.runningImageSha256()).toBe(sha(linked(0, 0)));
  });

  it('the same version is refused: the bootloader would go on with the old one', () => {
    const { device, update } = bench({ mode: 4, image: linked(1, 0), slotAddresses: ADDRESSES });
    const other = packageOf({ '0/0': linked(1, 0, { securityCounter: 5 }), '0/1': linked(1, 1) }, { xip: true });
    expect(update(other).outcome).toMatchObject({ code: 'artifact.unsupported' });
    expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
  });

  it('a file for the wrong slot: refused here where it is known, else by the unit', () => {
    const options = { mode: 4, image: linked(0, 0), slotAddresses: ADDRESSES } as const;
    const known = packageOf({ '0/0': linked(1, 0) }, { xip: true });
    expect(bench(options).update(known).outcome).toMatchObject({ code: 'artifact.unsupported' });
    expect(bench(options).update(linked(1, 0)).outcome).toMatchObject({
      code: 'target.refused-image',
      params: { result: '1/25' },
    });
    expect(bench(options).update(linked(1, 1)).outcome).toMatchObject({ outcome: 'proven' });
    // A bootloader that swaps has no use for it.
    expect(bench({ slotAddresses: ADDRESSES }).update(pair(1)).outcome).toMatchObject({
      code: 'artifact.wrong-hardware',
    });
  });

  it('images that are copied to RAM', () => {
    const { device, update } = bench({ mode: 6 });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
    expect(device.unit.slots.active).toBe('slot1');
  });
});

describe('a unit with a single slot', () => {
  const single: Partial<SmpOptions> = { hasImageGroup: false, hasBootloaderInfo: false };

  it('is restarted into serial recovery, which cannot be undone and says so', () => {
    const { device, update } = bench(single);
    const result = update(NEW);
    // Nobody on it names an image: recovery lists it, but only an application may prove.
    expect(result.outcome).toMatchObject({ outcome: 'unproven', reason: 'image-not-readable', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(fileHash(NEW));
    expect(steps(result)).toBe('touched erased complete activating');
    expect(device.touches.map(({ detail }) => detail)).toContain('recovery');
  });

  it('without retained memory: it comes back as it was, and nothing was erased', () => {
    const { device, update } = bench({ ...single, keepsBootMode: false });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: false });
    expect(steps(result)).toBe('touched');
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('where nothing can be restarted into, it is refused by its kind', () => {
    const { update } = bench({ ...single, transport: 'udp' });
    expect(update(NEW).outcome).toMatchObject({ code: 'target.wrong-kind' });
  });
});

describe('through recovery because the link says so', () => {
  const linkOptions = { via: 'recovery' };

  it('proves by the application that comes back, and skips what runs', () => {
    const { device, update } = bench();
    const result = update(NEW, { linkOptions });
    expectProven(result, device);
    expect(steps(result)).toBe('touched erased complete activating');
    expect(result.outcome.before).toMatchObject({ mode: 'application' });
    expect(update(NEW, { linkOptions }).outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running' });
  });

  it('left before anything was erased, the application is started again', () => {
    const { device, scheduler, update } = bench();
    const result = update(NEW, { linkOptions }, { onMark: (step) => (step === 'erased' ? 'cancel' : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
    scheduler.advance(20_000);
    expect(device.unit.personality).toBe('application');
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });

  it('a package: the application first, the rest through it', () => {
    const { device, update } = bench({ secondImage: { image: NET_OLD }, image: firmware(0, 20_000, FORGER) });
    const result = update(packageOf({ '0': NEW, '1': NET_NEW }));
    expect(result.outcome).toMatchObject({ outcome: 'proven', sentBytes: NEW.length + NET_NEW.length });
    expect(running(device)).toEqual([sha(NEW), sha(NET_NEW)]);
  });
});

describe('files', () => {
  it('Intel HEX is sent as the image it holds', () => {
    const { device, update } = bench();
    expectProven(update(makeIntelHex({ segments: [{ address: 0xc000, bytes: NEW }] })), device);
  });

  it('an encrypted image is sent as it is', () => {
    const encrypted = firmware(1, 20_000, KEY, { flags: 0x04 });
    const { device, update } = bench();
    expectProven(update(encrypted), device, encrypted);
  });

  it.each(['sha384', 'sha512'] as const)('a hash of %s, where the unit takes it', (hash) => {
    const file = firmware(1, 20_000, KEY, { hash });
    const { device, update } = bench({ longHashes: true });
    expectProven(update(file), device, file);
    const strict = bench().update(file);
    expect(strict.outcome).toMatchObject({ code: 'target.refused', params: { result: '1/24' } });
  });

  it('is read by ranges: a session holds a block of it', () => {
    const big = firmware(1, 200_000);
    let longest = 0;
    const { device, update } = bench({ bufSize: 1024 });
    const result = update(big, {}, { onRead: (_, length) => (longest = Math.max(longest, length)) });
    expectProven(result, device, big);
    expect(longest).toBeLessThanOrEqual(32 * 1024);
    expect([...(smp.sources?.({ length: big.length, read: (at, n) => big.subarray(at, at + n) }) ?? [])][0]?.[0]).toBe(
      'image:0',
    );
  });
});

describe('what units do', () => {
  it.each<[string, Partial<SmpOptions>, Partial<UpdateRequest>?]>([
    ['erase page by page', { progressiveErase: true }],
    ['ask to come again, in the first chunk and later', { busyAt: [1, 2, 5, 20, 21, 22] }],
    ['are slow to erase', { faults: { slowFlash: 40 } }, { returnWithinMs: 600_000 }],
    ['one buffer', { bufCount: 1, bufSize: 1024 }],
    ['one buffer over BLE', { bufCount: 1, bufSize: 2475, transport: 'ble' }],
    ['a small MTU', { transport: 'ble', maxMtu: 65, bufSize: 1024 }],
  ])('%s', (_, options, changes = {}) => {
    const { device, update } = bench(options);
    expectProven(update(NEW, changes), device);
  });

  it('come back under another address: known by a name of their own, else another unit', () => {
    const options = { transport: 'ble', changesAddress: true, name: 'pump-7', deviceId: 'PUMP-7' } as const;
    const named = bench(options);
    const result = named.update(NEW, { linkOptions: { identity: 'node-name' } });
    expectProven(result, named.device);
    expect(result.outcome.after?.identity).toEqual({ kind: 'serial-number', value: 'PUMP-7' });
    expect(bench(options).update(NEW).outcome).toMatchObject({ code: 'target.did-not-return', needsRescue: true });
  });

  it('want a bond: refused before any write', () => {
    const { device, update } = bench({ transport: 'ble', needsPairing: true });
    const result = update(NEW);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', sentBytes: 0 });
    expect(result.sends).toEqual([]);
    expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
  });

  it('say busy to a reset, and are reset all the same where the link says so', () => {
    const faults = { refuse: { request: 'reset', code: 10 } };
    const { device, update } = bench({ faults });
    expectProven(update(NEW, { linkOptions: { reset: 'force' } }), device);
  });
});

describe('every 1 % of the image', () => {
  // The long form (`npm run soak -- smp`) takes each of them; here every seventh.
  const long = process.env['DRYDOCK_SOAK'] === '1';
  const small = firmware(1, 9000);

  it.each<[string, Partial<SmpOptions>]>([
    ['console', {}],
    ['BLE', { transport: 'ble', bufSize: 1024 }],
    ['recovery', { image: firmware(0, 9000, FORGER) }],
  ])(
    'a power cut there is survived: %s',
    (_, options) => {
      for (let percent = 1; percent < 100; percent += long ? 1 : 7) {
        const powerCutAtByte = Math.floor((small.length * percent) / 100);
        const { device, update } = bench({ ...options, faults: { powerCutAtByte } });
        expectProven(update(small), device, small);
      }
    },
    long ? 120_000 : 20_000,
  );

  it('a link lost at each of them is resumed in one session', () => {
    const disconnectAtByte = Array.from({ length: 99 }, (_, i) => Math.floor((NEW.length * (i + 1)) / 100));
    const { device, update } = bench(
      { transport: 'ble', bufSize: 256, faults: { disconnectAtByte } },
      { ble: { supervisionTimeoutMs: 200 } },
    );
    const result = update(NEW);
    expectProven(result, device);
    expect(result.outcome.sentBytes).toBeLessThan(NEW.length * 1.5);
  });
});

describe('single requests', () => {
  it('ask for everything of both groups', () => {
    const { ask, details, device } = bench({ deviceId: 'UNIT-5' });
    expect(ask({ kind: 'params' })).toEqual({ bufferBytes: 384, bufferCount: 4 });
    expect(ask({ kind: 'echo', text: 'hi' })).toEqual({ text: 'hi' });
    expect(ask({ kind: 'os-info', format: 'ni' })).toEqual({ output: 'UNIT-5 demo-board' });
    expect(ask({ kind: 'bootloader-info' })).toEqual({ bootloader: 'MCUboot' });
    expect(ask({ kind: 'bootloader-info', query: 'mode' })).toEqual({ mode: 3, name: 'SwapMove', noDowngrade: false });
    expect(ask({ kind: 'list' })).toMatchObject({ images: [{ slot: 0, version: '1.0.0', hash: hashOf(OLD) }] });
    expect(ask({ kind: 'slot-info' })).toMatchObject({ slots: [{ slot: 0 }, { slot: 1, uploadImage: 0 }] });
    ask({ kind: 'set-datetime', text: '2026-11-20T10:15:00' });
    expect(ask({ kind: 'datetime' })).toEqual({ datetime: '2026-11-20T10:15:00' });
    expect(ask({ kind: 'erase' })).toEqual({});
    expect(details()).toEqual([`image 0 slot 0: 1.0.0 active confirmed bootable ${hashOf(OLD)}`]);
    expect(ask({ kind: 'reset', bootMode: 1 })).toEqual({});
    device.unit.scheduler.after(0, () => undefined);
  });

  it.each<[string, Partial<SmpOptions>, Parameters<ReturnType<typeof bench>['ask']>[0], string | number, string]>([
    ['a clock that was never set', {}, { kind: 'datetime' }, '0/4', 'RTC_NOT_SET'],
    ['the same of version 1', { versionOneOnly: true }, { kind: 'datetime' }, 1, 'EUNKNOWN'],
    ['an unknown format', {}, { kind: 'os-info', format: 'x' }, '0/2', 'INVALID_FORMAT'],
    ['an unknown query', {}, { kind: 'bootloader-info', query: 'shoe size' }, '0/3', 'QUERY_YIELDS_NO_ANSWER'],
    ['a slot in use', {}, { kind: 'erase', slot: 0 }, '1/9', 'NO_FREE_SLOT'],
    ['the same of version 1', { versionOneOnly: true }, { kind: 'erase', slot: 0 }, 6, 'EBADSTATE'],
    ['no such slot', {}, { kind: 'erase', slot: 9 }, '1/10', 'FLASH_OPEN_FAILED'],
    ['a hash in no slot', {}, { kind: 'set-state', hash: new Uint8Array(32), confirm: false }, '1/8', 'HASH_NOT_FOUND'],
    ['a test of nothing', {}, { kind: 'set-state', confirm: false }, '1/24', 'INVALID_HASH'],
    ['a command it does not have', { hasOsInfo: false }, { kind: 'os-info', format: 's' }, 8, 'ENOTSUP'],
    ['no image group', { hasImageGroup: false }, { kind: 'list' }, 8, 'ENOTSUP'],
  ])('%s is a typed refusal', (_, options, command, result, name) => {
    let error: unknown;
    try {
      bench(options).ask(command);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SmpRefusedError);
    expect(error).toMatchObject({
      code: expect.stringMatching(/^target\./),
      result,
      message: expect.stringContaining(name),
    });
  });

  it('no-downgrade is told, and heeded', () => {
    const { ask, update } = bench({ image: OTHER, noDowngrade: true });
    expect(ask({ kind: 'bootloader-info', query: 'mode' })).toMatchObject({ noDowngrade: true });
    expect(update(NEW, { allowDowngrade: true }).outcome).toMatchObject({ code: 'artifact.downgrade' });
  });
});
