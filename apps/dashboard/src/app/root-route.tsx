/** The route under which all pages lie: the shell, and who may see it. */
import { createRootRoute } from '@tanstack/react-router';
import { NotFound } from './not-found.js';
import { Root } from './root.js';

export const rootRoute = createRootRoute({ component: Root, notFoundComponent: NotFound });
