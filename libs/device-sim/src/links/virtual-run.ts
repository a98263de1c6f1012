/**
 * Runs a dfu-core session against a simulated device in virtual time: every effect is performed on
 * a simulated link and answered with exactly one input, every wait ends at the effect's `withinMs`.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { Channel, Effect, Input, LinkInfo, LinkKind, MarkStep, Session } from '@drydock/dfu-core';
import type { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import type { Cancel, SimulatedDevice } from '../target.js';
import type { LinkModel } from './link-model.js';
import { defaultLinkOf, openSimulatedPort, type Neighbourhood } from './open-port.js';
import type { PortDone, PortResult, SimulatedPort } from './simulated-port.js';

/** What a mark is answered with: go on, refuse with a code (a fence), or cancel. */
export type MarkVerdict = 'go' | 'cancel' | { readonly fail: ErrorCode; readonly params?: ErrorParams };

export interface RunOptions {
  /** The scheduler that the device was made with. */
  readonly scheduler: VirtualScheduler;
  /** Which of the device's links; default BLE if it has one, else its UART. `udp` treats the UART as datagrams. */
  readonly link?: LinkKind;
  readonly model?: LinkModel;
  /** Name of the UART port or UDP endpoint, as identity. Default `sim:<hardwareId>`. */
  readonly portName?: string;
  /**
   * Bytes for `read` effects by their `source`. An effect without source reads the entry `''`, or
   * the only entry.
   */
  readonly payloads?: ReadonlyMap<string, Uint8Array>;
  /** Told of every `read` effect. */
  readonly onRead?: (offset: number, length: number) => void;
  /** How long the source of the artifact takes for a `read`, which then may end in a timeout. Default 0. */
  readonly sourceMs?: (offset: number, length: number, atMs: number) => number;
  /** The fence: asked at every mark, before the session goes on. Default: always go. */
  readonly onMark?: (step: MarkStep, atMs: number) => MarkVerdict;
  readonly onProgress?: (sentBytes: number, totalBytes: number, atMs: number) => void;
  /** Gives `cancel` once, this many virtual milliseconds after the start. */
  readonly cancelAfterMs?: number;
  /** Other units in radio reach. */
  readonly others?: readonly SimulatedDevice[];
  /** Frames that may wait unread before the newest are dropped. Default 1024. */
  readonly frameQueue?: number;
  /** Virtual time after which the run is a failure of the session. Default 12 h. */
  readonly limitMs?: number;
}

export interface SentRecord {
  readonly atMs: number;
  readonly channel: Channel;
  readonly bytes: Uint8Array;
  readonly acknowledged: boolean;
}

export interface RunResult<Outcome> {
  readonly outcome: Outcome;
  /** Virtual time from the start (link open) to the session's return. */
  readonly elapsedMs: number;
  readonly marks: readonly { readonly step: MarkStep; readonly atMs: number }[];
  readonly sends: readonly SentRecord[];
  /** Frames that arrived while the queue was full. A healthy session has none. */
  readonly framesDropped: number;
  /** How often the session closed and found its target again. */
  readonly reconnects: number;
}

const MAX_EFFECTS_AT_ONE_MOMENT = 100_000;

/** One session under way; `runInVirtualTime` is the simple form. Several may share a scheduler. */
export class VirtualRun<Outcome> {
  readonly #place: Neighbourhood;
  readonly #options: RunOptions;
  readonly #start: Session<Outcome> | ((link: LinkInfo) => Session<Outcome>);
  readonly #frames: { channel: Channel; bytes: Uint8Array }[] = [];
  readonly #marks: { step: MarkStep; atMs: number }[] = [];
  readonly #sends: SentRecord[] = [];
  #session: Session<Outcome> | undefined;
  #port: SimulatedPort | undefined;
  #portClosed = false;
  #own: string | undefined;
  #startedAtMs = 0;
  #framesDropped = 0;
  #reconnects = 0;
  #cancelAsked = false;
  /** Tried when a frame arrives, the link closes, or a cancellation comes. */
  #waiting: { onChange: () => void; answer: (input: Input) => void } | undefined;
  #result: RunResult<Outcome> | undefined;
  #error: unknown;
  #failed = false;
  #effectsNow = { atMs: -1, count: 0 };

  constructor(
    session: Session<Outcome> | ((link: LinkInfo) => Session<Outcome>),
    device: SimulatedDevice,
    options: RunOptions,
  ) {
    this.#start = session;
    this.#options = options;
    this.#place = {
      scheduler: options.scheduler,
      device,
      link: options.link ?? defaultLinkOf(device),
      model: options.model ?? {},
      portName: options.portName ?? `sim:${device.hardwareId}`,
      ...(options.others ? { others: options.others } : {}),
    };
    this.#own = device.ble?.advertisement()?.address;
    this.#startedAtMs = options.scheduler.now();
    if (options.cancelAfterMs !== undefined) options.scheduler.after(options.cancelAfterMs, () => this.cancel());
    this.#openFirst();
  }

  get isOver(): boolean {
    return this.#result !== undefined || this.#failed;
  }

  /** @throws what the session threw, or Error while it still runs. */
  get result(): RunResult<Outcome> {
    if (this.#failed) throw this.#error;
    if (!this.#result) throw new Error('the session still runs');
    return this.#result;
  }

  /** Asks the session to leave at the next safe point: `cancel` answers what it waits for now. */
  cancel(): void {
    if (this.isOver) return;
    this.#cancelAsked = true;
    this.#waiting?.onChange();
  }

  #openFirst(): void {
    openSimulatedPort(this.#place, {}, this.#own, this.#portEvents(), (port) => {
      this.#take(port);
      this.#guard(() => {
        this.#session = typeof this.#start === 'function' ? this.#start(port.info) : this.#start;
        this.#follow(this.#session.next());
      });
    });
  }

  #portEvents(): { frame(channel: Channel, bytes: Uint8Array): void; closed(): void } {
    const epoch = this.#reconnects;
    return {
      frame: (channel, bytes) => {
        if (epoch !== this.#reconnects) return;
        if (this.#frames.length >= (this.#options.frameQueue ?? 1024)) {
          this.#framesDropped += 1;
          return;
        }
        this.#frames.push({ channel, bytes });
        this.#waiting?.onChange();
      },
      closed: () => {
        if (epoch !== this.#reconnects) return;
        this.#portClosed = true;
        this.#waiting?.onChange();
      },
    };
  }

  #take(port: SimulatedPort): void {
    this.#port = port;
    this.#portClosed = false;
    this.#frames.length = 0;
    if (port.info.kind === 'ble') this.#own = port.info.identity.value;
  }

  #guard(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#failed = true;
      this.#error = error;
      this.#finishLink();
    }
  }

  #finishLink(): void {
    this.#waiting = undefined;
    this.#port?.close(() => undefined);
    this.#port = undefined;
  }

  #follow(next: IteratorResult<Effect, Outcome>): void {
    if (next.done) {
      this.#result = {
        outcome: next.value,
        elapsedMs: this.#options.scheduler.now() - this.#startedAtMs,
        marks: this.#marks,
        sends: this.#sends,
        framesDropped: this.#framesDropped,
        reconnects: this.#reconnects,
      };
      this.#finishLink();
      return;
    }
    const effect = next.value;
    const now = this.#options.scheduler.now();
    if (!(effect.withinMs >= 0) || !Number.isFinite(effect.withinMs)) {
      throw new Error(`effect ${effect.kind} has no end: withinMs is ${effect.withinMs}`);
    }
    if (now === this.#effectsNow.atMs) this.#effectsNow.count += 1;
    else this.#effectsNow = { atMs: now, count: 1 };
    if (this.#effectsNow.count > MAX_EFFECTS_AT_ONE_MOMENT) throw new Error(`the session spins on ${effect.kind}`);
    this.#perform(effect);
  }

  #perform(effect: Effect): void {
    const { scheduler } = this.#options;
    let answered = false;
    let stopTimer: Cancel = () => undefined;
    const answer = (input: Input): void => {
      if (answered) return;
      answered = true;
      this.#waiting = undefined;
      stopTimer();
      // A turn of its own: long runs of effects must not grow the stack.
      scheduler.after(0, () => {
        const session = this.#session;
        if (session && !this.isOver) this.#guard(() => this.#follow(session.next(input)));
      });
    };
    const fromPort: PortDone = (result) => answer(this.#inputOf(result, effect));
    const cancelled = (): boolean => {
      if (!this.#cancelAsked || answered) return false;
      this.#cancelAsked = false;
      answer({ kind: 'cancel' });
      return true;
    };
    this.#waiting = { onChange: () => void cancelled(), answer };
    if (effect.kind === 'answered') return answer({ kind: 'done' });
    if (cancelled()) return;
    if (effect.kind === 'sleep') {
      stopTimer = scheduler.after(effect.withinMs, () => answer({ kind: 'done' }));
      return;
    }
    if (effect.kind === 'mark') return this.#mark(effect.step, answer);
    if (effect.kind === 'progress') {
      this.#options.onProgress?.(effect.sentBytes, effect.totalBytes, scheduler.now());
      return answer({ kind: 'done' });
    }
    const sourceMs = this.#sourceMs(effect);
    if (effect.kind === 'read' && sourceMs === 0) return answer(this.#read(effect));

    stopTimer = scheduler.after(effect.withinMs, () => answer({ kind: 'timeout' }));
    if (effect.kind === 'await') {
      const sinceMs = scheduler.now();
      const look = (): void => {
        const at = this.#frames.findIndex((frame) => effect.channels.includes(frame.channel));
        const found = at < 0 ? undefined : this.#frames.splice(at, 1)[0];
        if (found) answer({ kind: 'frame', ...found, waitedMs: scheduler.now() - sinceMs });
        else if (this.#portClosed || !this.#port) answer({ kind: 'closed' });
      };
      this.#waiting = {
        onChange: () => {
          if (!cancelled()) look();
        },
        answer,
      };
      return look();
    }
    if (effect.kind === 'reconnect') {
      let stopLooking: Cancel = () => undefined;
      const stopDeadline = stopTimer;
      stopTimer = () => {
        stopDeadline();
        stopLooking();
      };
      const find = (): void => {
        if (answered) return;
        this.#reconnects += 1;
        stopLooking = openSimulatedPort(this.#place, effect.as, this.#own, this.#portEvents(), (port) => {
          this.#take(port);
          answer({ kind: 'opened', link: port.info });
        });
      };
      return this.#closePort(find);
    }
    if (effect.kind === 'close') return this.#closePort(() => answer({ kind: 'done' }));
    if (effect.kind === 'read') {
      const stopDeadline = stopTimer;
      const stopSource = scheduler.after(sourceMs, () => answer(this.#read(effect)));
      stopTimer = () => {
        stopDeadline();
        stopSource();
      };
      return;
    }

    const port = this.#port;
    if (!port || this.#portClosed) return answer({ kind: 'closed' });
    switch (effect.kind) {
      case 'send':
        this.#sends.push({
          atMs: scheduler.now() - this.#startedAtMs,
          channel: effect.channel,
          bytes: effect.bytes.slice(),
          acknowledged: effect.acknowledged ?? false,
        });
        return port.send(effect.channel, effect.bytes, effect.acknowledged ?? false, fromPort);
      case 'subscribe':
        return port.subscribe(effect.channel, fromPort);
      case 'query':
        return port.query(effect.channel, fromPort);
      case 'configure':
        return port.configure(effect.line, fromPort);
    }
  }

  #closePort(done: () => void): void {
    const port = this.#port;
    this.#port = undefined;
    this.#frames.length = 0;
    if (!port || this.#portClosed) return done();
    port.close(done);
  }

  #inputOf(result: PortResult, effect: Effect): Input {
    if (!result.ok) {
      return result.code === 'link.lost'
        ? { kind: 'closed' }
        : { kind: 'failed', code: result.code, params: result.params };
    }
    if (effect.kind === 'query') {
      return { kind: 'frame', channel: effect.channel, bytes: result.bytes ?? new Uint8Array() };
    }
    return { kind: 'done' };
  }

  #mark(step: MarkStep, answer: (input: Input) => void): void {
    const atMs = this.#options.scheduler.now() - this.#startedAtMs;
    const verdict = this.#options.onMark?.(step, atMs) ?? 'go';
    if (verdict === 'cancel') return answer({ kind: 'cancel' });
    if (verdict !== 'go') return answer({ kind: 'failed', code: verdict.fail, params: verdict.params ?? {} });
    this.#marks.push({ step, atMs });
    answer({ kind: 'done' });
  }

  #sourceMs(effect: Effect): number {
    if (effect.kind !== 'read') return 0;
    return this.#options.sourceMs?.(effect.offset, effect.length, this.#options.scheduler.now()) ?? 0;
  }

  #read(effect: Extract<Effect, { kind: 'read' }>): Input {
    this.#options.onRead?.(effect.offset, effect.length);
    const payloads = this.#options.payloads ?? new Map<string, Uint8Array>();
    const only = payloads.size === 1 ? [...payloads.values()][0] : undefined;
    const payload = payloads.get(effect.source ?? '') ?? (effect.source === undefined ? only : undefined);
    if (!payload || effect.offset < 0 || effect.offset + effect.length > payload.length) {
      const detail = `read of ${effect.length} bytes at ${effect.offset} of '${effect.source ?? ''}' (${payload?.length ?? 'no such payload'})`;
      return { kind: 'failed', code: 'internal.invariant', params: { detail } };
    }
    return { kind: 'data', bytes: payload.slice(effect.offset, effect.offset + effect.length) };
  }
}

/**
 * Opens the link, runs the session to its end in virtual time, and closes the link.
 *
 * @param session a session, or how to make one from the link that was opened.
 * @throws Error when the session never ends within `limitMs`, or yields an effect without an end;
 * whatever the session itself throws.
 */
export function runInVirtualTime<Outcome>(
  session: Session<Outcome> | ((link: LinkInfo) => Session<Outcome>),
  device: SimulatedDevice,
  options: RunOptions,
): RunResult<Outcome> {
  const run = new VirtualRun(session, device, options);
  const limitMs = options.limitMs ?? 12 * 3600 * 1000;
  options.scheduler.runUntil(() => run.isOver, limitMs);
  if (!run.isOver) throw new Error(`the session did not end within ${limitMs} virtual ms`);
  return run.result;
}
