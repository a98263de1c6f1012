/** What is asked of every draft, whatever its plan says. */
import { RESERVED_CAMPAIGN_NAMES, type CampaignDraft } from '@drydock/contracts';
import type { PolicyFault } from '../../domain/campaign/check-policy.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';

/** A raw port lets its person do anything to the device. */
export function requireRawPortRole(actor: Actor, policy: Pick<CampaignDraft['policy'], 'vendorTool'>): void {
  if (policy.vendorTool && !actor.roles.includes('admin'))
    throw new ProblemError('request.forbidden', { role: 'admin' });
}

/** A page's address begins with the name of its campaign. */
export function nameFaults(name: string): PolicyFault[] {
  if (!RESERVED_CAMPAIGN_NAMES.includes(name)) return [];
  return [{ path: 'name', message: `The name ${name} is taken by a page of the dashboard. Choose another name.` }];
}

/** @throws ProblemError `campaign.policy` with every fault and its place. */
export function refuse(faults: readonly PolicyFault[]): void {
  if (faults.length === 0) return;
  throw new ProblemError('campaign.policy', { detail: faults[0]!.message }, [...faults]);
}
