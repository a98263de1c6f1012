/** Faults, rescues, odd lines: the session and the simulated module in virtual time. Both were written apart. */
import { describe, expect, it } from '@jest/globals';
import {
  csrDfu,
  csrPayloads,
  fromHex,
  referenceLoaderCodec,
  type Identification,
  type LineSettings,
  type MarkStep,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import {
  melody,
  OLD,
  NEW,
  bodyOf,
  sha256,
  LINK,
  identify,
  runs,
  text,
  module,
  requestFor,
  update,
} from './conversation.fixture.js';
import { createCsrBc127Device } from './csr-bc127-device.js';
import type { CsrBc127Options } from './options.js';

describe('faults', () => {
  it.each<[string, Partial<CsrBc127Options>, string, boolean]>([
    ['DFU is not obeyed', { faults: { refuse: { request: 'DFU', code: 1 } } }, 'target.refused', false],
    // No block was taken: a reset brings Melody back.
    [
      'the loader says: not for me',
      { faults: { refuse: { request: 'dnload', code: 1 } } },
      'target.refused-image',
      false,
    ],
    ['the loader cannot write', { faults: { refuse: { request: 'dnload', code: 3 } } }, 'target.refused', false],
    [
      'the loader finds it corrupt',
      { faults: { refuse: { request: 'manifest', code: 10 } } },
      'target.refused-image',
      true,
    ],
    ['it does not come back', { faults: { muteAfterActivation: true } }, 'target.did-not-return', true],
    ['the old firmware runs again', { faults: { keepOldImage: true } }, 'target.wrong-image-runs', false],
    ['a file for another chip in the loader', { variant: 'hd' }, 'target.refused-image', false],
    [
      'no room',
      { flashBytes: 14_000, application: bodyOf(melody('7.1 1526925062', 1, 2000)) },
      'target.refused-image',
      false,
    ],
  ])('%s', (_, options, code, needsRescue) => {
    const story = module(options);
    expect(update(story).outcome).toMatchObject({ outcome: 'failed', code, needsRescue });
    if (!needsRescue) expect(runs(story)).toBeDefined();
  });

  it('silence everywhere', () => {
    const story = module();
    story.device.powerCut(1e9);
    expect(update(story).outcome).toMatchObject({ outcome: 'failed', code: 'target.wrong-kind' });
  });

  it('a restart in the middle: it begins again from the first block', () => {
    const story = module({ faults: { rebootAtByte: 7000 } });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'proven' });
    expect(outcome.sentBytes).toBeGreaterThan(bodyOf(NEW).length);
  });

  it('a power cut in the middle: its loader alone is there, and it begins again', () => {
    const story = module({ faults: { powerCutAtByte: 5000 } });
    expect(update(story).outcome).toMatchObject({ outcome: 'proven' });
    expect(runs(story)).toBe(sha256(bodyOf(NEW)));
  });

  it('fences: before DFU nothing is sent; before erasing nothing more', () => {
    const first = module();
    const early = update(first, NEW, {}, { onMark: () => ({ fail: 'fence.start-by' }) });
    expect(early.outcome).toMatchObject({ outcome: 'failed', code: 'fence.start-by', needsRescue: false });
    expect(text(early)).not.toContain('DFU\r');
    const second = module();
    const onMark = (step: MarkStep): 'go' | { fail: 'fence.finish-by' } =>
      step === 'erased' ? { fail: 'fence.finish-by' } : 'go';
    const late = update(second, NEW, {}, { onMark });
    expect(late.outcome).toMatchObject({ outcome: 'failed', code: 'fence.finish-by', needsRescue: true });
    expect(second.device.touches.some(({ what }) => what === 'erased')).toBe(false);
  });

  it('cancelled before erasing, the module runs what it ran', () => {
    for (const cancelAfterMs of [300, 2500, 4000]) {
      const story = module();
      const { outcome } = update(story, NEW, {}, { cancelAfterMs });
      expect(outcome).toMatchObject({ outcome: 'cancelled', needsRescue: false });
      expect(runs(story)).toBe(sha256(bodyOf(OLD)));
    }
  });

  it('cancelled after erasing, it goes through to the end', () => {
    let asked = 0;
    const onMark = (step: MarkStep): 'go' | 'cancel' => (step === 'complete' && asked++ === 0 ? 'cancel' : 'go');
    expect(update(module(), NEW, {}, { onMark }).outcome.outcome).toBe('proven');
    expect(asked).toBeGreaterThan(0);
  });
});

describe('rescue', () => {
  it('of a module without application', () => {
    const story = module({ application: undefined });
    expect(identify(story)).toMatchObject({ mode: 'bootloader', hardware: { loaderBuildId: 0x1234 }, running: [] });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'proven', before: { mode: 'bootloader' } });
  });

  it('of one that was left in DFU mode', () => {
    const story = module();
    story.scheduler.advance(10);
    story.device.serial.onBytes(new TextEncoder().encode('DFU\r'));
    story.scheduler.advance(2000);
    expect(story.device.unit.personality).toBe('dfu-mode');
    expect(update(story).outcome).toMatchObject({ outcome: 'proven', before: { mode: 'bootloader' } });
  });

  it.each<[string, { at?: MarkStep; refuse?: { request: string; code: number } }]>([
    ['the journal takes no more', { at: 'erased' }],
    ['its first block is refused', { refuse: { request: 'dnload', code: 1 } }],
  ])('of one that was left in DFU mode; %s, and it goes back to Melody', (_, { at, refuse }) => {
    const story = module(refuse ? { faults: { refuse } } : {});
    story.scheduler.advance(10);
    story.device.serial.onBytes(new TextEncoder().encode('DFU\r'));
    story.scheduler.advance(2000);
    const onMark = (step: MarkStep): 'go' | { fail: 'gateway.disk-full' } =>
      step === at ? { fail: 'gateway.disk-full' } : 'go';
    const { outcome } = update(story, NEW, {}, { onMark });
    expect(outcome).toMatchObject({
      outcome: 'failed',
      before: { mode: 'bootloader' },
      after: { mode: 'application' },
    });
    expect(outcome.needsRescue).toBe(false);
    expect(runs(story)).toBe(sha256(bodyOf(OLD)));
  });

  it('a power cut at any moment leaves a module that a second attempt brings to the new firmware', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 50, max: 3_000 }), (atMs, offMs) => {
        const story = module({ settings: { NAME: 'Kitchen' } });
        story.scheduler.after(atMs, () => story.device.powerCut(offMs));
        const first = update(story);
        const last = first.outcome.outcome === 'proven' ? first : update(story);
        expect(['proven', 'skipped']).toContain(last.outcome.outcome);
        expect(runs(story)).toBe(sha256(bodyOf(NEW)));
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

describe('identify and prove', () => {
  it.each<[string, Partial<CsrBc127Options>, Record<string, string>]>([
    ['at the speed of the factory', {}, LINK],
    ['at the speed that is named', { settings: { UART_CONFIG: '115200 OFF 0' } }, { ...LINK, baud: '115200' }],
    ['at the factory’s, though another is named', {}, { ...LINK, baud: '57600' }],
  ])('%s', (_, options, link) => {
    expect(identify(module(options), link)).toMatchObject({
      protocol: 'csr-dfu',
      mode: 'application',
      running: [{ version: '7.1+1526925062' }],
    });
  });

  it('a wrong parity is noise', () => {
    const story = module({ settings: { UART_CONFIG: '115200 OFF 2' } });
    expect(() => identify(story, { ...LINK, baud: '115200' })).toThrow(/neither its command line nor BCSP/);
  });

  it('proves late, once it was seen before', () => {
    const before = identify(module());
    const story = module({ application: bodyOf(NEW) });
    const prove = (known?: Identification): UpdateOutcome =>
      runInVirtualTime((link) => csrDfu.prove(link, requestFor(NEW), known), story.device, {
        scheduler: story.scheduler,
        model: { serial: { line: { baud: 9600 } } },
      }).outcome;
    expect(prove(before)).toMatchObject({ outcome: 'proven' });
    expect(prove()).toMatchObject({ outcome: 'unproven', reason: 'did-not-see-it-leave' });
  });

  it('shows settings, but no keys', () => {
    const story = module({ settings: { NAME: 'Kitchen' }, licences: { APTX: '1 2 3 4 5' } });
    const lines = runInVirtualTime((link) => csrDfu.details!(link, LINK), story.device, {
      scheduler: story.scheduler,
      model: { serial: { line: { baud: 9600 } } },
    }).outcome;
    expect(lines).toContain('NAME=Kitchen');
    expect(lines.join()).not.toContain('1 2 3 4 5');
  });
});

describe('the line', () => {
  it('is left at the command line’s settings, whatever happens', () => {
    for (const faults of [
      {},
      { refuse: { request: 'dnload', code: 1 } },
      { muteAfterActivation: true },
      { refuse: { request: 'DFU', code: 1 } },
    ] as const) {
      const { scheduler, device } = module({ faults });
      let last: LineSettings | undefined;
      const session = (link: Parameters<typeof csrDfu.update>[0]): ReturnType<typeof csrDfu.update> => {
        const inner = csrDfu.update(link, requestFor(NEW));
        return (function* () {
          let next = inner.next();
          while (!next.done) {
            if (next.value.kind === 'configure') last = next.value.line;
            next = inner.next(yield next.value);
          }
          return next.value;
        })();
      };
      runInVirtualTime(session, device, {
        scheduler,
        payloads: csrPayloads(NEW),
        model: { serial: { line: { baud: 9600 } } },
      });
      expect(last).toMatchObject({ baud: 9600, parity: 'none' });
    }
  });

  it('any bytes from whatever is there end in an outcome', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 30 }), (pieces) => {
        const scheduler = new VirtualScheduler();
        let send: (bytes: Uint8Array) => void = () => undefined;
        let turn = 0;
        const device = {
          ...createCsrBc127Device({ scheduler }),
          serial: {
            baud: 9600,
            attach: (way: typeof send) => (send = way),
            onBytes: () => send(pieces[turn++ % pieces.length]!),
          },
        };
        const result = runInVirtualTime((link) => csrDfu.update(link, requestFor(NEW)), device, {
          scheduler,
          payloads: csrPayloads(NEW),
        });
        expect(result.outcome.outcome).toBe('failed');
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});

it('the reference codec spells as its description', () => {
  const S3 = '01 00 00 10 00 43 53 52 2D 64 66 75 32 03 00 0E 05 00 00 C8 04';
  const bytes = fromHex(S3);
  expect(referenceLoaderCodec.encode({ request: 'dnload', block: 0, bytes: bytes.subarray(5) })[0]?.bytes).toEqual(
    bytes,
  );
});
