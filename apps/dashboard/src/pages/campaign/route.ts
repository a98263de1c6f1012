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
  /** Two groups are compared, each by its filter. */
  readonly compare?: 'yes' | undefined;
  readonly a?: string | undefined;
  readonly b?: string | undefined;
  readonly by?: (typeof FAILURES_BY)[number] | undefined;
}

export const campaignRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/campaigns/$name',
  validateSearch: (search: Record<string, unknown>): CampaignSearch => ({
    q: text(search.q),
    stage: text(search.stage),
    why: text(search.why),
    compare: oneOf(search.compare, ['yes'] as const),
    a: text(search.a),
    b: text(search.b),
    by: oneOf(search.by, FAILURES_BY),
  }),
  component: lazyRouteComponent(() => import('./campaign-page.js')),
});

export const campaignPolicyRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/campaigns/$name/policy',
  // `version`: an earlier version of the plan; left out: the plan of now.
  validateSearch: (search: Record<string, unknown>): { readonly version?: string | undefined } => ({
    version: text(search.version),
  }),
  component: lazyRouteComponent(() => import('./policy/policy-page.js')),
});
