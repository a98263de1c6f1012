/**
 * TI OAD over BLE: the protocol as the driver sees it.
 *
 * Sources: TI SimpleLink SDKs and low-power F3 SDK, BLE-Stack 1.x and 2.x; see README.md.
 */
import { tiOadPayloads } from '../../image/ti-oad/describe.js';
import type { Protocol, Sighting } from '../../session/protocol.js';
import { Conversation } from './conversation.js';
import { fit, isOnChip, TI_FORMATS } from './fit.js';
import { identify, PROTOCOL_NAME } from './identify.js';
import {
  DEVICE_INFORMATION_SERVICE,
  OAD_SERVICE,
  OAD_SERVICE_SHORT,
  RESET_SERVICE,
  RESET_SERVICE_SHORT,
} from './messages.js';
import { proveNow, Update } from './update.js';

/**
 * TI's samples advertise the short ids. FFC0 is also used by others, and both programs of an on-chip target may be behind
 * it, so this is a hint for lists; only a connection decides.
 */
function recognise(sighting: Sighting): 'application' | 'bootloader' | undefined {
  if (sighting.link !== 'ble') return undefined;
  const advertises = (...uuids: readonly string[]): boolean => uuids.some((uuid) => sighting.services.includes(uuid));
  if (/^(OAD )?persistent[ _-]?app/i.test(sighting.name ?? '')) return 'bootloader';
  if (advertises(RESET_SERVICE, RESET_SERVICE_SHORT)) return 'application';
  return advertises(OAD_SERVICE, OAD_SERVICE_SHORT) ? 'application' : undefined;
}

export const tiOad: Protocol = {
  name: PROTOCOL_NAME,
  links: ['ble'],
  services: [OAD_SERVICE, RESET_SERVICE, DEVICE_INFORMATION_SERVICE],
  formats: TI_FORMATS,
  recognise,
  identify: (link) => identify(new Conversation(link)),
  fit,
  payloads: tiOadPayloads,
  leavesApplication: (before) => before !== undefined && isOnChip(before),
  update: (link, request) => new Update(link, request).run(),
  prove: proveNow,
  // The way of an update begins wherever the unit is found, so a rescue is the same way.
  rescue: (link, request) => new Update(link, request).run(),
};
