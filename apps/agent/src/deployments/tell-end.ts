/** The end of a session, in the log of the gateway: what is read by somebody who stands before the device. */
import { DrydockError, type UpdateOutcome } from '@drydock/dfu-core';
import type { Logger } from '../logger.js';
import { nameOf, type Site } from '../site/site-file.js';
import type { Attempt } from './attempt.js';

export function tellEnd(
  log: Pick<Logger, 'info' | 'warn'>,
  { key, grant }: Pick<Attempt, 'key' | 'grant'>,
  outcome: UpdateOutcome,
  site: Pick<Site, 'devices'>,
): void {
  const name = nameOf(site, grant.links);
  const facts = {
    attempt: key,
    ...(name !== undefined && { name }),
    device: grant.device,
    link: grant.links[0],
    outcome: outcome.outcome,
    ...(outcome.outcome === 'failed' && {
      code: outcome.code,
      detail: new DrydockError(outcome.code, outcome.params).message,
    }),
    ...('reason' in outcome && { reason: outcome.reason }),
    ...(outcome.needsRescue && { withoutApplication: true }),
  };
  // One that failed belongs to the last errors of the status.
  if (outcome.outcome === 'failed' || outcome.outcome === 'reverted') log.warn(facts, 'session over');
  else log.info(facts, 'session over');
}
