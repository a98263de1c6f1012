import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export const DEVICE_SHOWS = ['approval', 'rescue', 'decommissioned'] as const;

export interface DevicesSearch {
  /** RSQL, docs/filters.md. */
  readonly q?: string | undefined;
  readonly show?: (typeof DEVICE_SHOWS)[number] | undefined;
  /** Columns beside the name, in the order of the table, with commas; left out: those that are usual. */
  readonly cols?: string | undefined;
  /** Id of the device whose reasons are shown beside the list. */
  readonly why?: string | undefined;
}

export const devicesRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet/devices',
  validateSearch: (search: Record<string, unknown>): DevicesSearch => ({
    q: text(search.q),
    show: oneOf(search.show, DEVICE_SHOWS),
    cols: text(search.cols),
    why: text(search.why),
  }),
  component: lazyRouteComponent(() => import('./devices-page.js')),
});
