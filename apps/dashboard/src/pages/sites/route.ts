import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

export const sitesRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet/sites',
  component: lazyRouteComponent(() => import('./sites-page.js')),
});
