/**
 * Nordic's legacy DFU over a UART, as SDK 11 and Adafruit's bootloaders speak it: the protocol as the driver sees it.
 *
 * Source: nRF5 SDK 11, dfu_transport_serial.c and hci_transport.c; Adafruit_nRF52_Bootloader; see README.md.
 */
import { DrydockError, InvariantError } from '../../errors.js';
import { legacyPayloads, NORDIC_LEGACY_FORMAT } from '../../image/nordic-legacy/describe-package.js';
import type { Identification, Protocol, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { fit } from '../legacy-dfu/fit.js';
import { LeaveError, LinkTalk } from '../../session/link-talk.js';
import { findBootloader, identify, lineSettings, PROTOCOL_NAME } from './identify.js';
import { SerialLine } from './line.js';
import { Update } from './update.js';

/** All that can be known: whether the unit sits in its bootloader. */
function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const talk = new LinkTalk(link);
  const rest = { ...(before && { before }), sentBytes: 0 };
  try {
    const found = yield* findBootloader(new SerialLine(talk), lineSettings(request.linkOptions ?? {}));
    yield* talk.close();
    if (!found) return { outcome: 'unproven', reason: 'version-not-readable', ...rest, needsRescue: false };
    const params = { detail: 'it answers as bootloader' };
    return { outcome: 'failed', code: 'target.in-bootloader', params, ...rest, needsRescue: true };
  } catch (error) {
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...rest, needsRescue: false };
    const { code, params } =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    return { outcome: 'failed', code, params, ...rest, needsRescue: false };
  }
}

export const legacySerial: Protocol = {
  name: PROTOCOL_NAME,
  links: ['serial'],
  services: [],
  line: { baud: 115_200 },
  formats: [NORDIC_LEGACY_FORMAT],
  recognise: () => undefined,
  identify: (link, options) => identify(new SerialLine(new LinkTalk(link)), options),
  fit,
  payloads: legacyPayloads,
  update: (link, request) => new Update(link, request).run(),
  prove,
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: (link, request) => new Update(link, request).run(),
};
