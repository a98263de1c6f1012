/**
 * From the application into the bootloader: the start request, which an application takes for "jump".
 *
 * Where the bootloader is found then depends on what the application handed over. With a bond it advertises under the
 * same address, to that peer only, and without name or service (directed) if there is no identity key; without a bond it
 * is found by its service, from SDK 8 on under the address plus one. So both are looked for: first by the service, then
 * whatever answers under the unit's own address.
 *
 * Sources: nRF5 SDK 11, dfu_app_handler.c, dfu_transport_ble.c (advertising start); Android-DFU-Library,
 * LegacyButtonlessDfuImpl.java; IOS-DFU-Library, LegacyDFUService.swift (newAddressExpected).
 */
import { LinkError, TargetRefusedError } from '../../errors.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { bootloaderAddress } from '../secure-dfu/addresses.js';
import { decodeNotice, encodeRequest } from './codec.js';
import { isLinkTrouble, type LinkTalk } from '../../session/link-talk.js';
import { CONTROL_POINT, ImageType, LEGACY_DFU_SERVICE, Opcode } from './messages.js';

/** The jump follows at once; a device that does not drop the link itself is left by us. */
const LEAVE_MS = 2_000;
/** The bootloader is up within a second or two. */
const BY_SERVICE_MS = 6_000;
/** Directed advertising lasts 50 rounds of 1.28 s. */
const BY_ADDRESS_MS = 24_000;

/**
 * @param touch called before the write that makes the application leave.
 * @returns the link to whatever answered: normally the bootloader.
 * @throws DrydockError when the application refuses; `link.auth-required` when it wants a bond first.
 */
export function* enterBootloader(
  talk: LinkTalk,
  addresses: readonly string[],
  touch: () => Session<void>,
): Session<LinkInfo> {
  yield* talk.subscribe(CONTROL_POINT);
  yield* touch();
  try {
    yield* talk.send(CONTROL_POINT, encodeRequest({ opcode: Opcode.Start, types: ImageType.Application }), true);
    const frame = yield* talk.receive(CONTROL_POINT, LEAVE_MS);
    const notice = frame && decodeNotice(frame);
    if (notice?.kind === 'response') {
      const detail = 'its application does not know the way into the bootloader';
      throw new TargetRefusedError('jump to bootloader', notice.status, detail);
    }
  } catch (error) {
    // The response to the write is often lost with the link.
    if (!(error instanceof LinkError && (error.code === 'link.lost' || error.code === 'link.timeout'))) throw error;
  }
  const everywhere = [...new Set([...addresses.map(bootloaderAddress), ...addresses])];
  try {
    return yield* talk.reconnect({ addresses: everywhere, serviceUuid: LEGACY_DFU_SERVICE }, BY_SERVICE_MS);
  } catch (error) {
    if (!isLinkTrouble(error)) throw error;
    return yield* talk.reconnect({ addresses }, BY_ADDRESS_MS);
  }
}
