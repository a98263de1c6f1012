/** All migrations, in order. One change per file; expand first, contract in a later release. */
import { Initial1700000000001 } from './0001-initial.js';
import { DeviceFacts1700000000002 } from './0002-device-facts.js';

export const MIGRATIONS = [Initial1700000000001, DeviceFacts1700000000002];
