import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';
import { DELIVERY_SHOWS, type WebhookSearch } from './search.js';

export const webhookRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/webhooks/$id',
  validateSearch: (search: Record<string, unknown>): WebhookSearch => ({
    state: oneOf(search.state, DELIVERY_SHOWS),
    delivery: text(search.delivery),
  }),
  component: lazyRouteComponent(() => import('./webhook-page.js')),
});
