/** The campaigns that the overview speaks of: those that go on, and those that stand still until somebody acts. */
import { answerOf } from '@drydock/api-client';
import type { CampaignSummary } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import type { CampaignState } from '../../pieces/state-mark.js';

/** By harm: what is halted first. */
const SHOWN: readonly CampaignState[] = ['halted', 'awaiting-approval', 'paused', 'aborting', 'running', 'scheduled'];

export const liveCampaignsQuery = queryOptions({
  queryKey: ['campaigns', 'live'],
  queryFn: async (): Promise<CampaignSummary[]> => {
    const pages = await Promise.all(
      SHOWN.map((state) => answerOf(reading.GET('/api/v1/campaigns', { params: { query: { state, limit: 50 } } }))),
    );
    return pages.flatMap((page) => page.items);
  },
});
