import { CAMPAIGN_STATES } from '@drydock/contracts';
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export interface CampaignsSearch {
  /** In the language of filters. */
  readonly q?: string | undefined;
  readonly state?: (typeof CAMPAIGN_STATES)[number] | undefined;
  /** Id of the campaign that is shown beside the list. */
  readonly peek?: string | undefined;
}

export const campaignsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/campaigns',
  validateSearch: (search: Record<string, unknown>): CampaignsSearch => ({
    q: text(search.q),
    state: oneOf(search.state, CAMPAIGN_STATES),
    peek: text(search.peek),
  }),
  component: lazyRouteComponent(() => import('./campaigns-page.js')),
});
