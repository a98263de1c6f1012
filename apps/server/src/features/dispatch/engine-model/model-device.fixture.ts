/** For the engine's model test: devices as they truly are, and the log of who touched them when. */
import type { Grant } from '@drydock/contracts';
import { CLOCK_MARGIN_MS } from '../../../domain/clock-margin.js';

export interface Firmware {
  readonly hash: string;
  readonly version: string;
}

export class ModelDevice {
  id = '';
  /** Hash of the image that runs; undefined: no application. */
  runs: string | undefined;
  readonly everRan = new Set<string>();
  /** Attempts in the order of their first touch. */
  readonly attempts: string[] = [];

  constructor(
    readonly name: string,
    readonly model: string,
    readonly group: number,
    readonly factory: string,
    /** What the files of its model hold, by their SHA-256. */
    private readonly firmware: ReadonlyMap<string, Firmware>,
    /** What it ran when it came from the factory. */
    readonly version = '1.0.0',
  ) {
    this.runs = factory;
  }

  reset(): void {
    this.runs = this.factory;
    this.everRan.clear();
    this.attempts.length = 0;
  }

  newest(grant: Grant): string {
    return this.firmware.get(grant.artifact.sha256)!.hash;
  }

  run(hash: string): void {
    this.runs = hash;
    this.everRan.add(hash);
  }

  images(): Record<string, unknown>[] {
    if (this.runs === undefined) return [];
    const known = [...this.firmware.values()].find((each) => each.hash === this.runs);
    return [{ image: 0, version: known?.version ?? this.version, hash: this.runs, confirmed: true }];
  }

  sighting(readAfterSeq: number): Record<string, unknown> {
    return {
      identity: { kind: 'serial-number', value: this.name },
      model: this.model,
      links: [{ link: `serial:/dev/${this.name}` }],
      protocol: 'smp',
      mode: 'application',
      running: this.images(),
      readAfterSeq,
    };
  }
}

/** A number that was given to a person; from then on it is kept. */
interface PauseReading {
  readonly campaign: string;
  readonly mayStillStart: number;
  readonly noneAfter: number;
  started: number;
}

/** Judges every touch by the devices' own log and what people were told. */
export class TouchBook {
  readonly broken: string[] = [];
  readonly campaignOf = new Map<string, string>();
  private readings: PauseReading[] = [];
  private readonly first = new Set<string>();
  private readonly holders = new Map<string, string>();

  /** @param nowMs of the database, by which everything was promised. */
  constructor(private readonly nowMs: () => number) {}

  reset(): void {
    this.broken.length = 0;
    this.campaignOf.clear();
    this.readings = [];
    this.first.clear();
    this.holders.clear();
  }

  told(campaign: string, mayStillStart: number, noneAfter: number): void {
    const last = this.readings.findLast((each) => each.campaign === campaign);
    if (last && (mayStillStart > last.mayStillStart || (mayStillStart > 0 && noneAfter > last.noneAfter))) {
      this.broken.push(
        `P2: the number of a pause grew from ${last.mayStillStart} until ${last.noneAfter} to ${mayStillStart} until ${noneAfter}`,
      );
    }
    this.readings.push({ campaign, mayStillStart, noneAfter, started: 0 });
  }

  /** The campaign runs again: nothing is promised any more. */
  forget(campaign?: string): void {
    this.readings = this.readings.filter((each) => campaign !== undefined && each.campaign !== campaign);
  }

  /** A gateway found the grant in its order. */
  ordered(grant: Grant, gatewayId: string): void {
    const key = `${grant.deployment}/${grant.reign}.${grant.attempt}`;
    const holder = this.holders.get(key) ?? gatewayId;
    this.holders.set(key, holder);
    if (holder !== gatewayId) this.broken.push(`P3: attempt ${key} was ordered of two gateways`);
  }

  touch(device: ModelDevice, grant: Grant): void {
    const atMs = this.nowMs();
    const key = `${grant.deployment}/${grant.reign}.${grant.attempt}`;
    const isFirst = !this.first.has(key);
    this.first.add(key);
    if (isFirst) device.attempts.push(key);
    if (isFirst && atMs >= grant.startBy + CLOCK_MARGIN_MS)
      this.broken.push(`P2: ${device.name} first touched too late`);
    if (atMs >= grant.finishBy + CLOCK_MARGIN_MS) this.broken.push(`P3: ${device.name} touched after finishBy`);
    if (device.attempts.at(-1) !== key) {
      this.broken.push(`P3: ${device.name} is touched by attempt ${key} after ${device.attempts.at(-1)} began`);
    }
    if (!isFirst || grant.mode === 'rescue') return;
    const campaign = this.campaignOf.get(grant.deployment);
    for (const reading of this.readings) {
      if (reading.campaign !== campaign) continue;
      reading.started += 1;
      if (reading.started > reading.mayStillStart || atMs > reading.noneAfter) {
        this.broken.push(
          `P2: ${device.name} is touched at ${atMs}; ${reading.mayStillStart} were told, none after ${reading.noneAfter}`,
        );
      }
    }
  }
}
