import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

export const deviceRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet/devices/$id',
  component: lazyRouteComponent(() => import('./device-page.js')),
});
