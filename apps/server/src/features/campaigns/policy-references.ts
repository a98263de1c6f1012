/** What a policy names by id must be there, and of use. */
import { type CampaignDraft, provableImages, canBeProven } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { PolicyFault } from '../../domain/campaign/check-policy.js';
import { checkWindows } from '../../domain/windows/check-window.js';
import { isOpen, nextOpening } from '../../domain/windows/open-times.js';
import { nowOf } from '../dispatch/campaign-row.js';
import { versionProvesSql } from './version-proves.js';

/** `onAbort.restore`: another stored artifact of the model, and one that a device can be proven to run. */
export async function restoreFaults(
  tx: Queryable,
  orgId: string,
  draft: CampaignDraft,
  artifact: { readonly id: string; readonly model: string },
): Promise<PolicyFault[]> {
  const { onAbort } = draft.policy;
  if (typeof onAbort !== 'object') return [];
  const [found] = await queryRows<{
    model: string;
    description: unknown;
    running_version: string | null;
    version_proves: boolean;
  }>(
    tx,
    `select art.model, art.description, art.running_version, ${versionProvesSql('art')} as version_proves
     from artifacts art where art.id = $1 and art.org_id = $2`,
    [onAbort.restore, orgId],
  );
  const fault = (message: string): PolicyFault[] => [{ path: 'policy.onAbort.restore', message }];
  if (!found) return fault('There is no such artifact. Upload what an abort goes back to, or choose finish or leave.');
  if (onAbort.restore === artifact.id) {
    return fault('An abort would go back to the artifact of the campaign itself. Name another one, or choose finish.');
  }
  if (found.model !== artifact.model) {
    return fault(`The artifact is for ${found.model}, the campaign for ${artifact.model}. Name one of the same model.`);
  }
  const proof = {
    images: provableImages(found.description),
    runningVersion: found.running_version,
    versionProves: found.version_proves,
  };
  if (canBeProven(proof)) return [];
  return fault('No device could be proven to run this artifact, so the abort would never end. Name one with hashes.');
}

/** Windows that contradict themselves, or that no longer open in the zone of any site. */
export async function windowFaults(tx: Queryable, orgId: string, draft: CampaignDraft): Promise<PolicyFault[]> {
  const { windows } = draft.policy;
  if (windows.length === 0) return [];
  const sites = await queryRows<{ zone: string }>(tx, 'select distinct zone from sites where org_id = $1', [orgId]);
  const zones = sites.map((site) => site.zone);
  const known = zones.length > 0 ? zones : ['UTC'];
  const nowMs = await nowOf(tx);
  const faults = checkWindows(windows, 'policy.windows', nowMs, known);
  if (faults.length > 0 || draft.policy.urgent) return faults;
  // An earlier start may be pressed by hand: what counts is the last moment that the draft itself speaks of.
  const beginsMs = Math.max(nowMs, draft.policy.startAt === undefined ? nowMs : Date.parse(draft.policy.startAt));
  const endsMs = beginsMs + draft.policy.deadlineMs;
  const opens = known.map((zone) =>
    isOpen(windows, zone, beginsMs) ? beginsMs : nextOpening(windows, zone, beginsMs),
  );
  const first = Math.min(...opens.filter((at): at is number => at !== undefined));
  if (first < endsMs) return [];
  const when = Number.isFinite(first) ? `open first at ${new Date(first).toISOString()}` : 'do not open within reach';
  const message = `The windows ${when}, but the campaign is paused at its deadline, ${new Date(endsMs).toISOString()} if it starts at once. Lengthen deadlineMs or move the windows.`;
  return [{ path: 'policy.windows', message }];
}

/** An urgent campaign names an advisory that is there, open, and speaks of the artifact's model. */
export async function urgentFaults(
  tx: Queryable,
  orgId: string,
  draft: CampaignDraft,
  model: string,
): Promise<PolicyFault[]> {
  const { urgent } = draft.policy;
  if (!urgent) return [];
  const [found] = await queryRows<{ cve: string; state: string; concerns: boolean }>(
    tx,
    `select a.cve, a.state, exists (
       select 1 from advisory_models m where m.advisory_id = a.id and m.model = $3) as concerns
     from advisories a where a.org_id = $1 and (a.cve = $2 or a.id::text = lower($2))`,
    [orgId, urgent.advisory, model],
  );
  const fault = (message: string): PolicyFault[] => [{ path: 'policy.urgent.advisory', message }];
  if (!found) return fault(`There is no advisory ${urgent.advisory}. Write it first, or leave urgent out.`);
  if (found.state !== 'open') return fault(`The advisory ${found.cve} is closed. Reopen it, or leave urgent out.`);
  if (found.concerns) return [];
  return fault(`The advisory ${found.cve} says nothing of ${model}. Add the model to it, or leave urgent out.`);
}
