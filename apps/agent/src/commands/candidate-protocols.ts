/** Who is asked on a link where a person named no protocol. */
import { DrydockError, type Protocol } from '@drydock/dfu-core';
import { parseLinkName } from '../links/parse-link.js';
import { PROTOCOLS, requireProtocol } from '../protocols.js';

/** An application in packet mode or robust frames takes the line end that wakes a menu for the length of what follows. */
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
  variant: ['csr-dfu'],
  loader: ['csr-dfu'],
};

/** Who knows the options that were given, a list for each that not all know; within a list in the order of asking. */
function speakersOf(options: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  return Object.entries(options).flatMap(([option, value]) => {
    const known = Object.hasOwn(SPEAKERS, option) ? SPEAKERS[option] : undefined;
    const names = known === undefined || isList(known) ? known : known[value];
    return names === undefined ? [] : [names];
  });
}

const isList = (known: NonNullable<(typeof SPEAKERS)[string]>): known is readonly string[] => Array.isArray(known);

/**
 * On a serial port nothing tells who listens, and what is said to one is heard by whoever is there. So the first words
 * are in this order, and each is harmless to those behind it:
 * - a line end, at which a bootloader prints its menu. Any digit would choose from it (`2` starts the application, `1`
 *   waits for a file), so everything that can hold digits comes later;
 * - a console line of SMP: no byte of base64 can begin a packet of BGAPI, and SLIP forgets it at the next END;
 * - SLIP of Nordic's bootloaders: for a console a line of noise, for BGAPI bytes that begin no packet;
 * - BGAPI: what SLIP has half taken, it forgets at the next END;
 * - the HCI packets of legacy bootloaders, at two speeds, of which one is noise to everybody;
 * - the command line of a BC127 and BCSP, the latter with a parity of its own that nobody else understands.
 *
 * Sources: gecko_sdk 4.4.1, btl_comm_xmodem_common.c and btl_comm_bgapi_common.c; mcumgr serial transport (Zephyr
 * `subsys/mgmt/mcumgr/transport/src/serial_util.c`); nRF5 SDK 17 `slip.c`, nRF5 SDK 11 `hci_slip.c`.
 */
const SERIAL_ORDER: readonly string[] = ['gecko-xmodem', 'smp', 'secure-dfu', 'bgapi-dfu', 'legacy-serial', 'csr-dfu'];

/** Those that are not listed come last. */
const turnIn =
  (order: readonly string[]) =>
  ({ name }: Protocol): number => {
    const turn = order.indexOf(name);
    return turn < 0 ? order.length : turn;
  };

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
  const speakers = speakersOf(options);
  const found = onLink.filter((protocol) => speakers.every((names) => names.includes(protocol.name)));
  const turnOf = turnIn(speakers[0] ?? SERIAL_ORDER);
  if (found.length > 0) return kind === 'serial' ? found.sort((left, right) => turnOf(left) - turnOf(right)) : found;
  const detail =
    onLink.length > 0
      ? `the options of the link belong to no protocol that ${format === undefined ? '' : `delivers ${format} and `}is spoken over ${kind}, or to several at once`
      : `no protocol of this agent ${format === undefined ? 'is spoken' : `delivers ${format}`} over ${kind}`;
  throw new DrydockError('request.invalid', { detail });
}
