import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export const FAILURES_BY = ['code', 'model', 'version', 'gateway', 'site', 'protocol'] as const;

export interface CampaignSearch {
  /** Filter of the devices. */
  readonly q?: string | undefined;
  /** Stage whose devices are shown, counted from 1 as on the page. */
  readonly stage?: string | undefined;
  /** Device whose drawer is open. */
  readonly why?: string | undefined;
  readonly by?: (typeof FAILURES_BY)[number] | undefined;
}

export const campaignRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/campaigns/$name',
  validateSearch: (search: Record<string, unknown>): CampaignSearch => ({
    q: text(search.q),
    stage: text(search.stage),
    why: text(search.why),
    by: oneOf(search.by, FAILURES_BY),
  }),
  component: lazyRouteComponent(() => import('./campaign-page.js')),
});
