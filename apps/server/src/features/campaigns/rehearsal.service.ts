/**
 * Rehearsals: one at a time on a server, played in slices of a few milliseconds, so that reports and reads go on meanwhile.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { setImmediate as giveWay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { CampaignDraft, Rehearsal, RehearsalRequest, RehearsalSpread } from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { calibratedP90, fitHistory, trackRecord, type Spread } from '../../domain/forecast/index.js';
import { rehearse, runsFor, type RehearsalInput, type RehearsalReport } from '../../domain/rehearsal/index.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';
import { loadCampaign, type CampaignRow } from '../dispatch/campaign-row.js';
import { CampaignsService } from './campaigns.service.js';
import { readForecastHistory } from './forecast-history.js';
import { keepForecast, pastForecasts, type PastForecast } from './past-forecasts.js';
import { readRehearsalMembers, type RehearsalMembers } from './rehearsal-fleet.js';

/** Runs of each failure rate. */
const HALT_RUNS = 20;
/** Of an outlook, which is made again and again. */
const OUTLOOK_RUNS = 200;
/** Nobody waits for an outlook: it plays few devices, and gives way sooner. */
const OUTLOOK_DEVICES = 2_000;
const OUTLOOK_SLICE_MS = 3;
/** The event loop is held so long at most. */
const SLICE_MS = 8;
/** Rehearsals that may wait for the one that plays. */
const MOST_WAITING = 4;
const SHARE_95 = 2;
const OVER: readonly string[] = ['aborting', 'aborted', 'completed'];

@Injectable()
export class RehearsalService {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(
    private readonly source: DataSource,
    private readonly campaigns: CampaignsService,
  ) {}

  /**
   * @param what id of a stored campaign, or a draft that is not kept.
   * @throws ProblemError `request.not-found`; `campaign.state` where nothing is left to be played; `campaign.policy` for a
   *   draft that could not start; `request.conflict` while too many wait.
   */
  async rehearse(actor: Actor, what: string | CampaignDraft, request: RehearsalRequest): Promise<Rehearsal> {
    if (this.waiting > MOST_WAITING) {
      throw new ProblemError('request.conflict', {
        detail: 'other rehearsals are being played; ask again in a minute',
      });
    }
    this.waiting += 1;
    const turn = this.last.then(() => this.play(actor, what, request));
    this.last = turn.catch(() => undefined);
    return turn.finally(() => {
      this.waiting -= 1;
    });
  }

  /**
   * Where a campaign is going from where it is now; nothing is injected. One at a time with rehearsals.
   * @returns null where nothing is left to be played, or too many wait.
   */
  async outlook(orgId: string, id: string): Promise<Outlook | null> {
    if (this.waiting > 0) return null;
    this.waiting += 1;
    const turn = this.last.then(() => this.playOutlook(orgId, id));
    this.last = turn.catch(() => undefined);
    return turn.finally(() => {
      this.waiting -= 1;
    });
  }

  private async playOutlook(orgId: string, id: string): Promise<Outlook | null> {
    const seed = randomInt(2 ** 32);
    const stage = await this.read(orgId, id, seed, OUTLOOK_DEVICES).catch((error: unknown) => {
      // It ended, or its last device did, since it was chosen.
      if (error instanceof ProblemError) return null;
      throw error;
    });
    if (!stage) return null;
    const { members, input } = stage;
    const runs = runsFor(members.fleet.devices.length, OUTLOOK_RUNS);
    const { forecast } = await this.drive(rehearse(input, { seed, runs, haltRuns: 0 }), OUTLOOK_SLICE_MS);
    const done = forecast.finish[SHARE_95]!.atMs;
    return {
      p10Ms: done.p10,
      p50Ms: done.p50,
      p90Ms: done.p90,
      outOfReach: { p50: forecast.outOfReach.p50, p90: forecast.outOfReach.p90 },
      members: members.members,
      reachable: members.reachable,
    };
  }

  private async play(actor: Actor, what: string | CampaignDraft, request: RehearsalRequest): Promise<Rehearsal> {
    const startedAt = performance.now();
    const seed = request.seed ?? randomInt(2 ** 32);
    const { campaign, members, past, defaults, input } = await (typeof what === 'string'
      ? this.read(actor.orgId, what, seed)
      : this.readDraft(actor, what, seed));
    const runs = runsFor(members.fleet.devices.length, request.runs);
    const haltRuns = runsFor(members.fleet.devices.length, HALT_RUNS);
    const report = await this.drive(rehearse(input, { seed, runs, haltRuns }));
    const finish = report.forecast.finish.map(({ share, atMs }) => ({ share, afterMs: since(atMs, campaign.nowMs) }));
    const id = typeof what === 'string' ? what : null;
    if (id !== null) await keepForecast(this.source.manager, id, finish[SHARE_95]!.afterMs);
    return {
      campaign: { id, name: typeof what === 'string' ? campaign.name : what.name },
      atMs: campaign.nowMs,
      seed,
      runs,
      members: members.members,
      played: members.fleet.devices.length,
      reachable: members.reachable,
      finish,
      outOfReach: toSpread(report.forecast.outOfReach),
      failed: toSpread(report.forecast.failed),
      haltShare: report.forecast.haltShare,
      held: report.held,
      halts: report.halts.map((halt) => ({
        failureRate: halt.failureRate,
        hit: toSpread(halt.hit),
        haltShare: halt.haltShare,
        haltAfterMs: halt.haltAfterMs && toSpread(halt.haltAfterMs),
      })),
      load: {
        orders: toSpread(report.load.orders),
        peakOrdersPerSecond: toSpread(report.load.peakOrdersPerSecond),
        downloadBytesPerGateway: input.artifactBytes,
        linkBytesPerGateway: report.load.linkBytesPerGateway,
      },
      calibration: calibrationOf(past, finish[SHARE_95]!.afterMs),
      defaults: [...defaults],
      tookMs: Math.round(performance.now() - startedAt),
    };
  }

  private read(orgId: string, id: string, seed: number, mostDevices?: number): Promise<Stage> {
    return inTransaction(this.source, (tx) => this.readStored(tx, orgId, id, seed, mostDevices));
  }

  /** Written and read like a stored one, then taken back: a draft is rehearsed by the same rules. */
  private async readDraft(actor: Actor, draft: CampaignDraft, seed: number): Promise<Stage> {
    let stage: Stage | undefined;
    const takenBack = new Error('taken back');
    await inTransaction(this.source, async (tx) => {
      const id = await this.campaigns.insertDraft(tx, actor, { ...draft, name: `rehearsal-${randomUUID()}` });
      stage = await this.readStored(tx, actor.orgId, id, seed);
      throw takenBack;
    }).catch((error: unknown) => {
      if (error !== takenBack) throw error;
    });
    return stage!;
  }

  private async readStored(
    tx: EntityManager,
    orgId: string,
    id: string,
    seed: number,
    mostDevices?: number,
  ): Promise<Stage> {
    const campaign = await loadCampaign(tx, id, 'none');
    if (!campaign || campaign.orgId !== orgId) {
      throw new ProblemError('request.not-found', { what: 'campaign', id });
    }
    if (OVER.includes(campaign.state)) {
      throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'rehearsed' });
    }
    const draft = campaign.state === 'draft' ? await this.campaigns.storedPlan(tx, orgId, campaign) : undefined;
    const members = await readRehearsalMembers(tx, campaign, draft, seed, mostDevices);
    if (members.members === 0) {
      throw new ProblemError('campaign.empty', { skipped: 0 }, [
        { path: 'selector', message: 'No device is left to be updated: there is nothing to rehearse.' },
      ]);
    }
    const past = await pastForecasts(tx, orgId);
    const shocks = past.map((one) => Math.log(one.actualMs / one.p50Ms)).filter(Number.isFinite);
    const { history, defaults } = await readForecastHistory(tx, { orgId, model: campaign.artifactModel }, shocks);
    const [artifact] = await queryRows<{ bytes: string }>(
      tx,
      'select size_bytes::text as bytes from artifacts where id = $1',
      [campaign.artifactId],
    );
    const input: RehearsalInput = {
      fleet: members.fleet,
      // Who joins later cannot be rehearsed: it ends with those who are members now.
      policy: { ...campaign.policy, membership: 'frozen' },
      scale: members.scale,
      brakeLimit: campaign.brakeLimit,
      model: campaign.artifactModel,
      artifactBytes: Number(artifact!.bytes),
      history: fitHistory(history),
      gatewayBytesPerSecond: null,
      startMs: campaign.nowMs,
      ...(members.begun && { begun: members.begun }),
    };
    return { campaign, members, past, defaults, input };
  }

  private async drive(steps: Generator<void, RehearsalReport, void>, sliceMs = SLICE_MS): Promise<RehearsalReport> {
    for (;;) {
      const until = performance.now() + sliceMs;
      while (performance.now() < until) {
        const step = steps.next();
        if (step.done) return step.value;
      }
      await giveWay();
    }
  }
}

/** When 95 % of the reachable devices are done (server's clock); null: not before the deadline. */
export interface Outlook {
  readonly p10Ms: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly outOfReach: { readonly p50: number | null; readonly p90: number | null };
  readonly members: number;
  readonly reachable: number;
}

interface Stage {
  readonly campaign: CampaignRow;
  readonly members: RehearsalMembers;
  readonly past: readonly PastForecast[];
  readonly defaults: readonly string[];
  readonly input: RehearsalInput;
}

const toSpread = ({ p10, p50, p90 }: Spread): RehearsalSpread => ({ p10, p50, p90 });

function since(spread: Spread, startMs: number): RehearsalSpread {
  const after = (atMs: number | null): number | null =>
    atMs === null ? null : Math.max(0, Math.round(atMs - startMs));
  return { p10: after(spread.p10), p50: after(spread.p50), p90: after(spread.p90) };
}

function calibrationOf(past: readonly PastForecast[], forecast: RehearsalSpread): Rehearsal['calibration'] {
  const inside = past.filter(
    (one) => one.actualMs >= (one.p10Ms ?? 0) && one.actualMs <= (one.p90Ms ?? Number.POSITIVE_INFINITY),
  ).length;
  const record = trackRecord(inside, past.length);
  const calibrated =
    forecast.p50 === null
      ? undefined
      : calibratedP90(
          forecast.p50,
          forecast.p90 ?? Number.POSITIVE_INFINITY,
          past.map((one) => one.actualMs / one.p50Ms),
        );
  const p90 = calibrated?.p90Ms;
  return {
    inside: record.inside,
    of: record.of,
    tooSure: record.tooSure,
    sentence: record.sentence,
    p90AfterMs: p90 !== undefined && Number.isFinite(p90) ? Math.round(p90) : null,
    source: calibrated?.source ?? 'runs',
  };
}
