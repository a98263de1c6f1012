import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export const GATEWAY_SHOWS = ['connected', 'away', 'quarantined', 'decommissioned'] as const;

export interface GatewaysSearch {
  /** `name==gw-*;site==oslo`. */
  readonly q?: string | undefined;
  readonly show?: (typeof GATEWAY_SHOWS)[number] | undefined;
  /** `enrol`: the dialog that makes a one-time token. */
  readonly open?: 'enrol' | undefined;
}

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
