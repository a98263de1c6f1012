/**
 * BGAPI UART DFU of Bluegiga and Silicon Labs: the protocol as the driver sees it.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/communication/bgapi-uart-dfu; see README.md.
 */
import { silabsPayloads } from '../../image/silabs/describe.js';
import type { Identification, Protocol, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { failedBefore, proveNow, UpdateWay } from '../silabs/update-way.js';
import { Talk } from '../silabs/talk.js';
import { fit, FORMATS } from './fit.js';
import { identify, PROTOCOL_NAME } from './identify.js';
import { BgapiPort, readPortOptions } from './port.js';
import { BgapiSteps } from './steps.js';

function* identifyAndRestore(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
  const port = new BgapiPort(new Talk(link), readPortOptions(options));
  try {
    return yield* identify(port);
  } finally {
    if (port.talk.isOpen) yield* port.talk.restoreLine();
  }
}

function* update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome> {
  const talk = new Talk(link);
  const options = failedBefore(() => readPortOptions(request.linkOptions ?? {}));
  if ('outcome' in options) return options;
  return yield* new UpdateWay(talk, request, new BgapiSteps(new BgapiPort(talk, options))).run();
}

function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const talk = new Talk(link);
  const options = failedBefore(() => readPortOptions(request.linkOptions ?? {}));
  if ('outcome' in options) return options;
  return yield* proveNow(talk, new BgapiSteps(new BgapiPort(talk, options)), request, before);
}

export const bgapiDfu: Protocol = {
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
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: update,
};
