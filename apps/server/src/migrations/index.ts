/** All migrations, in order. One change per file; expand first, contract in a later release. */
import { Initial1700000000001 } from './0001-initial.js';
import { WebhooksAdvisories1700000000003 } from './0003-webhooks-advisories.js';

export const MIGRATIONS = [Initial1700000000001, WebhooksAdvisories1700000000003];
