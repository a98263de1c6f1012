/**
 * Nordic Legacy DFU over BLE: the protocol as the driver sees it.
 *
 * Source: nRF5 SDK 11, lib_bootloader_dfu and lib_ble_dfu; see README.md.
 */
import { legacyPayloads, NORDIC_LEGACY_FORMAT } from '../../image/nordic-legacy/describe-package.js';
import type { Protocol, Sighting } from '../../session/protocol.js';
import { fit } from './fit.js';
import { identify, PROTOCOL_NAME } from './identify.js';
import { LinkTalk } from '../../session/link-talk.js';
import { DEVICE_INFORMATION_SERVICE, LEGACY_DFU_SERVICE } from './messages.js';
import { proveNow } from './prove.js';
import { Update } from './update.js';

/**
 * Looked for besides its own: whatever else a unit offers is the sign of an application, where no revision tells. Battery,
 * heart rate, temperature, alerts, HID, environment, cycling and running speed, Nordic UART.
 */
const SIGNS_OF_AN_APPLICATION = [
  '1802',
  '1803',
  '1804',
  '1809',
  '180d',
  '180f',
  '1812',
  '1814',
  '1816',
  '181a',
  '6e400001b5a3f393e0a9e50e24dcca9e',
];

/** Stock applications do not advertise the service; bootloaders do, unless they advertise to one peer alone. */
function recognise(sighting: Sighting): 'application' | 'bootloader' | undefined {
  return sighting.link === 'ble' && sighting.services.includes(LEGACY_DFU_SERVICE) ? 'bootloader' : undefined;
}

export const legacyDfu: Protocol = {
  name: PROTOCOL_NAME,
  links: ['ble'],
  services: [LEGACY_DFU_SERVICE, DEVICE_INFORMATION_SERVICE, ...SIGNS_OF_AN_APPLICATION],
  formats: [NORDIC_LEGACY_FORMAT],
  recognise,
  identify: (link, options) => identify(new LinkTalk(link), options),
  fit,
  payloads: legacyPayloads,
  leavesApplication: () => true,
  update: (link, request) => new Update(link, request).run(),
  prove: proveNow,
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: (link, request) => new Update(link, request).run(),
};
