import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';
import { VERSION_DAYS, type OverviewSearch } from './search.js';

export const overviewRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  validateSearch: (raw: Record<string, unknown>): OverviewSearch => ({
    seen: oneOf(raw.seen, ['all']),
    days: oneOf(raw.days, VERSION_DAYS),
    model: text(raw.model),
  }),
  component: lazyRouteComponent(() => import('./overview-page.js')),
});
