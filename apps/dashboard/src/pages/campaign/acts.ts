/** What can be done to a campaign, and what each is as a command. Every change renews the page at once. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, ChangePace } from '@drydock/contracts';
import { changing } from '../../data/api.js';
import { queryClient } from '../../data/query-client.js';
import { withFreshSignIn } from '../../session/fresh-sign-in.js';

/** The server keeps a reason for every stop; a person in a hurry owes none. */
const NO_REASON = 'no reason given';

const at = (campaign: Pick<Campaign, 'id'>) => ({ path: { id: campaign.id } });

async function renew<T>(campaign: Pick<Campaign, 'id'>, call: Promise<T>): Promise<T> {
  // Also what was refused: somebody else may have been first, and then the page shows an old state.
  try {
    return await call;
  } finally {
    await ask(campaign);
  }
}

async function ask(campaign: Pick<Campaign, 'id'>): Promise<void> {
  await Promise.all([
    queryClient.invalidateQueries({ queryKey: ['campaign', campaign.id] }),
    queryClient.invalidateQueries({ queryKey: ['campaign-part', campaign.id] }),
    queryClient.invalidateQueries({ queryKey: ['campaigns'] }),
    queryClient.invalidateQueries({ queryKey: ['overview'] }),
  ]);
}

export const pause = (campaign: Pick<Campaign, 'id'>, reason: string) =>
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

/** The digest that was shown goes along: the server refuses another plan. It may ask for a fresh sign-in first. */
export const approve = (campaign: Campaign, reason: string) =>
  renew(
    campaign,
    withFreshSignIn(() =>
      answerOf(
        changing.POST('/api/v1/campaigns/{id}/approve', {
          params: at(campaign),
          body: { planDigest: campaign.planDigest, ...(reason !== '' && { reason }) },
        }),
      ),
    ),
  );

export const approveStage = (campaign: Campaign, index: number, reason: string) =>
  renew(
    campaign,
    withFreshSignIn(() =>
      answerOf(
        changing.POST('/api/v1/campaigns/{id}/stages/{index}/approve', {
          params: { path: { id: campaign.id, index } },
          body: reason === '' ? {} : { reason },
        }),
      ),
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

export const releaseStratum = (campaign: Campaign, index: number, reason: string) =>
  renew(
    campaign,
    answerOf(
      changing.POST('/api/v1/campaigns/{id}/strata/{index}/release', {
        params: { path: { id: campaign.id, index } },
        body: { reason },
      }),
    ),
  );

/** @param revision the one that the person saw: where it is another by now, the server says so. */
export const changePace = (campaign: Pick<Campaign, 'id'>, revision: number, body: ChangePace) =>
  renew(
    campaign,
    answerOf(
      changing.PUT('/api/v1/campaigns/{id}/pace', {
        params: { ...at(campaign), header: { 'If-Match': `"${revision}"` } },
        body,
      }),
    ),
  );
