/** What the campaign page asks. `campaign` is renewed each second while it changes, its parts less often. */
import { answerOf, ApiProblemError } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';

/** More pages than that are not looked through for a name. */
const MOST_PAGES = 50;

/** The id of a campaign by its name, which is unique and never changes. */
export const campaignIdQuery = (name: string) =>
  queryOptions({
    queryKey: ['campaign-id', name],
    staleTime: Infinity,
    queryFn: async (): Promise<string> => {
      let after: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const found = await answerOf(
          reading.GET('/api/v1/campaigns', {
            params: { query: { limit: 200, ...(after !== undefined && { after }) } },
          }),
        );
        const campaign = found.items.find((each) => each.name === name);
        if (campaign) return campaign.id;
        if (found.next === undefined) break;
        after = found.next;
      }
      throw new ApiProblemError({
        type: 'urn:drydock:error:request.not-found',
        title: 'request.not-found',
        status: 404,
        detail: `No campaign is called ${name}.`,
        code: 'request.not-found',
        params: {},
      });
    },
  });

export const campaignQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign', id],
    queryFn: (): Promise<Campaign> => answerOf(reading.GET('/api/v1/campaigns/{id}', { params: { path: { id } } })),
  });
