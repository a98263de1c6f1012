/** What can be done to a campaign, and what each is as a command. Every change renews the page at once. */
import { answerOf } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { changing } from '../../data/api.js';
import { queryClient } from '../../data/query-client.js';

/** The server keeps a reason for every stop; a person in a hurry owes none. */
const NO_REASON = 'no reason given';

const at = (campaign: Pick<Campaign, 'id'>) => ({ path: { id: campaign.id } });

async function renew<T>(campaign: Pick<Campaign, 'id'>, call: Promise<T>): Promise<T> {
  const answer = await call;
  await Promise.all([
    queryClient.invalidateQueries({ queryKey: ['campaign', campaign.id] }),
    queryClient.invalidateQueries({ queryKey: ['campaign-part', campaign.id] }),
    queryClient.invalidateQueries({ queryKey: ['campaigns'] }),
    queryClient.invalidateQueries({ queryKey: ['overview'] }),
  ]);
  return answer;
}

export const pause = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/pause', { params: at(campaign), body: { reason: reason || NO_REASON } }),
    ),
  );

export const resume = (campaign: Campaign, reason: string) =>
  renew(campaign, answerOf(changing.POST('/api/v1/campaigns/{id}/resume', { params: at(campaign), body: { reason } })));

export const abort = (campaign: Campaign, reason: string, running: 'finish' | 'safe-point') =>
  renew(
    campaign,
    answerOf(changing.POST('/api/v1/campaigns/{id}/abort', { params: at(campaign), body: { reason, running } })),
  );

export const start = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/start', { params: at(campaign), body: reason === '' ? {} : { reason } }),
    ),
  );

/** The digest that was shown goes along: the server refuses another plan. */
export const approve = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/approve', {
        params: at(campaign),
        body: { planDigest: campaign.planDigest, ...(reason !== '' && { reason }) },
      }),
    ),
  );

export const approveStage = (campaign: Campaign, index: number, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/stages/{index}/approve', {
        params: { path: { id: campaign.id, index } },
        body: reason === '' ? {} : { reason },
      }),
    ),
  );

export const liftQuarantine = (campaign: Campaign, quarantine: string, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/quarantines/{quarantine}/lift', {
        params: { path: { id: campaign.id, quarantine } },
        body: { reason },
      }),
    ),
  );

export const rollBack = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    answerOf(changing.POST('/api/v1/campaigns/{id}/rollback', { params: at(campaign), body: { reason } })),
  );

export const complete = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    answerOf(changing.POST('/api/v1/campaigns/{id}/complete', { params: at(campaign), body: { reason } })),
  );
