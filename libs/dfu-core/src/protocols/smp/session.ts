/**
 * SMP (mcumgr) as a protocol of Drydock: Zephyr, nRF Connect SDK and Mynewt devices with MCUboot, and MCUboot's
 * serial recovery.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_protocol.rst` and `smp_groups/`; mcu-tools/mcuboot `docs/`.
 */
import type { Identification, Protocol, Sighting, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { mcubootSources } from '../../image/mcuboot/file.js';
import { wholeOf } from '../../bytes/byte-source.js';
import { SmpClient } from './client.js';
import { slotLines } from './commands.js';
import { ARTIFACT_FORMATS, fitArtifact } from './fit.js';
import { mayGoThroughRecovery } from './recovery.js';
import { PROTOCOL_NAME, survey } from './survey.js';
import { SMP_SERVICE } from './transport.js';
import { Update } from './update.js';

export interface SmpOptions {
  /** Number of the first request of a connection, 0..255. By default random: answers to an earlier one are then strangers. */
  readonly firstSequence?: () => number;
  /** Name that a firmware loader is given for one update. By default random. */
  readonly loaderName?: () => string;
}

/** @returns the protocol; `smp` is the one to use, others are for tests that compare bytes. */
export function createSmp({
  firstSequence = () => Math.floor(Math.random() * 256),
  loaderName = () => `FL_${String(Math.floor(Math.random() * 100_000)).padStart(5, '0')}`,
}: SmpOptions = {}): Protocol {
  function clientOf(link: LinkInfo, options: Readonly<Record<string, string>>): SmpClient {
    return new SmpClient(link, options, firstSequence());
  }

  function* identify(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
    const client = clientOf(link, options);
    yield* client.start();
    const { identification } = yield* survey(client);
    client.checkStop();
    return identification;
  }

  function* details(link: LinkInfo, options: Readonly<Record<string, string>>): Session<readonly string[]> {
    const client = clientOf(link, options);
    yield* client.start();
    return yield* slotLines(client);
  }

  function* update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome> {
    const update = new Update(clientOf(link, request.linkOptions ?? {}), request, loaderName());
    return yield* update.run(() => update.updateConversation());
  }

  function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
    const update = new Update(clientOf(link, request.linkOptions ?? {}), request, loaderName());
    return yield* update.run(() => update.proveConversation(before));
  }

  return {
    name: PROTOCOL_NAME,
    links: ['serial', 'ble', 'udp'],
    services: [SMP_SERVICE],
    line: { baud: 115_200 },
    formats: ARTIFACT_FORMATS,
    recognise: ({ link, services }: Sighting) =>
      link === 'ble' && services.includes(SMP_SERVICE) ? 'application' : undefined,
    identify,
    details,
    fit: fitArtifact,
    payloads: (file) => new Map([...mcubootSources(file)].map(([name, bytes]) => [name, wholeOf(bytes)])),
    sources: mcubootSources,
    leavesApplication: mayGoThroughRecovery,
    update,
    prove,
    rescue: update,
  };
}

export const smp: Protocol = createSmp();
