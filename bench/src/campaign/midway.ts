/** A campaign over a large fleet as it stands in the middle: what pages are read of while reports come in. */
import type pg from 'pg';
import type { BenchApi } from './api.js';
import { moveToMiddle } from './mid-campaign.js';

/** @returns its id. */
export async function startMidway(
  api: BenchApi,
  client: pg.Client,
  artifactId: string,
  devices: number,
): Promise<string> {
  const { id } = await api.call<{ id: string }>('POST', 'campaigns', {
    name: 'bench',
    artifactId,
    policy: {
      stages: [
        { name: 'canary', percent: 1, gate: { maxFailureShare: 0.5 } },
        { name: 'all', percent: 99, gate: { maxFailureShare: 0.5 } },
      ],
      limits: { inFlight: 5_000, firstInFlight: 5_000 },
      // Few starts: nobody stands behind the gateways of the large fleet.
      pace: { kind: 'ramp', startPerMinute: 1, doublingMinutes: 10_000, maxPerMinute: 1 },
      brake: { limit: 0.15, transportLimit: 0.3, baseline: false },
    },
  });
  await api.call('POST', `campaigns/${id}/start`, { reason: 'bench' });
  await moveToMiddle(client, id, { tried: devices * 0.4, failed: 300, lost: 100, live: 500 });
  return id;
}
