/**
 * From the application into the bootloader, by whichever buttonless service it offers.
 *
 * The application acknowledges (without bonds and with them by an indication whose confirmation it awaits, in the sample
 * of SDK 12 by a notification) and resets. The bootloader advertises under the address plus one, or, entered with
 * bonds, under the same address and for its bonded peer alone. A link that drops before the acknowledgement arrived is
 * taken as success: the bootloader will tell.
 *
 * An application under a private address says nothing of the address that its bootloader will have. It is given a name
 * of its own first, under which the bootloader is found (as Nordic's library does where the system hides addresses);
 * SDK 13, which knows no names, is then found by its address only.
 *
 * Sources: nRF5 SDK 17, components/ble/ble_services/ble_dfu/ble_dfu_unbonded.c, ble_dfu_bonded.c; SDK 12.3, ble_dfu.c;
 * Android-DFU-Library issue 444 (the device may not end the link itself); Bluetooth Core 5.2, Vol 6 Part B, 1.3.2
 * (random addresses).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { toHex } from '../../bytes/hex.js';
import { DrydockError, LinkError } from '../../errors.js';
import type { Channel, LinkInfo, Session } from '../../session/session.js';
import { bootloaderAddress } from './addresses.js';
import { decodeButtonlessAnswer, encodeAdvertisedName, encodeEnterBootloader } from './codec.js';
import { type Conversation, isLinkTrouble } from './conversation.js';
import { buttonlessError } from './errors.js';
import {
  BUTTONLESS_CHANNELS,
  BUTTONLESS_WITHOUT_BONDS,
  ButtonlessOpcode,
  ButtonlessResult,
  SECURE_DFU_SERVICE,
} from './messages.js';

const INDICATION_MS = 10_000;
/** A device that has confirmed may take this long to drop the link; then we drop it. */
const LEAVE_MS = 1_000;
const BUSY_PAUSE_MS = 1_000;
const MAX_TRIES = 3;
/** The bootloader is up within a second or two; what is not seen by then perhaps never left. */
const BOOTLOADER_MS = 6_000;
const FIND_MS = 24_000;

/**
 * @param touch called before the write that makes the application leave.
 * @returns the link to whatever answered: normally the bootloader.
 * @throws DrydockError when the application refuses.
 */
export function* enterBootloader(
  talk: Conversation,
  addresses: readonly string[],
  touch: () => Session<void>,
): Session<LinkInfo> {
  const channel = BUTTONLESS_CHANNELS.find((each) => talk.link.channels.includes(each));
  if (channel === undefined) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'device with a way into its bootloader',
      detail: 'its application offers no buttonless service any more',
    });
  }
  yield* talk.subscribe(channel);
  yield* touch();
  let name: string | undefined;
  try {
    if (channel === BUTTONLESS_WITHOUT_BONDS && isPrivate(talk.link.identity.value)) name = yield* giveName(talk);
    for (let tries = 1; ; tries++) {
      const refused = yield* ask(talk, channel);
      if (!refused) break;
      if (refused.code !== 'target.busy' || tries === MAX_TRIES) throw refused;
      yield* talk.sleep(BUSY_PAUSE_MS);
    }
    yield* talk.receive(channel, LEAVE_MS);
  } catch (error) {
    if (!(error instanceof LinkError && error.code === 'link.lost')) throw error;
  }
  const everywhere = [...new Set([...addresses.map(bootloaderAddress), ...addresses])];
  const face = { addresses: everywhere, ...(name !== undefined && { name }) };
  try {
    return yield* talk.reconnect({ ...face, serviceUuid: SECURE_DFU_SERVICE }, BOOTLOADER_MS);
  } catch (error) {
    if (!isLinkTrouble(error)) throw error;
    // The request got lost, or power did, and the application is back: it does not advertise the service of the bootloader.
    return yield* talk.reconnect(face, FIND_MS);
  }
}

/** @returns the error if the application said no. */
function* ask(talk: Conversation, channel: Channel): Session<DrydockError | undefined> {
  yield* talk.send(channel, encodeEnterBootloader(), true);
  const frame = yield* talk.receive(channel, INDICATION_MS);
  if (!frame) return undefined;
  const { opcode, result } = decodeButtonlessAnswer(frame);
  if (opcode === ButtonlessOpcode.EnterBootloader && result === ButtonlessResult.Success) return undefined;
  return buttonlessError(result, channel);
}

/** @returns the name under which the bootloader will advertise; undefined when the application takes none. */
function* giveName(talk: Conversation): Session<string | undefined> {
  const name = nameFor(talk.link.identity.value);
  yield* talk.send(BUTTONLESS_WITHOUT_BONDS, encodeAdvertisedName(name), true);
  const frame = yield* talk.receive(BUTTONLESS_WITHOUT_BONDS, INDICATION_MS);
  if (!frame) return undefined;
  const { opcode, result } = decodeButtonlessAnswer(frame);
  return opcode === ButtonlessOpcode.SetName && result === ButtonlessResult.Success ? name : undefined;
}

/** Of this unit alone, as far as 48 bits tell: two units in their bootloaders must not be mistaken for each other. */
function nameFor(address: string): string {
  return `Dfu${toHex(sha256(utf8ToBytes(address)).subarray(0, 6))}`;
}

/** The two highest bits of a random address are 00 or 01 when it is a private one. Some public addresses begin so too. */
function isPrivate(address: string): boolean {
  return /^[0-7]/.test(address);
}
