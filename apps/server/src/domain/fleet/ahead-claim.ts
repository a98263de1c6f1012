/**
 * A gateway says that it knows orders or attempts that the database does not: either the database was restored from a
 * backup, or the gateway is wrong. Nobody but the gateways can tell, so each is believed, but not without end.
 */

export interface AheadClaim {
  readonly gatewayId: string;
  /** The newest reign that it names. */
  readonly reign: number;
  readonly by: 'report' | 'presence';
}

/** Restores that a backup may have missed. The reign must stay far from numbers that no message can carry. */
export const MAX_MISSED_REIGNS = 1_000;

/**
 * @param present the reign that holds. News of an older one is old news: its raise is what ended that reign.
 * @param believedBefore gateways whose word has raised the reign not long ago.
 * @returns the claim to act on, if any (the newest), and claims of gateways that are no longer to be trusted.
 */
export function believable(
  claims: readonly AheadClaim[],
  present: number,
  believedBefore: ReadonlySet<string>,
): { readonly credible: AheadClaim | undefined; readonly doubtful: readonly AheadClaim[] } {
  const news = claims.filter((claim) => claim.reign >= present);
  const doubtful = news.filter(
    (claim) => believedBefore.has(claim.gatewayId) || claim.reign > present + MAX_MISSED_REIGNS,
  );
  const [credible] = news.filter((claim) => !doubtful.includes(claim)).sort((a, b) => b.reign - a.reign);
  return { credible, doubtful };
}
