/** The session and the simulated module talk to each other in virtual time. Both were written apart. */
import { describe, expect, it } from '@jest/globals';
import {
  createCsrDfu,
  csrDfu,
  referenceLoaderCodec,
  type LoaderCodec,
  type Protocol,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { type RunOptions } from '../../links/virtual-run.js';
import { LINK, melody, OLD, NEW, bodyOf, sha256, runs, steps, text, module, update } from './conversation.fixture.js';
import type { CsrBc127Options } from './options.js';

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
