/**
 * What the broker asks about a gateway before it lets it connect. Provided by the fleet room under
 * `GATEWAY_AUTHORITY` and looked up when the first client connects, so that adapters never import a room.
 * Without a provider nobody may connect.
 */
export const GATEWAY_AUTHORITY = Symbol('GatewayAuthority');

export interface GatewayAuthority {
  /**
   * Called when the token's signature, purpose, gateway and end were already checked by the broker.
   * @returns the org whose topics the gateway may use; `undefined` when the gateway is unknown or not active, or its
   * key was revoked after the token was given.
   */
  mayConnect(gatewayId: string, token: string): Promise<{ orgId: string } | undefined>;
}
