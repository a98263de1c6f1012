/**
 * The Gecko Bootloader's menu with XMODEM-CRC: the protocol as the driver sees it.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/communication/xmodem-uart; see README.md.
 */
import { silabsPayloads } from '../../image/silabs/describe.js';
import type { Identification, Protocol, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { Talk } from '../silabs/talk.js';
import { failedBefore, proveNow, UpdateWay } from '../silabs/update-way.js';
import { fit, FORMATS } from './fit.js';
import { identify, openWay, PROTOCOL_NAME } from './identify.js';
import { XmodemSteps } from './steps.js';

function* identifyAndRestore(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
  const way = openWay(new Talk(link), options);
  try {
    return yield* identify(way);
  } finally {
    if (way.talk.isOpen) yield* way.talk.restoreLine();
  }
}

function* update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome> {
  const way = failedBefore(() => openWay(new Talk(link), request.linkOptions ?? {}));
  if ('outcome' in way) return way;
  return yield* new UpdateWay(way.talk, request, new XmodemSteps(way)).run();
}

function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const way = failedBefore(() => openWay(new Talk(link), request.linkOptions ?? {}));
  if ('outcome' in way) return way;
  return yield* proveNow(way.talk, new XmodemSteps(way), request, before);
}

export const geckoXmodem: Protocol = {
  name: PROTOCOL_NAME,
  links: ['serial'],
  services: [],
  line: { baud: 115_200 },
  formats: FORMATS,
  recognise: () => undefined,
  identify: identifyAndRestore,
  fit,
  payloads: silabsPayloads,
  leavesApplication: () => true,
  update,
  prove,
  rescue: update,
};
