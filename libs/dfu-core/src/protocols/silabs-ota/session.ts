/**
 * OTA of Silicon Labs over BLE: AppLoader and application OTA, the protocol as the driver sees it.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/example_host/bt_host_ota_dfu; see README.md.
 */
import { silabsPayloads } from '../../image/silabs/describe.js';
import type { Protocol, Sighting, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo } from '../../session/session.js';
import { Talk } from '../silabs/talk.js';
import { proveNow, UpdateWay } from '../silabs/update-way.js';
import { fit, FORMATS } from './fit.js';
import { identify, PROTOCOL_NAME } from './identify.js';
import { DEVICE_INFORMATION_SERVICE, LOADER_NAME, OTA_SERVICE } from './messages.js';
import { OtaSteps } from './steps.js';

/**
 * An AppLoader does not advertise the service: its name and the address in its advertisement tell. Both are hints for
 * lists; only a connection decides.
 */
function recognise(sighting: Sighting): 'application' | 'bootloader' | undefined {
  if (sighting.link !== 'ble') return undefined;
  if (sighting.name === LOADER_NAME && sighting.services.length === 0) return 'bootloader';
  return sighting.services.includes(OTA_SERVICE) ? 'application' : undefined;
}

function way(link: LinkInfo, request: UpdateRequest): UpdateWay {
  const talk = new Talk(link);
  return new UpdateWay(talk, request, new OtaSteps(talk, request));
}

export const silabsOta: Protocol = {
  name: PROTOCOL_NAME,
  links: ['ble'],
  services: [OTA_SERVICE, DEVICE_INFORMATION_SERVICE],
  formats: FORMATS,
  recognise,
  identify: (link) => identify(new Talk(link), false),
  fit,
  payloads: silabsPayloads,
  update: (link, request) => way(link, request).run(),
  prove: (link, request, before) => {
    const talk = new Talk(link);
    return proveNow(talk, new OtaSteps(talk, request), request, before);
  },
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: (link, request) => way(link, request).run(),
};
