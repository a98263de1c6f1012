import { createRoute, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

export const settingsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings',
  beforeLoad: () => {
    throw redirect({ to: '/settings/you', replace: true });
  },
});

export const youRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/you',
  component: lazyRouteComponent(() => import('./you-page.js')),
});

export const tokensRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/tokens',
  component: lazyRouteComponent(() => import('./tokens-page.js')),
});

export const peopleRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/people',
  component: lazyRouteComponent(() => import('./people-page.js')),
});

export const personRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/people/$id',
  component: lazyRouteComponent(() => import('./person-page.js')),
});
