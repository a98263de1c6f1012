import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { text } from '../../app/search.js';

export const approvalsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/approvals',
  component: lazyRouteComponent(() => import('./approvals-page.js')),
});

export const approvalRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/approvals/$name',
  // `stage`: number of the stage whose gate waits; left out: the plan itself.
  validateSearch: (search: Record<string, unknown>): { readonly stage?: string | undefined } => ({
    stage: text(search.stage),
  }),
  component: lazyRouteComponent(() => import('./approval-page.js')),
});
