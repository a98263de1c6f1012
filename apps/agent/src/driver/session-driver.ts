/**
 * Performs what a session asks for, against a real link and in real time: one input for each effect.
 *
 * - Marks are journalled, on disk, before they are answered.
 * - Fences: `startBy` is looked at before and after the journal has taken `touched` (writing it takes
 *   time too), and then at every `send` and `reconnect` until the target has answered (by what its protocol calls an answer:
 *   a console also talks of other things): a write that never arrived is no first touch, so it is not repeated after `startBy`. `finishBy` at every effect; after it nothing is written.
 * - A cancellation is given to the session once, at its next effect; sleeps are cut short for it.
 * - Whatever happens, the session ends within its limit, and the link is closed by `close`.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import {
  DrydockError,
  LinkError,
  type Effect,
  type Input,
  type Link,
  type LinkInfo,
  type MarkStep,
  type OpenLink,
  type ReconnectHint,
  type Session,
} from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import { describeEffect, describeInput } from './effect-lines.js';
import type { Fences } from './fences.js';
import type { PayloadStore } from './payload-store.js';

/** A link that can follow the target through a restart without letting go of the port. */
export interface ReopeningLink extends Link {
  /** @param signal ends the search for a target soon; the promise is then rejected. */
  open(hint: ReconnectHint, withinMs: number, signal?: AbortSignal): Promise<OpenLink>;
  reopen?(open: OpenLink, hint: ReconnectHint, withinMs: number): Promise<OpenLink>;
}

export interface DriverHooks {
  /** Writes the step to the journal and returns when it is on disk. A `DrydockError` refuses the step. */
  mark?(step: MarkStep): Promise<void>;
  progress?(sentBytes: number, totalBytes: number): void;
  /** The first bytes after `touched` are about to leave. */
  sending?(): void;
  /** The target answered for the first time to something that was sent after `touched`. */
  answered?(): void;
  /** The target answered again after a `reconnect`. */
  reopened?(info: LinkInfo): void;
  /** One line for each effect and its answer, for debugging. */
  trace?(line: () => string): void;
}

export interface DriverOptions {
  readonly clock: Clock;
  readonly link: ReopeningLink;
  readonly fences: Fences;
  readonly payload?: PayloadStore;
  readonly hooks?: DriverHooks;
}

/** A link that does not keep to its own time is given this much more before it is taken for dead. */
const LINK_GRACE_MS = 1000;
/** After its limit a session is asked to leave; after this much longer it is ended. */
const CANCEL_GRACE_MS = 15_000;
/** What is being connected is let go within this. */
const GIVE_UP_MS = 6000;
/** A session that goes on asking after the end of its time is ended after this many refusals. */
const MAX_REFUSALS = 64;
/** Effects that never wait for anything must not keep the process from its timers. */
const EFFECTS_PER_TURN = 256;

const failed = (code: ErrorCode, params: ErrorParams = {}): Input => ({ kind: 'failed', code, params });

export class SessionDriver {
  readonly #options: DriverOptions;
  #open: OpenLink | undefined;
  #cancelWanted = false;
  #cancelGiven = false;
  #cancelSleep = new AbortController();
  #stopped: DrydockError | undefined;
  #stop: (() => void) | undefined;
  #limitTimer: (() => void) | undefined;
  #running = false;
  #touched = false;
  #sentSinceTouched = false;
  #answered = false;
  #overdue = false;
  readonly #giveUp = new AbortController();
  #opening: Promise<unknown> | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** True once a `touched` mark was answered with `done`. */
  get touched(): boolean {
    return this.#touched;
  }

  /** True once a session went past its limit: what it then says of a cancellation is a time-out. */
  get overdue(): boolean {
    return this.#overdue;
  }

  get info(): LinkInfo | undefined {
    return this.#open?.info;
  }

  /** How strongly the target is heard now; undefined where nobody can tell. */
  async rssiDbm(): Promise<number | undefined> {
    return this.#open?.rssiDbm?.().catch(() => undefined);
  }

  /** Opens the link, unless it is open. @throws LinkError */
  async open(withinMs: number, hint: ReconnectHint = {}): Promise<LinkInfo> {
    if (this.#open) return this.#open.info;
    const opening = this.#options.link.open(hint, withinMs, this.#giveUp.signal);
    this.#opening = opening;
    return this.#adopt(await this.#guard(opening, withinMs, (late) => void late.close()));
  }

  /** Asks the session that runs, or the next one, to leave at its next safe point. */
  cancel(): void {
    this.#cancelWanted = true;
    this.#cancelSleep.abort();
  }

  /** Ends the session at once, wherever it is: only for one that changes nothing on its device. */
  abort(detail: string): void {
    this.#end(new DrydockError('link.lost', { detail }));
  }

  /** The session is asked to leave after this time, and ended a little later. Counts from now; replaces the limit before. */
  limit(limitMs: number): void {
    this.#limitTimer?.();
    this.#limitTimer = this.#options.clock.after(limitMs, () => {
      this.#overdue = true;
      this.cancel();
      this.#limitTimer = this.#options.clock.after(CANCEL_GRACE_MS, () => {
        this.#end(new DrydockError('link.timeout', { withinMs: limitMs, detail: 'the session went past its limit' }));
      });
    });
  }

  /**
   * Runs one session on the link, which is opened first if it is not open.
   * @throws LinkError when the link cannot be opened; DrydockError when the session was ended by its limit.
   */
  async run<Outcome>(
    make: (info: LinkInfo) => Session<Outcome>,
    times: { openMs: number; limitMs: number },
  ): Promise<Outcome> {
    if (this.#running) throw new DrydockError('internal.invariant', { detail: 'two sessions on one link' });
    this.#running = true;
    this.limit(times.limitMs);
    try {
      const info = await this.#unlessStopped(this.open(times.openMs));
      if (this.#stopped || !info) throw this.#stopped ?? new DrydockError('internal.invariant', { detail: 'no link' });
      const session = make(info);
      return await this.#play(session);
    } finally {
      this.#running = false;
      this.#limitTimer?.();
      this.#limitTimer = undefined;
    }
  }

  /** Closes the link; never throws. The driver can open it again, unless it was aborted. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open) await this.#guard(open.close(), LINK_GRACE_MS).catch(() => undefined);
    // A search that was given up has let go of the adapter before others begin theirs.
    while (this.#stopped && this.#opening) {
      const opening = this.#opening;
      await this.#guard(opening, GIVE_UP_MS).catch(() => undefined);
      if (this.#opening === opening) this.#opening = undefined;
    }
  }

  #end(error: DrydockError): void {
    this.#stopped = error;
    this.#giveUp.abort();
    this.#stop?.();
    void this.close();
  }

  /**
   * The result, or undefined as soon as the session is ended from outside. Not by `Promise.race` with one long-lived
   * promise: that would hold on to something for each effect, and a large image takes hundreds of thousands.
   */
  #unlessStopped<T>(work: Promise<T>): Promise<T | undefined> {
    if (this.#stopped) {
      work.catch(() => undefined);
      return Promise.resolve(undefined);
    }
    return new Promise<T | undefined>((resolve, reject) => {
      this.#stop = () => resolve(undefined);
      work.then(resolve, reject);
    });
  }

  async #play<Outcome>(session: Session<Outcome>): Promise<Outcome> {
    let step = session.next();
    let refusals = 0;
    for (let count = 1; !step.done; count += 1) {
      if (count % EFFECTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      const effect = step.value;
      const input = await this.#unlessStopped(this.#answer(effect));
      if (this.#stopped || !input) {
        const error = this.#stopped ?? new DrydockError('internal.invariant', { detail: 'no input' });
        // The generator's own clean-up may yield; nobody performs that any more.
        session.return(undefined as Outcome);
        throw error;
      }
      this.#options.hooks?.trace?.(() => `${describeEffect(effect)} -> ${describeInput(input)}`);
      if (input.kind === 'failed' && input.code.startsWith('fence.')) {
        refusals += 1;
        if (refusals > MAX_REFUSALS) {
          session.return(undefined as Outcome);
          throw new DrydockError(input.code, input.params);
        }
      }
      step = session.next(input);
    }
    return step.value;
  }

  async #answer(effect: Effect): Promise<Input> {
    const fence = this.#finishFence(effect);
    if (fence) return fence;
    if (this.#cancelWanted && !this.#cancelGiven && effect.kind !== 'close' && effect.kind !== 'answered') {
      this.#cancelGiven = true;
      return { kind: 'cancel' };
    }
    try {
      const input = await this.#perform(effect);
      // What ran into the end of the grant says so, instead of a time-out that invites another try.
      return input.kind === 'timeout' ? (this.#fencedSince(effect) ?? input) : input;
    } catch (error) {
      if (error instanceof LinkError && error.code === 'link.lost') return { kind: 'closed' };
      if (error instanceof DrydockError && error.code === 'link.timeout') {
        return this.#fencedSince(effect) ?? { kind: 'timeout' };
      }
      if (error instanceof DrydockError) return this.#fencedSince(effect) ?? failed(error.code, error.params);
      return failed('link.lost', { detail: error instanceof Error ? error.message : String(error) });
    }
  }

  /** The answer to an effect whose time was cut short by a fence. */
  #fencedSince(effect: Effect): Input | undefined {
    return this.#finishFence(effect) ?? this.#startFence(effect);
  }

  /** The answer to what would lead to a write after `touched`, while nobody knows whether one before it has arrived. */
  #startFence(effect: Effect): Input | undefined {
    const leadsToWrite = effect.kind === 'send' || effect.kind === 'reconnect';
    return leadsToWrite && this.#touched && !this.#answered ? startRefusal(this.#options.fences) : undefined;
  }

  /** A link that is slow, to take bytes or to find the target, does not carry the session past the fence. */
  #withinStart(withinMs: number): number {
    if (!this.#touched || this.#answered) return withinMs;
    return Math.min(withinMs, this.#options.fences.startRemainingMs() ?? withinMs);
  }

  /** The answer to any effect that could reach the device after `finishBy`. */
  #finishFence(effect: Effect): Input | undefined {
    if (effect.kind === 'close' || effect.kind === 'progress' || effect.kind === 'answered') return undefined;
    const remaining = this.#options.fences.finishRemainingMs();
    if (remaining === undefined) return failed('fence.no-time');
    return remaining > 0 ? undefined : failed('fence.finish-by');
  }

  async #perform(effect: Effect): Promise<Input> {
    const { clock, fences, hooks } = this.#options;
    const withinMs = Math.max(0, Math.min(effect.withinMs, fences.finishRemainingMs() ?? 0));
    switch (effect.kind) {
      case 'progress':
        hooks?.progress?.(effect.sentBytes, effect.totalBytes);
        return { kind: 'done' };
      case 'answered':
        this.#heard();
        return { kind: 'done' };
      case 'read':
        return { kind: 'data', bytes: this.#read(effect.source, effect.offset, effect.length) };
      case 'sleep':
        await sleep(clock, withinMs, this.#cancelSleep.signal);
        this.#cancelSleep = this.#cancelSleep.signal.aborted ? new AbortController() : this.#cancelSleep;
        return { kind: 'done' };
      case 'mark':
        return this.#mark(effect.step);
      case 'close':
        await this.close();
        return { kind: 'done' };
      case 'reconnect': {
        const refusal = this.#startFence(effect);
        if (refusal) return refusal;
        const info = await this.#reconnect(effect.as, this.#withinStart(withinMs));
        hooks?.reopened?.(info);
        return { kind: 'opened', link: info };
      }
      default:
        return this.#performOnLink(effect, withinMs);
    }
  }

  async #reconnect(hint: ReconnectHint, withinMs: number): Promise<LinkInfo> {
    const link: ReopeningLink = this.#options.link;
    const open = this.#open;
    if (!open || !link.reopen) {
      await this.close();
      return this.open(withinMs, hint);
    }
    this.#open = undefined;
    return this.#adopt(await this.#guard(link.reopen(open, hint, withinMs), withinMs, (late) => void late.close()));
  }

  #adopt(open: OpenLink): LinkInfo {
    if (this.#stopped) {
      this.#opening = open.close();
      throw this.#stopped;
    }
    this.#open = open;
    void open.closed.then(() => {
      if (this.#open === open) this.#open = undefined;
    });
    return open.info;
  }

  async #performOnLink(
    effect: Extract<Effect, { kind: 'send' | 'subscribe' | 'await' | 'query' | 'configure' }>,
    withinMs: number,
  ): Promise<Input> {
    const open = this.#open;
    if (!open) return { kind: 'closed' };
    switch (effect.kind) {
      case 'send':
        return this.#send(open, effect, withinMs);
      case 'subscribe':
        await this.#guard(open.subscribe(effect.channel, withinMs), withinMs);
        return { kind: 'done' };
      case 'configure':
        await this.#guard(open.configure(effect.line, withinMs), withinMs);
        return { kind: 'done' };
      case 'query': {
        const bytes = await this.#guard(open.query(effect.channel, withinMs), withinMs);
        this.#heardOn(open);
        return { kind: 'frame', channel: effect.channel, bytes };
      }
      case 'await': {
        const { clock } = this.#options;
        const sinceMs = clock.monotonicMs();
        const frame = await this.#guard(open.receive(effect.channels, withinMs), withinMs);
        if (!frame) return { kind: 'timeout' };
        this.#heardOn(open);
        return { kind: 'frame', ...frame, waitedMs: clock.monotonicMs() - sinceMs };
      }
    }
  }

  async #send(open: OpenLink, effect: Extract<Effect, { kind: 'send' }>, withinMs: number): Promise<Input> {
    const refusal = this.#startFence(effect);
    if (refusal) return refusal;
    const acknowledged = effect.acknowledged ?? false;
    const limitMs = this.#withinStart(withinMs);
    if (this.#touched && !this.#sentSinceTouched) {
      this.#sentSinceTouched = true;
      this.#options.hooks?.sending?.();
    }
    await this.#guard(open.send(effect.channel, effect.bytes, { acknowledged, withinMs: limitMs }), limitMs);
    // Only Bluetooth has a write that the other end confirms.
    if (acknowledged) this.#heardOn(open);
    return { kind: 'done' };
  }

  /** Something came. Over Bluetooth only the target can have said it; elsewhere the session knows, and says `answered`. */
  #heardOn({ info }: OpenLink): void {
    if (info.kind === 'ble') this.#heard();
  }

  /** The target answered. */
  #heard(): void {
    if (!this.#sentSinceTouched || this.#answered) return;
    this.#answered = true;
    this.#options.hooks?.answered?.();
  }

  #read(source: string | undefined, offset: number, length: number): Uint8Array {
    const { payload } = this.#options;
    if (!payload)
      throw new DrydockError('internal.invariant', { detail: 'a session without artifact asked for bytes' });
    return payload.read(source, offset, length);
  }

  async #mark(step: MarkStep): Promise<Input> {
    const { fences, hooks } = this.#options;
    const first = step === 'touched' && !this.#touched;
    if (first) {
      const refusal = startRefusal(fences);
      if (refusal) return refusal;
    }
    await hooks?.mark?.(step);
    if (first) {
      const refusal = startRefusal(fences);
      if (refusal) return refusal;
      this.#touched = true;
    }
    return this.#finishFence({ kind: 'mark', step, withinMs: 0 }) ?? { kind: 'done' };
  }

  /** A link keeps its own time; one that does not is closed and counts as lost. */
  async #guard<T>(work: Promise<T>, withinMs: number, late?: (value: T) => void): Promise<T> {
    if (withinMs === Number.POSITIVE_INFINITY) return work;
    let callOff: () => void = () => undefined;
    let overdue = false;
    const timer = new Promise<never>((_, reject) => {
      callOff = this.#options.clock.after(withinMs + LINK_GRACE_MS, () => {
        overdue = true;
        reject(new LinkError('link.lost', { detail: `the link did not answer within ${withinMs + LINK_GRACE_MS} ms` }));
      });
    });
    work.then(
      (value) => overdue && late?.(value),
      () => undefined,
    );
    try {
      return await Promise.race([work, timer]);
    } catch (error) {
      if (overdue && this.#open) void this.close();
      throw error;
    } finally {
      callOff();
    }
  }
}

function startRefusal(fences: Fences): Input | undefined {
  const remaining = fences.startRemainingMs();
  if (remaining === undefined) return failed('fence.no-time');
  return remaining > 0 ? undefined : failed('fence.start-by');
}
