/** What is another at a unit than at the last look: for people, in the log. */
import type { InventoryDevice } from '@drydock/contracts';
import type { Identification } from '@drydock/dfu-core';
import type { Logger } from '../logger.js';

export function tellChange(
  log: Logger,
  before: Pick<InventoryDevice, 'identity' | 'mode' | 'running' | 'links'>,
  found: Identification,
): void {
  const was = { identity: before.identity, mode: before.mode, running: [...before.running] };
  const now = { identity: found.identity, mode: found.mode, running: [...found.running].slice(0, 8) };
  const changed = (['identity', 'mode', 'running'] as const).filter(
    (field) => JSON.stringify(was[field]) !== JSON.stringify(now[field]),
  );
  if (changed.length > 0) log.info({ link: before.links[0]?.link, changed, was, now }, 'device changed');
}
