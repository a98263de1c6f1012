/** All migrations, in order. One change per file; expand first, contract in a later release. */
import { Initial1700000000001 } from './0001-initial.js';
import { DeviceFacts1700000000002 } from './0002-device-facts.js';
import { WebhooksAdvisories1700000000003 } from './0003-webhooks-advisories.js';
import { CampaignEngine1700000000004 } from './0004-campaign-engine.js';
import { LargeCampaigns1700000000006 } from './0006-large-campaigns.js';
import { IndexDiet1700000000007 } from './0007-index-diet.js';
import { GatewayLogLevel1700000000008 } from './0008-gateway-log-level.js';
import { Sessions1700000000009 } from './0009-sessions.js';
import { InsightHistory1700000000010 } from './0010-insight-history.js';
import { CampaignStanding1700000000011 } from './0011-campaign-standing.js';
import { CampaignPlans1700000000012 } from './0012-campaign-plans.js';
import { GatewaySaysOfItself1700000000013 } from './0013-gateway-says-of-itself.js';
import { RescueIndex1700000000014 } from './0014-rescue-index.js';

export const MIGRATIONS = [
  Initial1700000000001,
  DeviceFacts1700000000002,
  WebhooksAdvisories1700000000003,
  CampaignEngine1700000000004,
  LargeCampaigns1700000000006,
  IndexDiet1700000000007,
  GatewayLogLevel1700000000008,
  Sessions1700000000009,
  InsightHistory1700000000010,
  CampaignStanding1700000000011,
  CampaignPlans1700000000012,
  GatewaySaysOfItself1700000000013,
  RescueIndex1700000000014,
];
