import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../app/root-route.js';
import { text } from '../../app/search.js';

export interface AuditSearch {
  /** `action==campaign.*;actor==…`. */
  readonly q?: string | undefined;
  /** Id of the line that is shown beside the list. */
  readonly line?: string | undefined;
}

export const auditRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/audit',
  validateSearch: (search: Record<string, unknown>): AuditSearch => ({ q: text(search.q), line: text(search.line) }),
  component: lazyRouteComponent(() => import('./audit-page.js')),
});
