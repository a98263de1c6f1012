/**
 * For the engine's model test: a gateway as the protocol asks it to be (design, section 4), in the fewest words. Its
 * card survives a restart; a copy of the card in a second machine is a second life with the same key.
 */
import { randomBytes } from 'node:crypto';
import type { Cancellation, Grant, OrdersBody, Purpose } from '@drydock/contracts';
import type { TestGateway } from '../../fleet/fleet.fixture.js';
import type { ModelDevice, TouchBook } from './model-device.fixture.js';

export const keyOf = (ref: { deployment: string; reign: number; attempt: number }): string =>
  `${ref.deployment}/${ref.reign}.${ref.attempt}`;
const refOf = (grant: Grant) => ({ deployment: grant.deployment, reign: grant.reign, attempt: grant.attempt });

type Phase = 'touched' | 'erased' | 'activating' | 'proving';
export type Ending = 'well' | 'with a failed link' | 'without an application' | 'with a lie' | 'unproven';
interface Started {
  readonly grant: Grant;
  phase: Phase;
  cancelWanted: boolean;
}
export interface Numbered {
  readonly epoch: string;
  readonly seq: number;
  readonly report: Record<string, unknown>;
}

/** What the card keeps. */
export class Card {
  reports: Numbered[] = [];
  readonly cursors = new Map<string, number>();
  /** With the number of the report that says so: nothing is touched before that is acknowledged. */
  readonly granted = new Map<string, { grant: Grant; epoch: string; saidSeq: number }>();
  readonly started = new Map<string, Started>();
  readonly over = new Set<string>();
  readonly epochs = new Set<string>();
  reign = 0;

  copy(): Card {
    const made = new Card();
    made.reports = [...this.reports];
    for (const [key, value] of this.cursors) made.cursors.set(key, value);
    for (const [key, value] of this.granted) made.granted.set(key, value);
    // A card that is copied in the middle of an update would finish it twice; copies are made of quiet gateways.
    for (const key of this.started.keys()) made.over.add(key);
    for (const key of this.over) made.over.add(key);
    for (const epoch of this.epochs) made.epochs.add(epoch);
    made.reign = this.reign;
    return made;
  }
}

/** One running agent. */
export class Life {
  readonly epoch = randomBytes(16).toString('hex');
  connected = false;
  asleep = false;
  readonly up: { leaf: 'presence' | 'inventory' | 'reports'; payload: string }[] = [];
  readonly down: { leaf: 'orders' | 'acks'; jws: string }[] = [];
  private seq = 0;
  private connection = 0;
  private sequence = 0;
  private inventorySequence = 0;
  private held = { reign: 0, revision: 0 };
  private heardMs: number | undefined;
  private anchor: { stampMs: number; askedMs: number } | undefined;
  private readonly asked = new Map<string, number>();

  constructor(
    readonly gateway: TestGateway,
    readonly card: Card,
    private readonly devices: readonly ModelDevice[],
    private readonly book: TouchBook,
    private readonly nowMs: () => number,
  ) {
    const isNew = card.epochs.size === 0;
    card.epochs.add(this.epoch);
    this.note({ kind: 'epoch-started', agentVersion: '1', journal: isNew ? 'new' : 'intact' });
    for (const { grant } of [...card.granted.values()]) this.withdraw(grant, 'epoch-ended');
  }

  private note(report: Record<string, unknown>): void {
    this.seq += 1;
    this.card.reports.push({ epoch: this.epoch, seq: this.seq, report: { ...report, seq: this.seq, atMs: null } });
  }

  private async send(leaf: 'presence' | 'inventory' | 'reports', purpose: Purpose, body: unknown): Promise<void> {
    this.up.push({ leaf, payload: await this.gateway.sign(purpose, body, { epoch: this.epoch }) });
  }

  async connect(retained: string | undefined): Promise<void> {
    if (this.asleep) return;
    this.connected = true;
    this.connection += 1;
    this.sequence = 0;
    if (retained !== undefined) this.down.push({ leaf: 'orders', jws: retained });
    await this.present();
    await this.askTime();
    await this.inventory();
  }

  /** The broker notices and sends the last will. */
  async disconnect(): Promise<void> {
    if (!this.connected) return;
    this.connected = false;
    await this.send('presence', 'presence', { ...this.presence(), online: false, sequence: Number.MAX_SAFE_INTEGER });
  }

  private presence(): Record<string, unknown> {
    return {
      online: true,
      connection: this.connection,
      sequence: this.sequence++,
      agentVersion: '1.0.0',
      wire: [1],
      protocols: ['smp'],
      links: [],
      held: this.held,
      ...(this.heardMs !== undefined && { heardMs: Math.floor(this.heardMs) }),
    };
  }

  present(): Promise<void> {
    return this.send('presence', 'presence', this.presence());
  }

  private ask(): string {
    const nonce = randomBytes(16).toString('hex');
    this.asked.set(nonce, this.nowMs());
    return nonce;
  }

  askTime(): Promise<void> {
    return this.send('reports', 'time-request', { nonce: this.ask() });
  }

  async inventory(): Promise<void> {
    const seen = this.devices.filter((device) => device.runs !== undefined && !this.busy(device));
    if (seen.length === 0) return;
    await this.send('inventory', 'inventory', {
      sequence: ++this.inventorySequence,
      ...(this.heardMs !== undefined && { heardMs: Math.floor(this.heardMs) }),
      devices: seen.map((device) => device.sighting(this.seq)),
    });
  }

  /**
   * At most one batch of each epoch, in order.
   * @param leftOut of each batch, at its front: what comes later overtook it.
   */
  offer(leftOut = 0): Promise<void> {
    return this.offerOf([...this.card.epochs], leftOut);
  }

  /** What this start of the agent said, before all that is left of earlier ones. */
  offerOwn(): Promise<void> {
    return this.offerOf([this.epoch]);
  }

  /** What earlier starts said and is not taken yet. */
  offerEarlier(): Promise<void> {
    return this.offerOf([...this.card.epochs].filter((epoch) => epoch !== this.epoch));
  }

  private async offerOf(epochs: readonly string[], leftOut = 0): Promise<void> {
    for (const epoch of epochs) {
      const cursor = this.card.cursors.get(epoch) ?? 0;
      const reports = this.card.reports.filter((each) => each.epoch === epoch && each.seq > cursor).slice(leftOut, 32);
      if (reports.length === 0) continue;
      await this.send('reports', 'reports', {
        of: epoch,
        firstSeq: reports[0]!.seq,
        reports: reports.map((each) => each.report),
        nonce: this.ask(),
      });
    }
  }

  get unsent(): number {
    return this.card.reports.filter((each) => each.seq > (this.card.cursors.get(each.epoch) ?? 0)).length;
  }

  /** An upper bound of the server's time, on a clock that counts sleep. */
  private bound(): number {
    return this.anchor ? this.anchor.stampMs + (this.nowMs() - this.anchor.askedMs) : Infinity;
  }

  sleep(): void {
    this.asleep = true;
    this.connected = false;
    this.anchor = undefined;
    this.asked.clear();
  }

  async take(message: { leaf: 'orders' | 'acks'; jws: string }): Promise<void> {
    const envelope = JSON.parse(Buffer.from(message.jws.split('.')[1]!, 'base64url').toString('utf8')) as {
      purpose: string;
      epoch: string | null;
      cancellations?: Cancellation[];
      body: Record<string, unknown>;
    };
    if (envelope.purpose === 'orders') {
      await this.takeOrder(envelope.epoch, envelope.cancellations ?? [], envelope.body as unknown as OrdersBody);
      return;
    }
    const { nonce, serverTimeMs, reign, of, cursor, unapplied } = envelope.body as {
      unapplied?: number[];
      nonce?: string;
      serverTimeMs: number;
      reign: number;
      of?: string;
      cursor?: number;
    };
    const askedMs = nonce === undefined ? undefined : this.asked.get(nonce);
    if (askedMs !== undefined) {
      this.asked.delete(nonce!);
      this.heardMs = Math.max(this.heardMs ?? 0, serverTimeMs);
      const bound = serverTimeMs + (this.nowMs() - askedMs);
      if (bound < this.bound()) this.anchor = { stampMs: serverTimeMs, askedMs };
    }
    if (reign > this.card.reign) {
      // The server was restored: everything of the last 30 days is offered again.
      this.card.reign = reign;
      this.card.cursors.clear();
    }
    if (of === undefined || cursor === undefined || reign !== this.card.reign) return;
    this.card.cursors.set(of, cursor);
    if (of !== this.epoch) return;
    // The server took the word of these grants for nothing: they are over.
    for (const { grant, saidSeq } of [...this.card.granted.values()]) {
      if (unapplied?.includes(saidSeq)) this.withdraw(grant, 'superseded');
    }
  }

  private async takeOrder(epoch: string | null, cancellations: Cancellation[], body: OrdersBody): Promise<void> {
    for (const cancellation of cancellations) {
      const key = keyOf(cancellation);
      const granted = this.card.granted.get(key);
      if (granted) this.withdraw(granted.grant, 'cancelled');
      const started = this.card.started.get(key);
      if (started && cancellation.mode === 'safe-point') started.cancelWanted = true;
    }
    const isNewer =
      body.reign > this.held.reign || (body.reign === this.held.reign && body.revision > this.held.revision);
    if (epoch !== this.epoch || !isNewer || body.reign < this.card.reign) return;
    const held = { reign: body.reign, revision: body.revision };
    const named = new Set(body.grants.map(keyOf));
    for (const [key, { grant }] of [...this.card.granted]) {
      if (!named.has(key)) this.withdraw(grant, 'superseded', held);
    }
    for (const entry of body.settle ?? []) {
      const key = keyOf(entry);
      const isLive = entry.epoch === this.epoch;
      // No order with it ever came to this card.
      if (!this.card.epochs.has(entry.epoch) || this.isKnown(key) || named.has(key)) continue;
      this.card.over.add(key);
      const ref = { deployment: entry.deployment, reign: entry.reign, attempt: entry.attempt };
      this.note({
        kind: 'withdrawn',
        ref,
        why: 'never-arrived',
        ...(isLive && { held }),
      });
    }
    for (const grant of body.grants) {
      const key = keyOf(grant);
      this.book.ordered(grant, this.gateway.id);
      const known = this.card.granted.get(key);
      if (known) this.card.granted.set(key, { ...known, grant });
      else if (!this.isKnown(key)) {
        this.note({ kind: 'downloading', ref: refOf(grant) });
        this.card.granted.set(key, { grant, epoch: this.epoch, saidSeq: this.seq });
      }
    }
    this.held = held;
    if (this.connected) await this.present();
  }

  private isKnown(key: string): boolean {
    return this.card.over.has(key) || this.card.started.has(key) || this.card.granted.has(key);
  }

  private withdraw(grant: Grant, why: string, held?: { reign: number; revision: number }): void {
    const key = keyOf(grant);
    this.card.granted.delete(key);
    this.card.over.add(key);
    this.note({ kind: 'withdrawn', ref: refOf(grant), why, ...(held && { held }) });
  }

  private busy(device: ModelDevice): boolean {
    return [...this.card.started.values()].some(({ grant }) => grant.device === device.id);
  }

  /** One step of one attempt that it may begin or has begun. @returns what it did, for the story. */
  work(which: number, ending: Ending): string {
    if (this.asleep) return 'sleeps';
    for (const { grant } of [...this.card.granted.values()]) {
      if (this.bound() !== Infinity && this.bound() >= grant.startBy) this.withdraw(grant, 'start-by-passed');
    }
    const choices = [
      ...[...this.card.started.values()].map((started) => () => this.goOn(started, ending)),
      ...[...this.card.granted.values()].map(
        ({ grant }) =>
          () =>
            this.begin(grant),
      ),
    ];
    return choices.length === 0 ? 'has nothing to do' : choices[which % choices.length]!();
  }

  /** The time is right, and the server has heard of the attempt (decision 0010). */
  mayStart(grant: Grant): boolean {
    const said = this.card.granted.get(keyOf(grant))?.saidSeq ?? Infinity;
    return this.bound() < grant.startBy && (this.card.cursors.get(this.epoch) ?? 0) >= said;
  }

  has(device: ModelDevice): boolean {
    return this.busy(device) || [...this.card.granted.values()].some(({ grant }) => grant.device === device.id);
  }

  /** The next step of what it has to do with one device. */
  workOn(device: ModelDevice, ending: Ending): string {
    const started = [...this.card.started.values()].find(({ grant }) => grant.device === device.id);
    if (started) return this.goOn(started, ending);
    const granted = [...this.card.granted.values()].find(({ grant }) => grant.device === device.id);
    return granted ? this.begin(granted.grant) : 'has nothing to do';
  }

  private begin(grant: Grant): string {
    const device = this.devices.find((each) => each.id === grant.device);
    if (!device) return 'does not see the device';
    if (!this.mayStart(grant)) return 'may not start yet';
    if (this.busy(device)) return 'is busy with the device';
    this.card.granted.delete(keyOf(grant));
    this.card.started.set(keyOf(grant), { grant, phase: 'touched', cancelWanted: false });
    this.note({ kind: 'touched', ref: refOf(grant), identity: grant.identity, before: device.images() });
    this.book.touch(device, grant);
    return `touches ${device.name}`;
  }

  private goOn(started: Started, ending: Ending): string {
    const { grant } = started;
    const device = this.devices.find((each) => each.id === grant.device)!;
    if (this.bound() === Infinity) return 'waits for a time that it trusts';
    if (!(this.bound() < grant.finishBy)) return this.end(started, device, 'failed', { code: 'fence.finish-by' });
    this.book.touch(device, grant);
    const report = (kind: string) => this.note({ kind, ref: refOf(grant) });
    switch (started.phase) {
      case 'touched':
        if (started.cancelWanted) return this.end(started, device, 'cancelled', {});
        if (ending === 'with a failed link') return this.end(started, device, 'failed', { code: 'link.lost' });
        device.runs = undefined;
        started.phase = 'erased';
        report('erased');
        return `erases ${device.name}`;
      case 'erased':
        if (ending === 'without an application') return this.end(started, device, 'failed', { code: 'link.lost' });
        started.phase = 'activating';
        report('complete');
        report('activating');
        return `activates ${device.name}`;
      case 'activating':
        if (ending === 'without an application') return this.end(started, device, 'failed', { code: 'link.lost' });
        device.run(ending === 'with a lie' || ending === 'with a failed link' ? device.factory : device.newest(grant));
        started.phase = 'proving';
        report('proving');
        return `waits for ${device.name}`;
      case 'proving':
        if (ending === 'unproven') return this.end(started, device, 'unproven', { reason: 'proof.no-identity' });
        if (device.runs !== device.newest(grant) && ending !== 'with a lie') {
          return this.end(started, device, 'failed', { code: 'link.lost' });
        }
        return this.end(started, device, 'proven', { after: device.images() });
    }
  }

  private end(started: Started, device: ModelDevice, outcome: string, fields: Record<string, unknown>): string {
    const { grant } = started;
    this.card.started.delete(keyOf(grant));
    this.card.over.add(keyOf(grant));
    this.note({
      kind: 'ended',
      ref: refOf(grant),
      outcome,
      touched: true,
      needsRescue: device.runs === undefined,
      sentBytes: 1,
      durationMs: 1,
      identity: grant.identity,
      before: [{ image: 0, version: '1.0.0', hash: device.factory, confirmed: true }],
      ...fields,
    });
    return `ends ${device.name} ${outcome}`;
  }
}
