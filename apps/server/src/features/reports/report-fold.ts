/** Folds the reports of one transaction into one change per deployment, in the order in which they were numbered. */
import type { Blame, CampaignState, Policy, ArtifactProof } from '@drydock/contracts';
import {
  applyReport,
  type AttemptPatch,
  type AttemptReport,
  type DevicePatch,
  type Way,
} from '../../domain/deployment/apply-report.js';
import type { DeploymentFacts } from '../../domain/deployment/deployment.js';
import type { DeploymentChange } from '../campaigns/deployment-writer.js';
import type { LockedDeployment } from '../campaigns/deployment-rows.js';
import type { ReadReport } from './batch-reader.js';

export interface CampaignContext {
  readonly state: CampaignState;
  readonly policy: Pick<Policy, 'retry' | 'onAbort'>;
  readonly artifact: ArtifactProof;
  readonly way: Way;
}

/** What is known of the deployments beside their rows. */
export interface FoldFacts {
  readonly campaigns: ReadonlyMap<string, CampaignContext>;
  /** Artifacts of steps, by id. */
  readonly stepArtifacts: ReadonlyMap<string, ArtifactProof>;
  /** Failed tries of what is granted now, by deployment and blame. */
  readonly failedBefore: ReadonlyMap<string, Readonly<Partial<Record<Blame, number>>>>;
}

export interface ReportOrigin {
  readonly orgId: string;
  readonly gatewayId: string;
  /** The live epoch of the sender. */
  readonly epoch: string | null;
  /** The epoch whose numbers the batch carries. */
  readonly of: string;
}

export interface JudgedReport {
  readonly origin: ReportOrigin;
  readonly read: ReadReport;
  readonly disposition: 'applied' | 'history' | 'refused';
  readonly note: string | null;
}

interface Folded {
  readonly locked: LockedDeployment;
  next: DeploymentFacts;
  attempt: AttemptPatch | undefined;
  device: DeploymentChange['device'];
  endKnown: boolean;
  changed: boolean;
}

export class ReportFold {
  readonly judged: JudgedReport[] = [];
  /** Gateways whose reports knew a later attempt or reign than the database (was it restored?), with that reign. */
  readonly ahead = new Map<string, number>();
  private readonly deployments = new Map<string, Folded>();

  constructor(
    locked: readonly LockedDeployment[],
    private readonly known: FoldFacts,
    private readonly nowMs: number,
    private readonly reign: number,
  ) {
    for (const row of locked) {
      this.deployments.set(row.facts.id, {
        locked: row,
        next: row.facts,
        attempt: undefined,
        device: undefined,
        endKnown: false,
        changed: false,
      });
    }
  }

  add(origin: ReportOrigin, read: ReadReport): void {
    const judge = (disposition: JudgedReport['disposition'], note: string | null): void => {
      this.judged.push({ origin, read, disposition, note });
    };
    if (read.refusal !== undefined || !read.report) return judge('refused', read.refusal ?? 'unreadable');
    const { report } = read;
    if (report.kind === 'epoch-started') return judge('applied', null);
    const folded = this.deployments.get(report.ref.deployment);
    const ahead = (): void => {
      const { gatewayId } = origin;
      this.ahead.set(gatewayId, Math.max(this.ahead.get(gatewayId) ?? 0, report.ref.reign));
    };
    if (report.ref.reign > this.reign) ahead();
    // A stranger learns nothing: a deployment of another organisation is as unknown as none.
    if (!folded || folded.locked.orgId !== origin.orgId) return judge('refused', 'unknown-deployment');
    const effect = this.apply(folded, report, origin, read.seq);
    if (effect.disposition !== 'applied') {
      if (effect.ahead && folded.next.gatewayId === origin.gatewayId) ahead();
      return judge(effect.disposition, effect.note);
    }
    folded.next = effect.next;
    folded.changed = true;
    folded.attempt = mergeAttempt(folded.attempt, effect.attempt);
    folded.device = mergeDevice(folded, effect.device, origin, read.seq);
    folded.endKnown ||= effect.endKnown;
    judge('applied', effect.note ?? null);
  }

  private apply(folded: Folded, report: AttemptReport, origin: ReportOrigin, seq: number) {
    const { step } = folded.next;
    const campaign = this.known.campaigns.get(folded.next.campaignId);
    const artifact = step ? this.known.stepArtifacts.get(step.artifactId) : campaign?.artifact;
    if (!campaign || !artifact) throw new Error(`What deployment ${folded.next.id} was given was not read.`);
    return applyReport(folded.next, report, {
      nowMs: this.nowMs,
      epoch: origin.of,
      seq,
      gatewayId: origin.gatewayId,
      campaignState: campaign.state,
      retry: campaign.policy.retry,
      onAbort: campaign.policy.onAbort,
      failedBefore: this.known.failedBefore.get(folded.next.id) ?? {},
      artifact,
      way: campaign.way,
      device: { identity: folded.locked.identity },
    });
  }

  changes(): DeploymentChange[] {
    return [...this.deployments.values()]
      .filter((folded) => folded.changed)
      .map(({ locked, next, attempt, device, endKnown }) => ({
        before: locked.facts,
        next,
        attempt,
        device,
        endKnown,
      }));
  }

  /** Campaigns whose counts may have moved. */
  campaignsTouched(): string[] {
    return [...new Set(this.changes().map((change) => change.before.campaignId))];
  }
}

function mergeAttempt(earlier: AttemptPatch | undefined, later: AttemptPatch | undefined): AttemptPatch | undefined {
  if (!earlier || !later) return later ?? earlier;
  const touchedAtMs = earlier.touchedAtMs ?? later.touchedAtMs;
  const ended = later.ended ?? earlier.ended;
  const link = earlier.link || later.link ? { ...earlier.link, ...later.link } : undefined;
  return { ...(touchedAtMs !== undefined && { touchedAtMs }), ...(ended && { ended }), ...(link && { link }) };
}

/** What an older start of the agent read does not replace what the present one read. */
function mergeDevice(
  folded: Folded,
  patch: DevicePatch | undefined,
  origin: ReportOrigin,
  seq: number,
): DeploymentChange['device'] {
  if (!patch) return folded.device;
  const { readEpoch, readAfterSeq } = folded.locked;
  const older =
    (origin.epoch !== origin.of && readEpoch === origin.epoch) || (readEpoch === origin.of && readAfterSeq > seq);
  const { running, ...rest } = patch;
  const evidence = { epoch: origin.of, afterSeq: seq };
  return { ...folded.device, ...rest, ...(running && !older && { running, evidence }) };
}
