/** The short login token of a gateway: MQTT password and HTTP bearer (design, section 4). Opaque to agents. */
import { LoginTokenBody, SignatureError, verifyEnvelope } from '@drydock/contracts';
import type { ServerKeys } from '../keys/server-keys.port.js';

/** Longest token that is looked at, in characters. */
const MAX_TOKEN_CHARS = 10_000;

/**
 * Checks signature (one of our order keys), purpose, server, gateway and end. Says nothing about the gateway's state.
 * @param nowMs the servers' clock, milliseconds.
 * @returns what the token says, or `undefined` when it is not good for any reason.
 */
export async function checkLoginToken(
  keys: Pick<ServerKeys, 'serverId' | 'resolveOrderKey'>,
  token: string,
  nowMs: number,
  expect: { gatewayId?: string } = {},
): Promise<{ gatewayId: string; expiresAtMs: number } | undefined> {
  if (token.length > MAX_TOKEN_CHARS) return undefined;
  try {
    const envelope = await verifyEnvelope(token, (kid) => keys.resolveOrderKey(kid), {
      purpose: 'login-token',
      server: keys.serverId,
      ...(expect.gatewayId === undefined ? {} : { gateway: expect.gatewayId }),
    });
    const body = LoginTokenBody.safeParse(envelope.body);
    if (!body.success || body.data.expiresAtMs <= nowMs) return undefined;
    return { gatewayId: envelope.gateway, expiresAtMs: body.data.expiresAtMs };
  } catch (error) {
    if (error instanceof SignatureError) return undefined;
    throw error;
  }
}
