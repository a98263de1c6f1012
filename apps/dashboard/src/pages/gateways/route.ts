import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';
import { GATEWAY_SHOWS, type GatewaysSearch } from './search.js';

export const gatewaysRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet/gateways',
  validateSearch: (search: Record<string, unknown>): GatewaysSearch => ({
    q: text(search.q),
    show: oneOf(search.show, GATEWAY_SHOWS),
    open: oneOf(search.open, ['enrol'] as const),
  }),
  component: lazyRouteComponent(() => import('./gateways-page.js')),
});
