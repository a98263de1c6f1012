import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export const DELIVERY_SHOWS = ['waiting', 'delivered', 'failed'] as const;

export interface WebhookSearch {
  readonly state?: (typeof DELIVERY_SHOWS)[number] | undefined;
  /** Id of the delivery that is shown beside the list. */
  readonly delivery?: string | undefined;
}

export const webhookRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/webhooks/$id',
  validateSearch: (search: Record<string, unknown>): WebhookSearch => ({
    state: oneOf(search.state, DELIVERY_SHOWS),
    delivery: text(search.delivery),
  }),
  component: lazyRouteComponent(() => import('./webhook-page.js')),
});
