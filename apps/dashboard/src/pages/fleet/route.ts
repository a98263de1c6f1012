import { createRoute, redirect } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';

/** Where the rail leads: the devices. */
export const fleetRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/fleet',
  beforeLoad: () => {
    throw redirect({ to: '/fleet/devices', replace: true });
  },
});
