import { describe, expect, it } from '@jest/globals';
import type { Effect, Input, Session } from '@drydock/dfu-core';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import { makeDemoFirmware } from '../targets/demo-firmware.js';
import { createSecureDfuDevice, type SecureDfuDevice } from '../targets/secure-dfu/secure-dfu-device.js';
import { initPacketOf, packets, request, sendInit, u32 } from '../targets/secure-dfu/secure-dfu-host.fixture.js';
import { secureDfuBleFloor } from './floor.js';
import { createInMemoryLink } from './in-memory-link.js';
import type { LinkModel } from './link-model.js';
import { runInVirtualTime, VirtualRun, type RunOptions } from './virtual-run.js';

const CONTROL = '8ec90001f3154f609fb8838830daea50';
const REVISION = '2a26';
const IMAGE = makeDemoFirmware({ model: 'm', version: '1.0.0', sizeBytes: 64 * 1024 });

function unit(options: { application?: Uint8Array; instantFlash?: boolean } = {}): {
  scheduler: VirtualScheduler;
  device: SecureDfuDevice;
} {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    verifyMs: 0,
    answerMs: 0,
    ...(options.application ? { application: options.application } : {}),
    ...(options.instantFlash ? { flash: { eraseMsPerPage: 0, writeUsPerWord: 0 } } : {}),
  });
  return { scheduler, device };
}

/** Performs the given effects and returns the kinds of their answers. */
function* script(effects: readonly Effect[]): Session<string[]> {
  const answers: string[] = [];
  for (const effect of effects) {
    const input: Input = yield effect;
    answers.push(input.kind === 'failed' ? input.code : input.kind);
  }
  return answers;
}

const run = (
  effects: readonly Effect[],
  options: Partial<RunOptions> = {},
): { answers: string[]; elapsedMs: number } => {
  const { scheduler, device } = unit({ application: IMAGE });
  const result = runInVirtualTime(script(effects), device, { scheduler, ...options });
  return { answers: result.outcome, elapsedMs: result.elapsedMs };
};

describe('effects', () => {
  it('a frame says how long it was waited for', () => {
    const { scheduler, device } = unit();
    function* session(): Session<[waitedMs: number | undefined, ms: number]> {
      yield { kind: 'subscribe', channel: CONTROL, withinMs: 1000 };
      yield { kind: 'send', channel: CONTROL, bytes: Uint8Array.of(6, 1), acknowledged: false, withinMs: 1000 };
      const sinceMs = scheduler.now();
      const input = yield { kind: 'await', channels: [CONTROL], withinMs: 1000 };
      return [input.kind === 'frame' ? input.waitedMs : undefined, scheduler.now() - sinceMs];
    }
    const [waitedMs, ms] = runInVirtualTime(session(), device, { scheduler }).outcome;
    expect(ms).toBeGreaterThan(1);
    expect(waitedMs).toBeCloseTo(ms, 3);
  });

  it('every wait ends at its time', () => {
    const { answers, elapsedMs } = run([
      { kind: 'await', channels: [CONTROL], withinMs: 700 },
      { kind: 'sleep', withinMs: 250 },
      { kind: 'reconnect', as: { notSameAddress: true, addresses: ['00:11:22:33:44:55'] }, withinMs: 3000 },
      { kind: 'await', channels: [CONTROL], withinMs: 700 },
    ]);
    expect(answers).toEqual(['timeout', 'done', 'timeout', 'closed']);
    expect(elapsedMs).toBeCloseTo(100 + 150 + 700 + 250 + 3000, 0);
  });

  it('reads payloads by name, refuses what is not there', () => {
    const payloads = new Map([
      ['a', Uint8Array.of(1, 2, 3)],
      ['b', Uint8Array.of(4)],
    ]);
    const { answers } = run(
      [
        { kind: 'read', source: 'a', offset: 1, length: 2, withinMs: 100 },
        { kind: 'read', source: 'a', offset: 1, length: 3, withinMs: 100 },
        { kind: 'read', source: 'c', offset: 0, length: 1, withinMs: 100 },
        { kind: 'query', channel: REVISION, withinMs: 1000 },
        { kind: 'query', channel: 'ffff', withinMs: 1000 },
      ],
      { payloads },
    );
    expect(answers).toEqual(['data', 'internal.invariant', 'internal.invariant', 'frame', 'link.no-such-channel']);
  });

  it('asks the fence at marks', () => {
    const steps: string[] = [];
    const { answers } = run(
      [
        { kind: 'mark', step: 'touched', withinMs: 100 },
        { kind: 'mark', step: 'complete', withinMs: 100 },
        { kind: 'mark', step: 'activating', withinMs: 100 },
      ],
      {
        onMark: (step) => {
          steps.push(step);
          return step === 'touched' ? 'go' : step === 'complete' ? { fail: 'fence.finish-by' } : 'cancel';
        },
      },
    );
    expect(answers).toEqual(['done', 'fence.finish-by', 'cancel']);
    expect(steps).toEqual(['touched', 'complete', 'activating']);
  });

  it('gives cancel once, also in the middle of a wait', () => {
    const wait: Effect = { kind: 'await', channels: [CONTROL], withinMs: 10_000 };
    const { answers, elapsedMs } = run([wait, { ...wait, withinMs: 500 }], { cancelAfterMs: 1000 });
    expect(answers).toEqual(['cancel', 'timeout']);
    expect(elapsedMs).toBeCloseTo(1500, 0);
  });

  it('a link that dies silently is known after the supervision timeout', () => {
    const { scheduler, device } = unit({ application: IMAGE });
    scheduler.after(1000, () => device.powerCut(60_000));
    const wait: Effect = { kind: 'await', channels: [CONTROL], withinMs: 20_000 };
    const result = runInVirtualTime(script([wait]), device, {
      scheduler,
      model: { ble: { supervisionTimeoutMs: 6000 } },
    });
    expect(result.outcome).toEqual(['closed']);
    expect(result.elapsedMs).toBeCloseTo(7000, 0);
  });

  it('refuses an effect without an end, and a session that spins', () => {
    expect(() => run([{ kind: 'sleep', withinMs: Number.POSITIVE_INFINITY }])).toThrow('no end');
    const spin = function* (): Session<void> {
      for (;;) yield { kind: 'progress', sentBytes: 0, totalBytes: 1, withinMs: 0 };
    };
    const { scheduler, device } = unit({ application: IMAGE });
    expect(() => runInVirtualTime(spin(), device, { scheduler })).toThrow('spins');
  });

  it('two units share one clock', () => {
    const scheduler = new VirtualScheduler();
    const runs = ['A', 'B'].map((serialNumber) => {
      const device = createSecureDfuDevice({ scheduler, serialNumber, application: IMAGE });
      return new VirtualRun(script([{ kind: 'query', channel: '2a25', withinMs: 1000 }]), device, { scheduler });
    });
    scheduler.runUntil(() => runs.every((one) => one.isOver));
    expect(runs.map((one) => one.result.outcome)).toEqual([['frame'], ['frame']]);
  });
});

describe('the air', () => {
  /** Time of one whole image from Select to the last answer, flash taking no time. */
  function transferMs(ble: LinkModel['ble']): number {
    const { scheduler, device } = unit({ instantFlash: true });
    let startedAtMs = 0;
    runInVirtualTime(
      function* (link): Session<void> {
        yield { kind: 'subscribe', channel: CONTROL, withinMs: 1000 };
        startedAtMs = scheduler.now();
        const size = Math.floor(link.maxWriteBytes / 4) * 4;
        yield* sendInit(initPacketOf(IMAGE, { fwVersion: 2 }), size);
        yield* request(0x06, 2);
        for (let at = 0; at < IMAGE.length; at += 4096) {
          yield* request(0x01, 2, ...u32(4096));
          yield* packets(IMAGE.slice(at, at + 4096), size);
          yield* request(0x03);
          yield* request(0x04);
        }
      },
      device,
      { scheduler, model: ble ? { ble } : {} },
    );
    return scheduler.now() - startedAtMs;
  }

  it.each([
    { intervalMs: 15, mtu: 247, linkPayloadBytes: 251, phy: 1 as const },
    { intervalMs: 15, mtu: 247, linkPayloadBytes: 251, phy: 2 as const },
    { intervalMs: 30, mtu: 247, linkPayloadBytes: 27, phy: 1 as const },
  ])('a plain host is near the floor, never below the bound: %j', (ble) => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };
    const floor = secureDfuBleFloor({ ...ble, imageBytes: IMAGE.length, flash });
    const tookMs = transferMs(ble);
    expect(tookMs).toBeGreaterThanOrEqual(floor.boundMs);
    expect(floor.totalMs / tookMs).toBeGreaterThan(0.8);
    expect(floor.totalMs / tookMs).toBeLessThan(1.25);
  });

  it('loss costs time and nothing else', () => {
    expect(transferMs({ lossRate: 0.1, seed: 7 })).toBeGreaterThan(transferMs({}));
  });
});

describe('the promise form', () => {
  it('opens, reads, and tells when the link is gone', async () => {
    const { scheduler, device } = unit({ application: IMAGE });
    const link = createInMemoryLink(device, { scheduler });
    const story = async (): Promise<string> => {
      const open = await link.open({}, 5000);
      const revision = new TextDecoder().decode(await open.query(REVISION, 1000));
      const none = await open.receive([CONTROL], 300);
      device.powerCut(100_000);
      const lost = await open.receive([CONTROL], 30_000).catch((error: unknown) => (error as { code: string }).code);
      await open.closed;
      const gone = await link.open({}, 2000).catch((error: unknown) => (error as { code: string }).code);
      return [revision, none, lost, gone].join(' ');
    };
    expect(await scheduler.runUntilSettled(story())).toBe('1.0.0  link.lost link.not-found');
  });
});
