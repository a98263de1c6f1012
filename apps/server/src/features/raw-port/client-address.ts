/** From where a request came, by the proxies that are trusted: as Express tells it, for requests that Express never sees. */
import type { IncomingMessage } from 'node:http';

/** Whether to believe what the machine at this address says about the one before it. */
export type TrustProxy = (address: string, hops: number) => boolean;

const MAX_HOPS = 32;

/** @returns the nearest address that is not a trusted proxy. */
export function addressOf(request: Pick<IncomingMessage, 'headers' | 'socket'>, trust: TrustProxy): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
    .reverse();
  let address = request.socket.remoteAddress ?? '';
  for (const [hops, before] of forwarded.slice(0, MAX_HOPS).entries()) {
    if (!trust(address, hops)) return address;
    address = before.slice(0, 64);
  }
  return address;
}
