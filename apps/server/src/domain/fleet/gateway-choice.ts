/** Which of the gateways that see a device shall update it. */

export interface GatewaySighting {
  readonly gatewayId: string;
  /** In state `active` and online. */
  readonly usable: boolean;
  /** Null where the link has no signal strength: a wire. */
  readonly rssiDbm: number | null;
  readonly lastSeenMs: number;
}

/** A sighting older than this says nothing about where the device is now. */
export const SIGHTING_FRESH_MS = 3_600_000;
/** How much stronger another gateway must hear a device before it takes over: less would make devices wander. */
export const TAKE_OVER_DB = 12;

/**
 * The present gateway keeps the device while it is usable and sees it, unless another hears it clearly better. A wire
 * beats any radio.
 * @returns the present one when no sighting is usable.
 */
export function chooseGateway(
  present: string | null,
  sightings: readonly GatewaySighting[],
  nowMs: number,
): string | null {
  const usable = sightings
    .filter((sighting) => sighting.usable && nowMs - sighting.lastSeenMs <= SIGHTING_FRESH_MS)
    .sort((a, b) => strength(b) - strength(a) || (a.gatewayId < b.gatewayId ? -1 : 1));
  const best = usable[0];
  if (!best) return present ?? sightings[0]?.gatewayId ?? null;
  const kept = usable.find(({ gatewayId }) => gatewayId === present);
  return kept && strength(best) - strength(kept) < TAKE_OVER_DB ? kept.gatewayId : best.gatewayId;
}

function strength({ rssiDbm }: GatewaySighting): number {
  return rssiDbm ?? 127;
}
