import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';

export interface ArtifactsSearch {
  /** `model==sensor-2;version==1.4.0`. */
  readonly q?: string | undefined;
  readonly open?: 'upload' | undefined;
}

export const artifactsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/artifacts',
  validateSearch: (search: Record<string, unknown>): ArtifactsSearch => ({
    q: text(search.q),
    open: oneOf(search.open, ['upload'] as const),
  }),
  component: lazyRouteComponent(() => import('./artifacts-page.js')),
});
