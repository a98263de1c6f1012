/** Campaigns by name: the address of a campaign's page says its name, the API wants its id. */
import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from './api.js';

/** For the palette: the newest ones. */
export const campaignNamesQuery = queryOptions({
  queryKey: ['campaigns', 'names'],
  queryFn: async () => {
    const page = await answerOf(reading.GET('/api/v1/campaigns', { params: { query: { limit: 200 } } }));
    return page.items.map(({ id, name }) => ({ id, name }));
  },
});
