/** A link and a protocol in memory, for specs of what stands above them. */
import { createHash } from 'node:crypto';
import {
  LinkError,
  SERIAL_CHANNEL,
  type ArtifactDescription,
  type Effect,
  type Identification,
  type Link,
  type LinkInfo,
  type OpenLink,
  type Protocol,
  type Session,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import { FrameQueue } from '../links/frame-queue.js';

/** What the other end saw, and when. */
export interface UnitLog {
  readonly atMs: number;
  readonly text: string;
}

/** A unit that notes every write; its answers are given by the test through `say`. */
export class ScriptedLink implements Link {
  readonly kind = 'serial';
  readonly writes: UnitLog[] = [];
  opens = 0;
  closes = 0;
  /** Called for each write. */
  onWrite: ((text: string, link: ScriptedLink) => void) | undefined;
  /** How strongly it is heard; a wire is not. */
  rssiDbm: number | undefined;
  /** Opening fails with this. */
  refusal: LinkError | undefined;
  #queue: FrameQueue | undefined;
  #lose: () => void = () => undefined;

  constructor(
    readonly name: string,
    private readonly nowMs: () => number,
    private readonly clock?: Clock,
  ) {}

  say(text: string): void {
    this.#queue?.push({ channel: SERIAL_CHANNEL, bytes: new TextEncoder().encode(text) });
  }

  lose(): void {
    this.#lose();
  }

  open(): Promise<OpenLink> {
    if (this.refusal) return Promise.reject(this.refusal);
    this.opens += 1;
    const queue = new FrameQueue(this.clock);
    this.#queue = queue;
    let isOpen = true;
    let resolveClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
    this.#lose = () => {
      isOpen = false;
      queue.close('the test cut it');
      resolveClosed();
    };
    const info: LinkInfo = {
      kind: 'serial',
      maxWriteBytes: 256,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: this.name },
    };
    return Promise.resolve({
      info,
      closed,
      send: (_, bytes) => {
        if (!isOpen) return Promise.reject(new LinkError('link.lost', { detail: 'cut' }));
        const text = new TextDecoder().decode(bytes);
        this.writes.push({ atMs: this.nowMs(), text });
        this.onWrite?.(text, this);
        return Promise.resolve();
      },
      subscribe: () => Promise.resolve(),
      query: () => Promise.reject(new LinkError('link.no-such-channel', { channel: 'x' })),
      configure: () => Promise.resolve(),
      receive: (channels, withinMs) => queue.receive(channels, withinMs),
      rssiDbm: () => Promise.resolve(this.rssiDbm),
      close: () => {
        if (isOpen) this.closes += 1;
        this.#lose();
        return Promise.resolve();
      },
    });
  }
}

/** Milliseconds that the phases of a scripted update take. */
export interface ScriptedTimes {
  identifyMs: number;
  readonly transferMs: number;
  readonly proveMs: number;
}

/** Who answers on the link. */
export interface ScriptedUnit {
  mode: Identification['mode'];
  /** The new image runs already: an update has nothing to do. */
  isNew?: boolean;
  /** An update begins by leading it out of its application. */
  leaves?: boolean;
}

/** A write that was not answered is repeated so often, a second after the one before. */
const TOUCHES = 30;
/** A proof looks again and again; a cancellation cuts one of its pauses short. */
const LOOKS = 10;

/**
 * A protocol that marks its steps in order and writes `touch` (until it is answered), `data`, `start` behind them. It
 * honours cancellations and refusals as sessions do.
 */
export function scriptedProtocol(times: ScriptedTimes, unit: ScriptedUnit = { mode: 'application' }): Protocol {
  const found = (link: LinkInfo, version: string, mode: Identification['mode'] = 'application'): Identification => ({
    protocol: 'smp',
    mode,
    identity: link.identity,
    hardware: {},
    running: mode === 'application' ? [{ image: 0, version }] : [],
  });
  const end = (
    outcome: Partial<UpdateOutcome> & { outcome: 'cancelled' | 'failed' },
    before: Identification,
  ): UpdateOutcome => ({ ...outcome, before, sentBytes: 0, needsRescue: unit.leaves ?? false }) as UpdateOutcome;

  const send = (text: string): Effect => ({
    kind: 'send',
    channel: SERIAL_CHANNEL,
    bytes: new TextEncoder().encode(text),
    withinMs: 1000,
  });

  function* update(link: LinkInfo): Session<UpdateOutcome> {
    if (unit.isNew) {
      yield { kind: 'sleep', withinMs: 1 };
      return {
        outcome: 'skipped',
        reason: 'already-running',
        before: found(link, '2'),
        sentBytes: 0,
        needsRescue: false,
      };
    }
    const before = found(link, '1', unit.mode);
    const script: readonly Effect[] = [
      { kind: 'mark', step: 'touched', withinMs: 1000 },
      send('touch'),
      { kind: 'await', channels: [SERIAL_CHANNEL], withinMs: 1000 },
      { kind: 'answered', withinMs: 0 },
      { kind: 'sleep', withinMs: times.transferMs },
      send('data'),
      { kind: 'mark', step: 'complete', withinMs: 1000 },
      { kind: 'mark', step: 'activating', withinMs: 1000 },
      send('start'),
      { kind: 'reconnect', as: {}, withinMs: 5000 },
      ...Array.from({ length: LOOKS }, (): Effect => ({ kind: 'sleep', withinMs: times.proveMs / LOOKS })),
    ];
    let isActivating = false;
    for (const effect of script) {
      let input = yield effect;
      for (let tries = 1; effect.kind === 'await' && input.kind === 'timeout' && tries < TOUCHES; tries += 1) {
        input = yield send('touch');
        if (input.kind === 'done') input = yield effect;
      }
      // Between activation and proof it is only noted: the way out is forwards.
      if (input.kind === 'cancel' && isActivating) input = yield effect;
      if (effect.kind === 'mark' && effect.step === 'activating') isActivating = true;
      if (input.kind === 'cancel') return end({ outcome: 'cancelled' }, before);
      if (input.kind === 'failed')
        return end({ outcome: 'failed', code: input.code, params: input.params ?? {} } as never, before);
      if (input.kind === 'closed' || input.kind === 'timeout') {
        return end({ outcome: 'failed', code: 'link.lost', params: { detail: input.kind } } as never, before);
      }
    }
    return { outcome: 'proven', before, after: found(link, '2'), sentBytes: 4, needsRescue: false };
  }

  return {
    name: 'smp',
    links: ['serial', 'ble'],
    services: [],
    formats: ['mcuboot'],
    recognise: () => undefined,
    *identify(link) {
      yield { kind: 'sleep', withinMs: times.identifyMs };
      return found(link, '1', unit.mode);
    },
    fit: () => ({ fits: true }),
    payloads: (file) => new Map([['image:0', file]]),
    leavesApplication: () => unit.leaves ?? false,
    update,
    *prove(link, _, before) {
      yield { kind: 'sleep', withinMs: times.proveMs };
      return {
        outcome: 'proven',
        ...(before && { before }),
        after: found(link, '2'),
        sentBytes: 0,
        needsRescue: false,
      };
    },
    rescue: update,
  };
}

export function sha256Hex(bytes: Uint8Array): ArtifactDescription['sha256'] {
  return createHash('sha256').update(bytes).digest('hex');
}
