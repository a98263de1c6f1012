/**
 * Where webhooks may go. A URL comes from a person, and what its name resolves to from a stranger's DNS: without a look
 * at the address itself, a webhook would be a way to speak to what only this machine reaches.
 */
import { lookup as resolveName, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Hosts that a person has allowed by name: private addresses and plain http are no obstacle there. */
export class AllowedHosts {
  private readonly entries: ReadonlySet<string>;

  /** @param list names or addresses, `:port` behind them or not, separated by commas. */
  constructor(list: string) {
    this.entries = new Set(
      list
        .split(',')
        .map((entry) => entry.trim().toLowerCase())
        .filter((entry) => entry !== ''),
    );
  }

  has(url: URL): boolean {
    const host = url.hostname.toLowerCase();
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    return this.entries.has(host) || this.entries.has(bare(host)) || this.entries.has(`${host}:${port}`);
  }
}

/**
 * Looks at a URL alone, without asking anybody.
 * @returns what is wrong with it and how to mend it; undefined when nothing is.
 */
export function faultOfUrl(text: string, allowed: AllowedHosts): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'it is no URL';
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'only https is taken';
  if (url.username !== '' || url.password !== '') return 'leave user name and password out: deliveries are signed';
  if (allowed.has(url)) return undefined;
  if (url.protocol !== 'https:') return 'plain http only goes to hosts that DRYDOCK_WEBHOOK_ALLOW names';
  const host = bare(url.hostname);
  if (isIP(host) !== 0 && !isPublicAddress(host)) return notPublic(host);
  return undefined;
}

/** Only addresses of the public unicast space; whatever the registries set apart is not. */
export function isPublicAddress(address: string): boolean {
  try {
    // IPv4 inside IPv6 (::ffff:127.0.0.1) is judged as what it is.
    return ipaddr.process(address).range() === 'unicast';
  } catch {
    return false;
  }
}

type Answer = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/**
 * Name resolution for one request: the connection goes to the very address that was looked at, so a name that answers
 * differently the next time (DNS rebinding) gains nothing. A name with any address that is not public is refused whole.
 */
export function guardedLookup(allowAll: boolean) {
  return (host: string, options: { all?: boolean }, done: Answer): void => {
    resolveName(host, { all: true }, (error, addresses) => {
      if (error) return done(error, '', 0);
      const bad = allowAll ? undefined : addresses.find(({ address }) => !isPublicAddress(address));
      if (bad) return done(new AddressRefused(`${host} is ${notPublic(bad.address)}`), '', 0);
      if (options.all) return done(null, addresses);
      const first = addresses[0];
      if (!first) return done(new AddressRefused(`${host} has no address`), '', 0);
      done(null, first.address, first.family);
    });
  };
}

/** The target may not be spoken to; nothing was sent. */
export class AddressRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AddressRefused';
  }
}

function notPublic(address: string): string {
  return `${address}, which is no public address; name the host in DRYDOCK_WEBHOOK_ALLOW if that is meant`;
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
