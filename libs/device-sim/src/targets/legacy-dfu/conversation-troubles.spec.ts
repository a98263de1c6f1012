/** Session and target on bad links, through power cuts, cancelled, and rescued. */
import { describe, expect, it } from '@jest/globals';
import { legacyDfu, type Identification, type UpdateOutcome, type UpdateRequest } from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime } from '../../links/virtual-run.js';
import {
  ADDRESS,
  BOOTLOADER,
  identifyIt,
  MODEL,
  NEW,
  PACKAGE,
  pack,
  requestFor,
  runs,
  SHA_NEW,
  SHA_OLD,
  SOFTDEVICE,
  steps,
  unit,
  update,
  what,
  type Story,
} from './conversation.fixture.js';
import { createLegacyDfuDevice } from './legacy-dfu-device.js';

const dataBytes = (result: ReturnType<typeof update>): number =>
  result.sends.filter(({ acknowledged }) => !acknowledged).reduce((sum, { bytes }) => sum + bytes.length, 0);
const startsOf = (result: ReturnType<typeof update>): number =>
  result.sends.filter(({ acknowledged, bytes }) => acknowledged && bytes[0] === 1 && bytes.length === 2).length;

describe('links that drop', () => {
  it.each(['5.2', '6.1', '7', '8', '11', 'adafruit'] as const)('at any place of the image, SDK %s', (sdk) => {
    const file = pack(sdk === 'adafruit' ? { deviceType: 0x52 } : {});
    const application = sdk === '5.2' ? { application: undefined } : {};
    for (const at of [4, 20, 180, 200, 4_000, 12_340, NEW.length - 20, NEW.length]) {
      const story = unit({ sdk, ...application, faults: { disconnectAtByte: [at] } });
      const result = update(story, file, sdk === '5.2' ? { expectIdentity: undefined } : {});
      expect([at, result.outcome.outcome]).toEqual([at, 'proven']);
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a target that kept its state is sent what it lacks', () => {
    const story = unit({ faults: { disconnectAtByte: [15_000] } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'proven', sentBytes: NEW.length });
    // What was on its way when the link went, and the announcements, come on top.
    expect(dataBytes(result)).toBeLessThan(NEW.length + 4_000);
    // The jump and one start.
    expect(startsOf(result)).toBe(2);
  });

  it('at random places, several times', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: NEW.length }), { maxLength: 4 }),
        fc.constantFrom('6.1' as const, '8' as const, '11' as const),
        fc.constantFrom('single' as const, 'dual' as const),
        (disconnectAtByte, sdk, banks) => {
          const story = unit({ sdk, banks, faults: { disconnectAtByte } });
          expect(update(story).outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
          expect(runs(story)).toBe(SHA_NEW);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('while several images are delivered', () => {
    const file = pack({ softdevice: SOFTDEVICE, bootloader: BOOTLOADER });
    for (const at of [5_000, SOFTDEVICE.length + BOOTLOADER.length, SOFTDEVICE.length + BOOTLOADER.length + 9_000]) {
      const story = unit({ faults: { disconnectAtByte: [at] } });
      expect(update(story, file).outcome).toMatchObject({ needsRescue: false });
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('that never stop dropping end in a failure that names it', () => {
    const everyPacket = Array.from({ length: 2000 }, (_, i) => (i + 1) * 10);
    const story = unit({ banks: 'single', faults: { disconnectAtByte: everyPacket, lossRate: 0.3, seed: 3 } });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'failed', needsRescue: true });
    expect(result.reconnects).toBeLessThan(220);
  });
});

describe('frames that get lost or damaged', () => {
  it('one packet lost in the middle: the transfer begins again, and more carefully', () => {
    const story = unit({ faults: { dropToDevice: [300] } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    expect(runs(story)).toBe(SHA_NEW);
    expect(startsOf(result)).toBeGreaterThan(2);
  });

  it('receipts lost cost a question and no transfer', () => {
    const story = unit({ faults: { dropToHost: [10, 11, 12, 40] } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    expect(startsOf(result)).toBe(2);
  });

  it('any frame once, in either direction', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1100 }), fc.boolean(), fc.boolean(), (frame, toHost, corrupt) => {
        const key = `${corrupt ? 'corrupt' : 'drop'}To${toHost ? 'Host' : 'Device'}` as const;
        const story = unit({ faults: { [key]: [frame], seed: frame } });
        const { outcome } = update(story);
        expect(['proven', 'failed']).toContain(outcome.outcome);
        expect(outcome.needsRescue).toBe(story.device.ble.advertisement()?.address !== ADDRESS);
        expect([SHA_NEW, SHA_OLD]).toContain(runs(story));
        if (outcome.outcome === 'proven') expect(runs(story)).toBe(SHA_NEW);
      }),
      { numRuns: 60 },
    );
  });

  it('buffers that overflow when the flash is held up: slower the next time', () => {
    const story = unit({ flash: { writeUsPerWord: 400 } });
    const result = update(story);
    expect(result.outcome.outcome).toBe('proven');
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a flash so slow that no pace helps ends in words', () => {
    const story = unit({ packetBuffers: 0 });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.refused', needsRescue: false });
    expect(JSON.stringify(outcome)).toContain('faster than it could store');
  });

  it('a target that stalls', () => {
    const story = unit({ faults: { stallAtFrame: 200, stallMs: 6_000 } });
    expect(update(story).outcome.outcome).toBe('proven');
  });
});

describe('power and activation', () => {
  it.each(['single', 'dual'] as const)('a power cut in mid-transfer, %s bank', (banks) => {
    for (const powerCutAtByte of [20, 10_000, NEW.length]) {
      const story = unit({ banks, faults: { powerCutAtByte } });
      const result = update(story);
      expect([powerCutAtByte, result.outcome.outcome]).toEqual([powerCutAtByte, 'proven']);
      expect(runs(story)).toBe(SHA_NEW);
    }
  });

  it('a reboot in mid-transfer', () => {
    const story = unit({ faults: { rebootAtByte: 9_000 } });
    expect(update(story).outcome.outcome).toBe('proven');
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a half transfer that somebody left behind is reset, not mixed with ours', () => {
    const story = unit({ banks: 'single', application: undefined });
    const left = update(
      story,
      pack({ application: BOOTLOADER }),
      { expectIdentity: undefined },
      {
        onMark: (step) => (step === 'complete' ? { fail: 'fence.finish-by' } : 'go'),
      },
    );
    expect(left.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    const result = update(story, PACKAGE, { expectIdentity: undefined });
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('does not come back', () => {
    const story = unit({ faults: { muteAfterActivation: true } });
    expect(update(story).outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.did-not-return',
      needsRescue: true,
    });
  });

  it('comes back with the old image', () => {
    const story = unit({ faults: { keepOldImage: true } });
    expect(update(story).outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.wrong-image-runs',
      params: { actual: '1.0.0', expected: '1.1.0' },
      needsRescue: false,
    });
  });

  it('is not fooled by neighbours, in application or bootloader', () => {
    const story = unit();
    const make = (address: string, application: Uint8Array | undefined) =>
      createLegacyDfuDevice({
        scheduler: story.scheduler,
        model: MODEL,
        serialNumber: address,
        address,
        application,
        bankBytes: 40 * 1024,
      });
    const others = [make('c1:02:03:04:05:10', NEW), make('c1:02:03:04:05:20', undefined)];
    const result = update(story, PACKAGE, {}, { others });
    expect(result.outcome).toMatchObject({ outcome: 'proven', after: { identity: { value: ADDRESS } } });
    for (const other of others) expect(other.touches.map((touch) => touch.what)).toEqual(['booted']);
  });
});

describe('rescue', () => {
  const rescue = ({ scheduler, device }: Story, change: Partial<UpdateRequest> = {}): UpdateOutcome =>
    runInVirtualTime((link) => legacyDfu.rescue(link, requestFor(PACKAGE, change)), device, {
      scheduler,
      payloads: legacyDfu.payloads(PACKAGE),
    }).outcome;

  it.each(['7', '8', '11'] as const)('after a power cut in mid-transfer on one bank, SDK %s', (sdk) => {
    const story = unit({ sdk, banks: 'single' });
    const first = update(
      story,
      PACKAGE,
      {},
      { onMark: (s) => (s === 'complete' ? { fail: 'fence.finish-by' } : 'go') },
    );
    expect(first.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    story.device.powerCut(2000);
    story.scheduler.advance(10_000);
    expect(runs(story)).toBeUndefined();
    expect(identifyIt(story)).toMatchObject({ mode: 'bootloader', running: [] });
    expect(rescue(story)).toMatchObject({ outcome: 'proven', needsRescue: false, before: { mode: 'bootloader' } });
    expect(runs(story)).toBe(SHA_NEW);
  });

  it('a late proof judges what runs', () => {
    const story = unit();
    const before = identifyIt(story);
    const prove = (seen: Identification | undefined): UpdateOutcome =>
      runInVirtualTime((link) => legacyDfu.prove(link, requestFor(PACKAGE), seen), story.device, {
        scheduler: story.scheduler,
      }).outcome;
    expect(prove(before)).toMatchObject({ outcome: 'failed', code: 'target.wrong-image-runs' });
    expect(update(story).outcome.outcome).toBe('proven');
    expect(prove(before)).toMatchObject({ outcome: 'proven', after: { running: [{ version: '1.1.0' }] } });
    expect(prove(undefined)).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
  });
});

describe('cancellation', () => {
  it('at any moment leaves an application running, and says which', () => {
    const whole = update(unit({ banks: 'single' })).elapsedMs;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Math.floor(whole) }),
        fc.constantFrom('single' as const, 'dual' as const),
        (cancelAfterMs, banks) => {
          const story = unit({ banks });
          const result = update(story, PACKAGE, {}, { cancelAfterMs });
          const erased = steps(result).includes('erased');
          expect(result.outcome).toMatchObject({ outcome: erased ? 'proven' : 'cancelled', needsRescue: false });
          expect(runs(story)).toBe(erased ? SHA_NEW : SHA_OLD);
          expect(story.device.ble.advertisement()?.address).toBe(ADDRESS);
        },
      ),
      { numRuns: 50 },
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
});
