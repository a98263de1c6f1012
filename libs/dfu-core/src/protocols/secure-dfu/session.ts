/**
 * Nordic Secure DFU over BLE and serial lines: the protocol as the driver sees it.
 *
 * Source: nRF5 SDK 17, lib_bootloader and lib_dfu_transport_ble, lib_dfu_transport_serial; see README.md.
 */
import { nordicPayloads, NORDIC_SECURE_FORMAT } from '../../image/nordic/describe-package.js';
import type { Protocol, Sighting } from '../../session/protocol.js';
import { Conversation } from './conversation.js';
import { fit } from './fit.js';
import { identify, PROTOCOL_NAME } from './identify.js';
import { BUTTONLESS_EXPERIMENTAL, DEVICE_INFORMATION_SERVICE, SECURE_DFU_SERVICE } from './messages.js';
import { proveNow } from './prove.js';
import { Update } from './update.js';

/**
 * What is advertised tells little: bootloaders show the service, applications rarely do. Only a connection decides, so
 * this is a hint for lists.
 */
function recognise(sighting: Sighting): 'application' | 'bootloader' | undefined {
  if (sighting.link !== 'ble') return undefined;
  if (sighting.services.includes(BUTTONLESS_EXPERIMENTAL)) return 'application';
  return sighting.services.includes(SECURE_DFU_SERVICE) ? 'bootloader' : undefined;
}

export const secureDfu: Protocol = {
  name: PROTOCOL_NAME,
  links: ['ble', 'serial'],
  // As Nordic's UART bootloaders are built; USB CDC does not care.
  line: { baud: 115_200, rtscts: true },
  services: [SECURE_DFU_SERVICE, DEVICE_INFORMATION_SERVICE, BUTTONLESS_EXPERIMENTAL],
  formats: [NORDIC_SECURE_FORMAT],
  recognise,
  identify: (link, options) => identify(new Conversation(link), options),
  fit,
  payloads: nordicPayloads,
  leavesApplication: () => true,
  update: (link, request) => new Update(link, request).run(),
  prove: proveNow,
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: (link, request) => new Update(link, request).run(),
};
