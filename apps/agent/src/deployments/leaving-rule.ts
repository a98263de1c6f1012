/** Whether an attempt begins by leading its unit out of its application. */
import type { Grant } from '@drydock/contracts';
import type { Identification } from '@drydock/dfu-core';
import { linkOptionsOf } from '../links/link-factory.js';
import type { ProtocolRegistry } from '../protocols.js';

/** @returns a rule that never throws: an end is told whatever the grant looks like. */
export function leavingRule(
  grant: Pick<Grant, 'protocol' | 'links'>,
  protocols: ProtocolRegistry,
): (before: Identification | undefined) => boolean {
  const protocol = protocols.get(grant.protocol);
  return (before) => protocol?.leavesApplication?.(before, optionsOf(grant.links[0])) ?? false;
}

function optionsOf(link: string | undefined): Readonly<Record<string, string>> {
  try {
    return link === undefined ? {} : linkOptionsOf(link);
  } catch {
    return {};
  }
}
