/**
 * What a server would do for a dozen devices, without one: grants attempts, hears how they ended, grants the next. It
 * judges every end against the unit's flash.
 */
import type { ScriptedServer } from '@drydock/agent/testing';
import type { Grant } from '@drydock/contracts';
import { createHash, randomUUID } from 'node:crypto';
import type { TortureUnit } from './torture-site.js';

export interface Progress {
  readonly unit: TortureUnit;
  readonly oldSha256: string;
  readonly newSha256: string;
  attempts: number;
  touchedAttempts: number;
  /** How each attempt ended, for people. */
  readonly history: string[];
  final: string | undefined;
}

interface Member extends Progress {
  readonly artifact: { readonly sha256: string; readonly sizeBytes: number; readonly format: string };
  readonly device: string;
  identity: Grant['identity'] | undefined;
  deployment: string;
  grant: Grant | undefined;
  touched: boolean;
  rescue: boolean;
  notBeforeMs: number;
}

interface AttemptReport {
  readonly kind: string;
  readonly ref?: { readonly deployment: string; readonly attempt: number };
  readonly outcome?: string;
  readonly code?: string;
  readonly params?: unknown;
  readonly reason?: string;
  readonly needsRescue?: boolean;
  readonly touched?: boolean;
  readonly why?: string;
}

const START_MS = 60_000;
const RENEW_BELOW_MS = 20_000;
const TIMEOUTS = { downloadMs: 30_000, transferMs: 60_000, activateMs: 30_000, proveMs: 30_000 };
const FINISH_MS = TIMEOUTS.transferMs + TIMEOUTS.activateMs + TIMEOUTS.proveMs;
const AGAIN_MS = 500;
const MAX_TOUCHED = 25;
const SEND_MS = 3000;
/** Ends that say that the tool is broken, not the world. */
const UNTRUTHFUL = new Set(['internal.invariant', 'internal.error']);

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class SmallCampaign {
  readonly #members: Member[];
  readonly #read = new Map<string, number>();
  readonly broken: string[] = [];
  readonly #beganMs = performance.now();
  #epoch: string | null = null;
  #inventories = 0;
  #dirty = true;

  constructor(
    private readonly server: ScriptedServer,
    units: readonly TortureUnit[],
    format: (file: Uint8Array) => string,
  ) {
    this.#members = units.map((unit) => {
      const { file, runs } = unit.family.make(2);
      return {
        unit,
        artifact: { ...server.addArtifact(file), format: format(file) },
        oldSha256: digest(unit.family.make(1).runs),
        newSha256: digest(runs),
        device: randomUUID(),
        identity: undefined,
        deployment: randomUUID(),
        grant: undefined,
        attempts: 0,
        touchedAttempts: 0,
        touched: false,
        rescue: false,
        notBeforeMs: 0,
        history: [],
        final: undefined,
      };
    });
  }

  get members(): readonly Progress[] {
    return this.#members;
  }

  get seen(): number {
    return this.#members.filter(({ identity }) => identity !== undefined).length;
  }

  /** Attempts that have touched their device and have not ended. */
  get underWay(): number {
    return this.#members.filter(({ touched }) => touched).length;
  }

  get isOver(): boolean {
    return this.#members.every(({ final }) => final !== undefined);
  }

  /** Hears what is new, looks at every flash, and publishes an order if that changed something. */
  async step(grants: boolean): Promise<void> {
    this.#hear();
    this.#lookAtFlash();
    if (this.server.epoch !== this.#epoch) this.#dirty = true;
    if (grants) this.#grant();
    if (!this.#dirty || this.server.epoch === null) return;
    this.#epoch = this.server.epoch;
    this.#dirty = false;
    const live = this.#members.flatMap(({ grant }) => grant ?? []);
    let callOff: NodeJS.Timeout | undefined;
    await Promise.race([
      this.server.order({ grants: live }).catch(() => (this.#dirty = true)),
      new Promise<void>((resolve) => {
        callOff = setTimeout(() => {
          this.#dirty = true;
          resolve();
        }, SEND_MS);
      }),
    ]);
    clearTimeout(callOff);
  }

  /** A presence was seen anew: the order is published again. */
  repeat(): void {
    this.#dirty = true;
  }

  #hear(): void {
    for (const body of this.server.inventories.slice(this.#inventories)) {
      for (const device of body.devices) {
        const links = device.links.map(({ link }) => link);
        const member = this.#members.find(({ unit }) => links.includes(unit.link));
        if (member && device.mode === 'application') member.identity = device.identity;
      }
    }
    this.#inventories = this.server.inventories.length;
    for (const [epoch, reports] of this.server.committed) {
      const from = this.#read.get(epoch) ?? 0;
      this.#read.set(epoch, reports.length);
      for (const report of reports.slice(from)) this.#report(report as unknown as AttemptReport);
    }
  }

  #report(report: AttemptReport): void {
    const { ref } = report;
    const member = this.#members.find(({ deployment }) => deployment === ref?.deployment);
    if (!member || !ref) return;
    const { model } = member.unit.family;
    if (ref.attempt !== member.grant?.attempt) {
      this.broken.push(`${model}: ${report.kind} of attempt ${ref.attempt}, which is over or never was`);
      return;
    }
    if (report.kind === 'touched') {
      member.touched = true;
      member.touchedAttempts += 1;
    }
    if (report.kind === 'withdrawn') {
      member.history.push(`${this.#atSeconds()} withdrawn:${report.why}`);
      if (member.touched) this.broken.push(`${model}: withdrawn after it was touched`);
      this.#over(member);
    }
    if (report.kind !== 'ended') return;
    const said = `${report.outcome}${report.code ? `:${report.code}` : ''}${report.reason ? `:${report.reason}` : ''}`;
    member.history.push(`${this.#atSeconds()} ${said}${report.params ? ` ${JSON.stringify(report.params)}` : ''}`);
    this.#judge(member, report, said);
    this.#over(member);
    member.rescue = report.needsRescue ?? false;
    const good = ['proven', 'unproven', 'skipped'].includes(report.outcome ?? '');
    if (good || member.touchedAttempts >= MAX_TOUCHED) member.final = said;
  }

  #atSeconds(): string {
    return `${((performance.now() - this.#beganMs) / 1000).toFixed(1)} s`;
  }

  #judge(member: Member, report: AttemptReport, said: string): void {
    const { family, device } = member.unit;
    const runs = device.flash.runningImageSha256();
    const wrong = (what: string): void => void this.broken.push(`${family.model}: ${said}: ${what}`);
    if (['proven', 'unproven', 'skipped'].includes(report.outcome ?? '') && runs !== member.newSha256) {
      wrong(`runs ${this.#name(member, runs)}`);
    }
    if (report.outcome === 'failed') {
      if (!report.code) wrong('no code');
      if (UNTRUTHFUL.has(report.code ?? '')) wrong(JSON.stringify(report.params));
    }
    if (report.outcome !== 'proven' && report.needsRescue === false && runs === undefined) {
      wrong('said to need no rescue, and has no application');
    }
  }

  #lookAtFlash(): void {
    for (const member of this.#members) {
      const runs = member.unit.device.flash.runningImageSha256();
      const name = this.#name(member, runs);
      if (name.startsWith('another')) this.broken.push(`${member.unit.family.model}: runs ${name}`);
      if (member.final?.startsWith('proven') && name !== 'the new image') {
        this.broken.push(`${member.unit.family.model}: was proven, and runs ${name}`);
      }
    }
  }

  #name(member: Member, sha256: string | undefined): string {
    if (sha256 === undefined) return 'nothing';
    if (sha256 === member.newSha256) return 'the new image';
    return sha256 === member.oldSha256 ? 'the old image' : `another image (${sha256.slice(0, 8)})`;
  }

  #over(member: Member): void {
    member.grant = undefined;
    member.touched = false;
    member.notBeforeMs = performance.now() + AGAIN_MS;
    this.#dirty = true;
  }

  #grant(): void {
    for (const member of this.#members) {
      const { unit, grant } = member;
      if (member.final !== undefined || !member.identity || performance.now() < member.notBeforeMs) continue;
      const now = this.server.nowMs;
      if (grant) {
        if (member.touched || grant.startBy - now > RENEW_BELOW_MS) continue;
        member.grant = { ...grant, startBy: now + START_MS, finishBy: now + START_MS + FINISH_MS };
      } else {
        member.attempts += 1;
        member.grant = this.server.grant({
          deployment: member.deployment as Grant['deployment'],
          attempt: member.attempts,
          mode: member.rescue ? 'rescue' : 'update',
          device: member.device as Grant['device'],
          model: unit.family.model as Grant['model'],
          identity: member.identity,
          links: [unit.link],
          protocol: unit.family.protocol,
          artifact: member.artifact as Grant['artifact'],
          expect: {
            versionProves: true,
            ...(unit.family.runningVersion !== undefined && { version: unit.family.runningVersion }),
          },
          startBy: now + START_MS,
          finishBy: now + START_MS + FINISH_MS,
          timeouts: TIMEOUTS,
        });
      }
      this.#dirty = true;
    }
  }
}
