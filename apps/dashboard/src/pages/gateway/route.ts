import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

export const gatewayRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet/gateways/$id',
  component: lazyRouteComponent(() => import('./gateway-page.js')),
});
