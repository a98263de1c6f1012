/** Session and target on bad links, through power cuts, cancelled, and rescued. */
import { describe, expect, it } from '@jest/globals';
import { secureDfu, type Identification, type UpdateOutcome, type UpdateRequest } from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime } from '../../links/virtual-run.js';
import {
  ADDRESS,
  MODEL,
  NEW,
  PACKAGE,
  SHA_NEW,
  SHA_OLD,
  identifyIt,
  requestFor,
  runs,
  steps,
  unit,
  update,
  what,
  type Story,
} from './conversation.fixture.js';
import { createSecureDfuDevice } from './secure-dfu-device.js';

describe('troubles on the way', () => {
  const borders = [0, 4096, 8192, 12_288, 16_384, 20_480, 24_576, 28_672, NEW.length].flatMap((border) =>
    [border - 4, border, border + 4].filter((at) => at > 0 && at <= NEW.length),
  );
  const profiles = ['12', '14', '15.0', '17'] as const;

  it.each(profiles)('link lost at every object border, SDK %s', (sdk) => {
    for (const at of borders) {
      const story = unit({ sdk, faults: { disconnectAtByte: [at] } });
      const result = update(story);
      expect([at, result.outcome.outcome]).toEqual([at, 'proven']);
      expect(runs(story)).toBe(SHA_NEW);
      expect(result.reconnects).toBeGreaterThanOrEqual(3);
    }
  });

  it('a bootloader that keeps its progress is sent each byte once', () => {
    const story = unit({ sdk: '15.0', faults: { disconnectAtByte: [9_000, 17_000, 25_000] } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', sentBytes: NEW.length });
    const image = result.sends
      .filter(({ acknowledged }) => !acknowledged)
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
    // What was on its way when the link went is sent again, and nothing else.
    expect(image).toBeLessThan(NEW.length + 200 + 3 * 4096);
  });

  it('link lost at random bytes, several times, on every kind of bootloader', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: NEW.length }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...profiles),
        fc.constantFrom('single' as const, 'dual' as const),
        (disconnectAtByte, sdk, banks) => {
          const story = unit({ sdk, banks, faults: { disconnectAtByte } });
          const { outcome } = update(story);
          expect(outcome.outcome).toBe('proven');
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('single frames lost, whichever they are', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 160 }), { maxLength: 4 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 2 }),
        fc.constantFrom(...profiles),
        (dropToDevice, dropToHost, sdk) => {
          const story = unit({ sdk, faults: { dropToDevice, dropToHost } });
          expect(update(story).outcome.outcome).toBe('proven');
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('any packet damaged on the way', () => {
    const packets = update(unit()).sends.flatMap(({ acknowledged }, at) => (acknowledged ? [] : [at + 1]));
    // The last of them belong to the object whose execute would start the image.
    for (const frame of packets.filter((_, i) => i % 4 === 0 || i >= packets.length - 6)) {
      const story = unit({ faults: { corruptToDevice: [frame], seed: frame } });
      expect([frame, update(story).outcome.outcome]).toEqual([frame, 'proven']);
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('any frame damaged, even a request that turns into another one', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 160 }), { minLength: 1, maxLength: 2 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom(...profiles),
        (corruptToDevice, seed, sdk) => {
          const story = unit({ sdk, faults: { corruptToDevice, seed } });
          const { outcome } = update(story);
          expect(['proven', 'failed']).toContain(outcome.outcome);
          // Whatever happened, what is said about the unit is true.
          expect(outcome.needsRescue).toBe(story.device.ble.advertisement()?.address !== ADDRESS);
          expect(runs(story)).toBe(outcome.outcome === 'proven' ? SHA_NEW : SHA_OLD);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('one packet in fifty lost all along', () => {
    for (const sdk of ['15.0', '17'] as const) {
      const story = unit({ sdk, faults: { lossRate: 0.02, seed: 11 } });
      const { outcome } = update(story);
      expect(outcome.outcome).toBe('proven');
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a device that never stops losing the link ends in a failure that names it', () => {
    const everyKilobyte = Array.from({ length: 400 }, (_, i) => (i + 1) * 1000);
    const story = unit({ sdk: '17', banks: 'single', faults: { disconnectAtByte: everyKilobyte } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'link.lost', needsRescue: true });
    expect(result.reconnects).toBeLessThan(20);
  });

  it('a reboot in mid-transfer lets the old application come back, and the update begins again', () => {
    const story = unit({ faults: { rebootAtByte: 15_000 } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('does not come back', () => {
    const story = unit({ faults: { muteAfterActivation: true } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.did-not-return', needsRescue: true });
  });

  it('comes back with the old image', () => {
    const story = unit({ faults: { keepOldImage: true } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.wrong-image-runs',
      params: { actual: '1.0.0', expected: '1.1.0' },
      needsRescue: false,
    });
  });

  it('is not fooled by a neighbour with the same software', () => {
    const story = unit();
    const neighbour = createSecureDfuDevice({
      scheduler: story.scheduler,
      model: MODEL,
      serialNumber: 'SN-8',
      address: 'c1:02:03:04:05:10',
      application: NEW,
    });
    const result = update(story, PACKAGE, {}, { others: [neighbour] });
    expect(result.outcome).toMatchObject({ outcome: 'proven', after: { identity: { value: ADDRESS } } });
    expect(neighbour.touches.map((touch) => touch.what)).toEqual(['booted']);
  });
});

describe('rescue', () => {
  const rescue = ({ scheduler, device }: Story, change: Partial<UpdateRequest> = {}): UpdateOutcome =>
    runInVirtualTime((link) => secureDfu.rescue(link, requestFor(PACKAGE, change)), device, {
      scheduler,
      payloads: secureDfu.payloads(PACKAGE),
    }).outcome;

  it.each(['12', '14', '15.0', '17'] as const)('after a power cut in mid-transfer on one bank, SDK %s', (sdk) => {
    const story = unit({ sdk, banks: 'single' });
    // The first session is cut off together with its device: the gateway lost power too.
    const first = update(
      story,
      PACKAGE,
      {},
      {
        onMark: (step) => (step === 'complete' ? { fail: 'fence.finish-by' } : 'go'),
      },
    );
    expect(first.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    story.device.powerCut(2000);
    story.scheduler.advance(10_000);
    expect(runs(story)).toBeUndefined();
    expect(identifyIt(story)).toMatchObject({ mode: 'bootloader', running: [] });

    const outcome = rescue(story);
    expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false, before: { mode: 'bootloader' } });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a power cut during the session itself is mended by it', () => {
    for (const banks of ['single', 'dual'] as const) {
      const story = unit({ banks, faults: { powerCutAtByte: 14_000 } });
      const { outcome } = update(story);
      expect(outcome.outcome).toBe('proven');
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a unit without any application, known only by its bootloader', () => {
    const story = unit({ application: undefined });
    const outcome = rescue(story, { expectIdentity: undefined });
    expect(outcome).toMatchObject({ outcome: 'proven', after: { identity: { value: ADDRESS } } });
  });

  it('a late proof judges what runs', () => {
    const story = unit();
    const before = identifyIt(story);
    const prove = (change: Partial<UpdateRequest> = {}, seen: Identification | undefined = before): UpdateOutcome =>
      runInVirtualTime((link) => secureDfu.prove(link, requestFor(PACKAGE, change), seen), story.device, {
        scheduler: story.scheduler,
      }).outcome;
    expect(prove()).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs' });
    expect(update(story).outcome.outcome).toBe('proven');
    expect(prove()).toMatchObject({ outcome: 'proven', after: { running: [{ version: '1.1.0' }] } });
    const nobodySawIt = runInVirtualTime(
      (link) => secureDfu.prove(link, requestFor(PACKAGE), undefined),
      story.device,
      {
        scheduler: story.scheduler,
      },
    ).outcome;
    expect(nobodySawIt).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
  });
});

describe('cancellation', () => {
  it('at any moment leaves an application running, and says which', () => {
    const whole = update(unit({ banks: 'single' })).elapsedMs;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Math.floor(whole) }),
        fc.constantFrom('single' as const, 'dual' as const),
        fc.constantFrom('15.0' as const, '17' as const),
        (cancelAfterMs, banks, sdk) => {
          const story = unit({ banks, sdk });
          const result = update(story, PACKAGE, {}, { cancelAfterMs });
          const erased = steps(result).includes('erased');
          expect(result.outcome).toMatchObject({ outcome: erased ? 'proven' : 'cancelled', needsRescue: false });
          expect(runs(story)).toBe(erased ? SHA_NEW : SHA_OLD);
          expect(story.device.ble.advertisement()?.address).toBe(ADDRESS);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(['touched', 'erased', 'complete', 'activating'] as const)('at the mark %s', (step) => {
    const story = unit();
    let given = false;
    const result = update(
      story,
      PACKAGE,
      {},
      {
        onMark: (now) => {
          if (now !== step || given) return 'go';
          given = true;
          return 'cancel';
        },
      },
    );
    const early = step === 'touched' || step === 'erased';
    expect(result.outcome).toMatchObject({ outcome: early ? 'cancelled' : 'proven', needsRescue: false });
    expect(runs(story)).toBe(early ? SHA_OLD : SHA_NEW);
    if (step === 'touched') expect(what(story)).toEqual(['booted']);
  });

  it('on a bootloader without abort tells that the unit stays in it', () => {
    const story = unit({ sdk: '12' });
    const result = update(story, PACKAGE, {}, { onMark: (step) => (step === 'erased' ? 'cancel' : 'go') });
    expect(result.outcome).toMatchObject({ outcome: 'cancelled', needsRescue: true });
  });
});
