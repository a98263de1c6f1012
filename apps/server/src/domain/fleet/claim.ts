/** Who may speak for a device: only gateways of its site, and there as the site's claim mode says. */

export type ClaimMode = 'open' | 'list' | 'approval';

export type ClaimVerdict =
  /** A device never seen before, of the gateway's site from now on; `approved`: it may be updated. */
  | { readonly kind: 'create'; readonly approved: boolean }
  /** A device of the gateway's own site. */
  | { readonly kind: 'own' }
  /** A device of another site: it waits for a person, and what the gateway says about it changes nothing. */
  | { readonly kind: 'foreign' };

/** @param listed whether the site's device list names the identity. */
export function judgeClaim(
  gatewaySiteId: string,
  mode: ClaimMode,
  listed: boolean,
  known: { readonly siteId: string } | undefined,
): ClaimVerdict {
  if (known) return { kind: known.siteId === gatewaySiteId ? 'own' : 'foreign' };
  return { kind: 'create', approved: mode === 'open' || (mode === 'list' && listed) };
}

export interface DeviceIdentity {
  readonly kind: string;
  readonly value: string;
}

/** Where the value of an identity is unique: '' = everywhere. A port path names a socket of one machine. */
export function identityScope(kind: string, where: { readonly gatewayId: string; readonly siteId: string }): string {
  if (kind === 'port-path') return `gateway:${where.gatewayId}`;
  if (kind === 'udp-endpoint') return `site:${where.siteId}`;
  return '';
}

/** One text per unit, for maps. */
export function identityKey(identity: DeviceIdentity, scope: string): string {
  return JSON.stringify([identity.kind, identity.value, scope]);
}
