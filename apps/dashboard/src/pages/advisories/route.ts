import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export interface AdvisoriesSearch {
  readonly state?: 'open' | 'closed' | undefined;
}
export interface AdvisorySearch {
  /** Which devices are listed. */
  readonly status?: 'unknown' | undefined;
  readonly model?: string | undefined;
  /** Id of a site. */
  readonly site?: string | undefined;
  readonly reach?: 'in' | 'out' | undefined;
}

export const advisoriesRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/advisories',
  validateSearch: (search: Record<string, unknown>): AdvisoriesSearch => ({
    state: oneOf(search.state, ['open', 'closed'] as const),
  }),
  component: lazyRouteComponent(() => import('./advisories-page.js')),
});

export const newAdvisoryRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/advisories/new',
  component: lazyRouteComponent(() => import('./edit-page.js'), 'NewAdvisoryPage'),
});

export const advisoryRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/advisories/$id',
  validateSearch: (search: Record<string, unknown>): AdvisorySearch => ({
    status: oneOf(search.status, ['unknown'] as const),
    model: text(search.model),
    site: text(search.site),
    reach: oneOf(search.reach, ['in', 'out'] as const),
  }),
  component: lazyRouteComponent(() => import('./advisory-page.js')),
});

export const editAdvisoryRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/advisories/$id/edit',
  component: lazyRouteComponent(() => import('./edit-page.js'), 'EditAdvisoryPage'),
});
