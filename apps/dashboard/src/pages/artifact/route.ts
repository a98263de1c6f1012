import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

export const artifactRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/artifacts/$sha',
  component: lazyRouteComponent(() => import('./artifact-page.js')),
});
