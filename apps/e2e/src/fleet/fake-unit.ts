/**
 * Devices by the thousand, in this process: no bytes on a wire, but a log of every touch in true time, kept by the
 * unit itself. Their protocol bears the name of a real one, so that server and agent treat it as they treat any.
 */
import { createHash } from 'node:crypto';
import {
  LinkError,
  SERIAL_CHANNEL,
  type Effect,
  type Identification,
  type Link,
  type LinkInfo,
  type OpenLink,
  type Protocol,
  type Session,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';

/** What an image calls itself when it runs: known to the factory, not to the link. */
export interface FakeImage {
  readonly hash: string;
  readonly version: string;
}

export class FakeUnit {
  readonly touches: { readonly atMs: number; readonly what: string }[] = [];
  readonly flash = { runningImageSha256: (): string | undefined => this.runs?.sha256 };
  /** Undefined while there is no application. */
  runs: ({ readonly sha256: string | undefined } & FakeImage) | undefined;
  /** SHA-256 of files that it takes but does not start: firmware that is bad for this unit. */
  readonly refuses = new Set<string>();
  private written: string | undefined;

  constructor(
    readonly serial: string,
    private readonly images: ReadonlyMap<string, FakeImage>,
    /** Of each transfer that begins from now on. */
    public transferMs: number,
    version = '1.0.0',
  ) {
    this.runs = { sha256: undefined, hash: '00'.repeat(32), version };
  }

  /** A write that reached the unit. */
  take(bytes: Uint8Array): void {
    const what = new TextDecoder().decode(bytes.subarray(0, 5));
    if (what === 'touch') this.log('touched');
    else if (what === 'image') {
      this.log('written');
      this.written = createHash('sha256').update(bytes.subarray(5)).digest('hex');
    } else if (what === 'start') {
      this.log('activated');
      const isKnown = this.written !== undefined && !this.refuses.has(this.written);
      const image = isKnown ? this.images.get(this.written!) : undefined;
      // What it does not know, it does not start; the old application goes on.
      if (image) this.runs = { sha256: this.written, ...image };
    }
  }

  private log(what: string): void {
    this.touches.push({ atMs: Date.now(), what });
  }
}

/** Opens only sometimes, as radios do. */
export class FakeLink implements Link {
  readonly kind = 'serial';

  constructor(
    readonly name: string,
    private readonly unit: FakeUnit,
    private readonly fails: () => boolean,
  ) {}

  open(): Promise<OpenLink> {
    if (this.fails()) return Promise.reject(new LinkError('link.lost', { detail: 'the radio did not answer' }));
    let resolveClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
    const info: LinkInfo = {
      kind: 'serial',
      maxWriteBytes: 65_536,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'serial-number', value: this.unit.serial },
    };
    return Promise.resolve({
      info,
      closed,
      send: (_, bytes) => {
        this.unit.take(bytes);
        return Promise.resolve();
      },
      subscribe: () => Promise.resolve(),
      query: () => Promise.reject(new LinkError('link.no-such-channel', { channel: 'none' })),
      configure: () => Promise.resolve(),
      receive: (_, withinMs) => new Promise((resolve) => setTimeout(() => resolve(undefined), withinMs)),
      close: () => {
        resolveClosed();
        return Promise.resolve();
      },
    });
  }
}

const send = (head: string, tail: Uint8Array = new Uint8Array()): Effect => {
  const bytes = new Uint8Array(5 + tail.length);
  bytes.set(new TextEncoder().encode(head.padEnd(5)));
  bytes.set(tail, 5);
  return { kind: 'send', channel: SERIAL_CHANNEL, bytes, withinMs: 2_000 };
};

/** @param unitOf the unit behind an open link, by its identity. */
export function fakeProtocol(unitOf: (serial: string) => FakeUnit): Protocol {
  const look = (link: LinkInfo): Identification => {
    const { runs } = unitOf(link.identity.value);
    return {
      protocol: 'smp',
      mode: runs ? 'application' : 'bootloader',
      identity: link.identity,
      hardware: {},
      running: runs ? [{ image: 0, version: runs.version, hash: runs.hash, confirmed: true }] : [],
    };
  };
  const judge = (link: LinkInfo, request: UpdateRequest, before: Identification | undefined): UpdateOutcome => {
    const after = look(link);
    const rest = { ...(before && { before }), after, sentBytes: request.artifact.sizeBytes, needsRescue: false };
    const runs = request.artifact.images[0]?.runningHash;
    return after.running[0]?.hash === runs
      ? { outcome: 'proven', ...rest }
      : { outcome: 'failed', code: 'target.reverted', params: {}, ...rest };
  };
  function* update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome> {
    const before = look(link);
    const unit = unitOf(link.identity.value);
    if (before.running[0]?.hash === request.artifact.images[0]?.runningHash) {
      return { outcome: 'skipped', reason: 'already-running', before, sentBytes: 0, needsRescue: false };
    }
    const read = yield {
      kind: 'read',
      source: 'image:0',
      offset: 0,
      length: request.artifact.sizeBytes,
      withinMs: 5_000,
    };
    const bytes = read.kind === 'data' ? read.bytes : undefined;
    const script: readonly Effect[] = [
      { kind: 'mark', step: 'touched', withinMs: 5_000 },
      send('touch'),
      { kind: 'sleep', withinMs: unit.transferMs },
      send('image', bytes),
      { kind: 'mark', step: 'complete', withinMs: 5_000 },
      { kind: 'mark', step: 'activating', withinMs: 5_000 },
      send('start'),
      { kind: 'reconnect', as: {}, withinMs: 5_000 },
    ];
    for (const effect of bytes ? script : []) {
      const input = yield effect;
      if (input.kind === 'cancel') return { outcome: 'cancelled', before, sentBytes: 0, needsRescue: false };
      if (input.kind === 'failed') {
        return {
          outcome: 'failed',
          code: input.code,
          params: input.params ?? {},
          before,
          sentBytes: 0,
          needsRescue: false,
        };
      }
      if (input.kind === 'closed' || input.kind === 'timeout') {
        return {
          outcome: 'failed',
          code: 'link.lost',
          params: { detail: input.kind },
          before,
          sentBytes: 0,
          needsRescue: false,
        };
      }
    }
    if (!bytes)
      return {
        outcome: 'failed',
        code: 'link.lost',
        params: { detail: 'no data' },
        before,
        sentBytes: 0,
        needsRescue: false,
      };
    return judge(link, request, before);
  }
  return {
    name: 'smp',
    links: ['serial'],
    services: [],
    formats: ['mcuboot'],
    recognise: () => undefined,
    *identify(link) {
      yield { kind: 'sleep', withinMs: 1 };
      return look(link);
    },
    fit: () => ({ fits: true }),
    payloads: (file) => new Map([['image:0', file]]),
    update,
    *prove(link, request, before) {
      yield { kind: 'sleep', withinMs: 1 };
      return judge(link, request, before);
    },
    rescue: update,
  };
}
