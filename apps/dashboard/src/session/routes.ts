import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../app/root-route.js';
import { text } from '../app/search.js';

export interface SignInSearch {
  /** Code of what went wrong on the way to the OpenID provider and back. */
  readonly error?: string | undefined;
  readonly detail?: string | undefined;
  /** Where to go afterwards. */
  readonly returnTo?: string | undefined;
}

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): SignInSearch => ({
    error: text(search.error),
    detail: text(search.detail),
    returnTo: text(search.returnTo),
  }),
  component: lazyRouteComponent(() => import('./sign-in-page.js')),
});

/** The link that an admin makes carries its secret behind `#`, where no server and no log sees it. */
export const setPasswordRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/set-password',
  component: lazyRouteComponent(() => import('./set-password-page.js')),
});
