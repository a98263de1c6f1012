/** Who is asked on a link where a person named no protocol. */
import { DrydockError, type Protocol } from '@drydock/dfu-core';
import { parseLinkName } from '../links/parse-link.js';
import { PROTOCOLS, requireProtocol } from '../protocols.js';

const BGAPI = ['bgapi-dfu', 'gecko-xmodem'];
const NORDIC = ['secure-dfu', 'legacy-dfu', 'legacy-serial'];

/**
 * Options of a link that only some protocols know, some by their value alone. Units are not asked in languages that they
 * do not speak: bytes of one can put the receiver of another out of step.
 */
const SPEAKERS: Readonly<Record<string, readonly string[] | Readonly<Record<string, readonly string[]>>>> = {
  framing: { console: ['smp'], raw: ['smp'], plain: BGAPI, packet: BGAPI, robust: BGAPI },
  identity: { 'node-name': ['smp'] },
  via: ['smp'],
  reset: ['smp'],
  hwVersion: ['secure-dfu'],
  softDevice: NORDIC,
  deviceType: ['legacy-dfu', 'legacy-serial'],
  deviceRevision: ['legacy-dfu', 'legacy-serial'],
  entry: ['legacy-serial'],
  generation: BGAPI,
  bootbaud: BGAPI,
  bootframing: BGAPI,
  application: ['gecko-xmodem'],
  apploader: ['silabs-ota'],
  writes: ['silabs-ota'],
};

function speaksOptions(protocol: Protocol, options: Readonly<Record<string, string>>): boolean {
  return Object.entries(options).every(([option, value]) => {
    const known = Object.hasOwn(SPEAKERS, option) ? SPEAKERS[option] : undefined;
    const names = known === undefined || isList(known) ? known : known[value];
    return names === undefined || names.includes(protocol.name);
  });
}

const isList = (known: NonNullable<(typeof SPEAKERS)[string]>): known is readonly string[] => Array.isArray(known);

/** On a shared line the one that speaks in plain lines goes first: what it says disturbs nobody, and it is answered soon. */
const loudness = (protocol: Protocol): number => (protocol.name === 'smp' ? 0 : 1);

/**
 * The protocols worth trying on a link: the named one, or all that use such a link and deliver the format.
 * @throws DrydockError `gateway.no-protocol`, `request.invalid`
 */
export function candidateProtocols(link: string, name: string | undefined, format?: string): readonly Protocol[] {
  const { kind, options } = parseLinkName(link);
  if (name !== undefined) return [requireProtocol(name)];
  const onLink = [...PROTOCOLS.values()].filter(
    (protocol) => protocol.links.includes(kind) && (format === undefined || protocol.formats.includes(format)),
  );
  const found = onLink.filter((protocol) => speaksOptions(protocol, options));
  if (found.length > 0)
    return kind === 'serial' ? [...found].sort((left, right) => loudness(left) - loudness(right)) : found;
  const what = format === undefined ? `over ${kind}` : `${format} over ${kind}`;
  const why = onLink.length === 0 ? '' : '; the options of the link belong to other protocols, or to several at once';
  throw new DrydockError('request.invalid', { detail: `no protocol of this agent delivers ${what}${why}` });
}
