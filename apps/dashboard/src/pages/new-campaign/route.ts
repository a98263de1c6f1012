import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { oneOf, text } from '../../app/search.js';
import { STEPS, type Step } from './steps.js';

export interface NewCampaignSearch {
  readonly step?: Step | undefined;
  /** Id of a draft that the server keeps. */
  readonly draft?: string | undefined;
  /** Artifact, by id or digest, that it begins with. */
  readonly artifact?: string | undefined;
  /** Name of a campaign whose plan it begins with; with `as=rollback` one that takes its devices back. */
  readonly from?: string | undefined;
  readonly as?: 'rollback' | undefined;
  /** Id of an advisory that it answers. */
  readonly advisory?: string | undefined;
}

export const newCampaignRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/campaigns/new',
  validateSearch: (search: Record<string, unknown>): NewCampaignSearch => ({
    step: oneOf(search.step, STEPS),
    draft: text(search.draft),
    artifact: text(search.artifact),
    from: text(search.from),
    as: oneOf(search.as, ['rollback'] as const),
    advisory: text(search.advisory),
  }),
  component: lazyRouteComponent(() => import('./new-campaign-page.js')),
});
