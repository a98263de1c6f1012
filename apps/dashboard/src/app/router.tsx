/**
 * All pages. A new page brings its route in its own folder (`pages/NAME/route.ts`), adds a line here, and one in
 * `rail-entries.ts` where the rail shall show it.
 */
import { createRouter } from '@tanstack/react-router';
import { advisoriesRoute, advisoryRoute, editAdvisoryRoute, newAdvisoryRoute } from '../pages/advisories/route.js';
import { approvalRoute, approvalsRoute } from '../pages/approvals/route.js';
import { newCampaignRoute } from '../pages/new-campaign/route.js';
import { artifactRoute } from '../pages/artifact/route.js';
import { artifactsRoute } from '../pages/artifacts/route.js';
import { auditRoute } from '../pages/audit/route.js';
import { campaignPolicyRoute, campaignRoute } from '../pages/campaign/route.js';
import { campaignsRoute } from '../pages/campaigns/route.js';
import { deviceRoute } from '../pages/device/route.js';
import { devicesRoute } from '../pages/devices/route.js';
import { fleetRoute } from '../pages/fleet/route.js';
import { gatewayRoute } from '../pages/gateway/route.js';
import { gatewaysRoute } from '../pages/gateways/route.js';
import { overviewRoute } from '../pages/overview/route.js';
import { peopleRoute, personRoute, settingsRoute, tokensRoute, youRoute } from '../pages/settings/route.js';
import { sitesRoute } from '../pages/sites/route.js';
import { webhookRoute } from '../pages/webhook/route.js';
import { webhooksRoute } from '../pages/webhooks/route.js';
import { setPasswordRoute, signInRoute } from '../session/routes.js';
import { PageError, PageWaiting } from './page-fallback.js';
import { rootRoute } from './root-route.js';

const routeTree = rootRoute.addChildren([
  overviewRoute,
  campaignsRoute,
  newCampaignRoute,
  approvalsRoute,
  approvalRoute,
  advisoriesRoute,
  newAdvisoryRoute,
  advisoryRoute,
  editAdvisoryRoute,
  campaignRoute,
  campaignPolicyRoute,
  fleetRoute,
  devicesRoute,
  deviceRoute,
  gatewaysRoute,
  gatewayRoute,
  sitesRoute,
  artifactsRoute,
  artifactRoute,
  auditRoute,
  webhooksRoute,
  webhookRoute,
  settingsRoute,
  youRoute,
  tokensRoute,
  peopleRoute,
  personRoute,
  signInRoute,
  setPasswordRoute,
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultPendingMs: 150,
  defaultPendingMinMs: 0,
  defaultPendingComponent: PageWaiting,
  defaultErrorComponent: PageError,
  scrollRestoration: true,
  // Plain text in the address: `?q=state==running`, as the API and the command line write it.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text === '' ? '' : `?${text.replaceAll('%3D', '=').replaceAll('%3B', ';').replaceAll('%2C', ',')}`;
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
