/** The session and the simulated module talk to each other in virtual time. Both were written apart. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createCsrDfu,
  csrDfu,
  csrPayloads,
  describeArtifact,
  fromHex,
  makeCsrDfu,
  referenceLoaderCodec,
  type Identification,
  type LineSettings,
  type LoaderCodec,
  type MarkStep,
  type Protocol,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import fc from 'fast-check';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { seededRandom } from '../../scheduler/seeded-random.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { createCsrBc127Device, type CsrBc127Device } from './csr-bc127-device.js';
import type { CsrBc127Options } from './options.js';

const noise = (bytes: number, seed: number): Uint8Array => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256));
};
const melody = (version: string, seed: number, bytes = 12_000, variant: 'hd' | 'standard' = 'standard'): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: noise(bytes, seed),
    variant,
    applicationStore: [{ action: 'clear', key: 0x028a }],
    fileSystem: noise(3000, seed + 1),
  });
const OLD = melody('7.1 1526925062', 1);
const NEW = melody('7.3 1544637564', 2);
const bodyOf = (file: Uint8Array): Uint8Array => csrPayloads(file).get('image:0')!;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const LINK = { loader: 'simulated', variant: 'standard' };

interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: CsrBc127Device;
}

function module(options: Partial<CsrBc127Options> = {}): Story {
  const scheduler = new VirtualScheduler();
  return { scheduler, device: createCsrBc127Device({ scheduler, application: bodyOf(OLD), ...options }) };
}

function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    returnWithinMs: 30_000,
    linkOptions: LINK,
    ...change,
  };
}

function update(
  { scheduler, device }: Story,
  file = NEW,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
  protocol: Protocol = csrDfu,
): RunResult<UpdateOutcome> {
  const result = runInVirtualTime((link) => protocol.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: csrPayloads(file),
    ...run,
    model: { ...run.model, serial: { line: { baud: 9600 }, ...run.model?.serial } },
  });
  // What is under way on the module comes to its end.
  scheduler.advance(60_000);
  return result;
}

const identify = ({ scheduler, device }: Story, options: Record<string, string> = LINK): Identification =>
  runInVirtualTime((link) => csrDfu.identify(link, options), device, {
    scheduler,
    model: { serial: { line: { baud: Number(options['baud'] ?? 9600) } } },
  }).outcome;
const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
const text = (result: RunResult<unknown>): string =>
  result.sends.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('');

describe('an update', () => {
  it('is proven by the version read afterwards, and the settings are as before', () => {
    const story = module({ settings: { NAME: 'Kitchen', BT_VOL_CONFIG: '5 5 5 5' }, licences: { APTX: '1 2 3 4 5' } });
    const progress: number[] = [];
    const result = update(story, NEW, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({
      outcome: 'proven',
      sentBytes: bodyOf(NEW).length,
      needsRescue: false,
      before: {
        mode: 'application',
        identity: { kind: 'serial-number', value: story.device.unit.address },
        running: [{ version: '7.1+1526925062' }],
        hardware: { buildId: 0x2233, loaderBuildId: 0x1234 },
      },
      after: { running: [{ version: '7.3+1544637564' }], hardware: { settingsLost: 3, settingsRestored: 3 } },
    });
    expect(steps(result)).toEqual(['touched', 'erased', 'complete', 'activating']);
    expect(runs(story)).toBe(sha256(bodyOf(NEW)));
    expect(story.device.unit.settings.get('NAME')).toBe('Kitchen');
    expect(story.device.unit.licences.get('APTX')).toBe('1 2 3 4 5');
    expect(progress.at(-1)).toBe(bodyOf(NEW).length);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it.each<[string, Partial<CsrBc127Options>, Partial<UpdateRequest>, RunOptions['model']]>([
    [
      'version 5, its line ends and its bare ERROR',
      { isMelody5: true, lineEnding: 'lfcr' },
      { expectVersion: '7.3' },
      {},
    ],
    ['notifications in between', { chatty: true }, {}, {}],
    ['a module that slept', { sleeps: true }, {}, {}],
    ['a module that sends no CRC', { crc: false }, {}, {}],
    ['windows of 1 on both ends (uBCSP)', { window: 1 }, { tuning: { window: 1 } }, {}],
    ['blocks of 128 bytes', {}, { tuning: { maxWriteBytes: 128 } }, {}],
    ['flash eight times as slow', { faults: { slowFlash: 8 } }, {}, {}],
    ['SYNC four times a second', { syncMs: 250 }, {}, {}],
    ['a slow start into DFU mode', { dfuBootMs: 4000 }, {}, {}],
    ['a module that keeps its settings', { losesSettings: false }, {}, {}],
    ['a USB adapter that holds bytes back', {}, {}, { serial: { latencyMs: 16 } }],
    ['bytes in single file', {}, {}, { serial: { pieceBytes: 1 } }],
    ['a port that takes little at once', {}, {}, { serial: { maxWriteBytes: 64 } }],
    ['frames lost and damaged', { faults: { lossRate: 0.05, corruptRate: 0.05, seed: 3 } }, {}, {}],
    ['a silence of a second in the middle', { faults: { stallAtFrame: 12, stallMs: 1000 } }, {}, {}],
    ['one frame lost each way', { faults: { dropToDevice: [9, 14], dropToHost: [8, 12] } }, {}, {}],
    ['one frame damaged each way', { faults: { corruptToDevice: [10], corruptToHost: [11] } }, {}, {}],
  ])('gets there with %s', (_, options, change, model) => {
    const story = module(options);
    expect(update(story, NEW, change, { model: model ?? {} }).outcome).toMatchObject({ outcome: 'proven' });
    expect(runs(story)).toBe(sha256(bodyOf(NEW)));
  });

  it('at a speed that a person set, with parity, which is set again afterwards', () => {
    const story = module({ settings: { UART_CONFIG: '115200 OFF 2' } });
    const linkOptions = { ...LINK, baud: '115200', parity: 'even' };
    const line = { baud: 115_200, parity: 'even' } as const;
    const result = update(story, NEW, { linkOptions }, { model: { serial: { line } } });
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
    expect(story.device.unit.line).toEqual(line);
  });

  it('of a module that runs it already is left out', () => {
    const story = module({ application: bodyOf(NEW) });
    const result = update(story);
    expect(result.outcome).toMatchObject({ outcome: 'skipped', reason: 'already-running' });
    expect(text(result)).not.toContain('DFU');
    expect(update(module({ application: bodyOf(NEW) }), NEW, { versionProves: false }).outcome).toMatchObject({
      outcome: 'unproven',
      reason: 'version-unchanged',
    });
  });

  it.each<[string, Partial<CsrBc127Options>, string | undefined, string]>([
    ['the module states no build, the file does', { isMelody5: true }, undefined, 'unproven'],
    ['the module states no build, and a person says so', { isMelody5: true }, '7.3', 'proven'],
    ['a person left the build out, the module states one', {}, '7.3', 'unproven'],
    ['a person names it as the module does', {}, '7.3+1544637564', 'proven'],
    ['a person names another', {}, '7.3+1544637565', 'failed'],
  ])('compares versions letter by letter: %s', (_, options, expectVersion, ends) => {
    const { outcome } = update(module(options), NEW, { ...(expectVersion !== undefined && { expectVersion }) });
    expect(outcome).toMatchObject({ outcome: ends, ...(ends === 'unproven' && { reason: 'version-ambiguous' }) });
    const again = update(module({ ...options, application: bodyOf(NEW) }), NEW, {
      ...(expectVersion !== undefined && { expectVersion }),
    });
    // What certainly runs already is left alone, and nothing else is.
    expect(again.outcome.outcome === 'skipped').toBe(ends === 'proven');
  });

  it('with settings that the new firmware refuses is told', () => {
    const story = module({ settings: { NAME: 'Kitchen' }, refusesSettings: ['NAME'] });
    const { outcome } = update(story);
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'target.settings-lost', needsRescue: false });
    expect(outcome).toMatchObject({ params: { count: 1, detail: 'NAME (0x0011)' } });
    expect(runs(story)).toBe(sha256(bodyOf(NEW)));
  });
});

describe('refusals, before anything is touched', () => {
  const capture: LoaderCodec = { ...referenceLoaderCodec, id: 'mine', provenance: 'capture' };
  it.each<[string, Partial<UpdateRequest>, Uint8Array, string, Partial<RunOptions>, Protocol]>([
    ['hardware without a codec', { linkOptions: { variant: 'standard' } }, NEW, 'gateway.no-loader-codec', {}, csrDfu],
    ['the simulators’ codec on a real port', {}, NEW, 'gateway.no-loader-codec', { portName: '/dev/ttyUSB0' }, csrDfu],
    [
      'a codec that is none',
      { linkOptions: { variant: 'standard' } },
      NEW,
      'gateway.no-loader-codec',
      {},
      createCsrDfu({ codec: { ...capture, exit: 'somehow' } as unknown as LoaderCodec }),
    ],
    ['an HD file', {}, melody('7.3 1544717993', 3, 4000, 'hd'), 'artifact.wrong-hardware', {}, csrDfu],
    [
      'a module of unknown variant',
      { linkOptions: { loader: 'simulated' } },
      NEW,
      'artifact.wrong-hardware',
      {},
      csrDfu,
    ],
    ['an older file', {}, melody('6.1.2 1487945608', 4), 'artifact.downgrade', {}, csrDfu],
    [
      'another unit',
      { expectIdentity: { kind: 'serial-number', value: '20fabb000000' } },
      NEW,
      'target.wrong-identity',
      {},
      csrDfu,
    ],
    [
      'other bytes',
      {},
      NEW,
      'artifact.digest',
      { payloads: new Map([['image:0', bodyOf(NEW).with(2000, 1)]]) },
      csrDfu,
    ],
  ])('%s', (_, change, file, code, run, protocol) => {
    const story = module();
    const result = update(story, file, change, run, protocol);
    expect(result.outcome).toMatchObject({ outcome: 'failed', code, needsRescue: false });
    expect(steps(result)).toEqual([]);
    expect(text(result)).not.toContain('DFU\r');
    expect(runs(story)).toBe(sha256(bodyOf(OLD)));
  });

  it('a codec of its own is used, and an older file goes where that is allowed', () => {
    const story = module();
    const older = melody('6.1.2 1487945608', 4);
    const change = { linkOptions: { variant: 'standard' }, allowDowngrade: true };
    const result = update(story, older, change, { portName: '/dev/ttyUSB0' }, createCsrDfu({ codec: capture }));
    expect(result.outcome).toMatchObject({ outcome: 'proven' });
  });

  it('tells what to do without a codec', () => {
    const { outcome } = update(module(), NEW, { linkOptions: { variant: 'standard' } });
    expect(outcome.outcome === 'failed' && String(outcome.params['detail'])).toMatch(/loaderCodec in the site file/);
  });
});

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
    expect(outcome).toMatchObject({ outcome: 'failed', before: { mode: 'bootloader' }, after: { mode: 'application' } });
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
