/**
 * From the application into the bootloader: the buttonless service without bonds.
 *
 * The application acknowledges by an indication, waits for its confirmation and resets; the bootloader advertises under
 * the address plus one. A link that drops before the indication arrived is taken as success: the bootloader will tell.
 *
 * Sources: nRF5 SDK 17, components/ble/ble_services/ble_dfu/ble_dfu_unbonded.c; Android-DFU-Library issue 444 (the
 * device may not end the link itself).
 */
import { type DrydockError, LinkError } from '../../errors.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { bootloaderAddress } from './addresses.js';
import { decodeButtonlessAnswer, encodeEnterBootloader } from './codec.js';
import { type Conversation, isLinkTrouble } from './conversation.js';
import { buttonlessError } from './errors.js';
import { BUTTONLESS_WITHOUT_BONDS, ButtonlessOpcode, ButtonlessResult, SECURE_DFU_SERVICE } from './messages.js';

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
  yield* talk.subscribe(BUTTONLESS_WITHOUT_BONDS);
  yield* touch();
  try {
    for (let tries = 1; ; tries++) {
      const refused = yield* ask(talk);
      if (!refused) break;
      if (refused.code !== 'target.busy' || tries === MAX_TRIES) throw refused;
      yield* talk.sleep(BUSY_PAUSE_MS);
    }
    yield* talk.receive(BUTTONLESS_WITHOUT_BONDS, LEAVE_MS);
  } catch (error) {
    if (!(error instanceof LinkError && error.code === 'link.lost')) throw error;
  }
  const everywhere = [...new Set([...addresses.map(bootloaderAddress), ...addresses])];
  try {
    return yield* talk.reconnect({ addresses: everywhere, serviceUuid: SECURE_DFU_SERVICE }, BOOTLOADER_MS);
  } catch (error) {
    if (!isLinkTrouble(error)) throw error;
    // The request got lost, or power did, and the application is back: it does not advertise the service of the bootloader.
    return yield* talk.reconnect({ addresses: everywhere }, FIND_MS);
  }
}

/** @returns the error if the application said no. */
function* ask(talk: Conversation): Session<DrydockError | undefined> {
  yield* talk.send(BUTTONLESS_WITHOUT_BONDS, encodeEnterBootloader(), true);
  const frame = yield* talk.receive(BUTTONLESS_WITHOUT_BONDS, INDICATION_MS);
  if (!frame) return undefined;
  const { opcode, result } = decodeButtonlessAnswer(frame);
  if (opcode === ButtonlessOpcode.EnterBootloader && result === ButtonlessResult.Success) return undefined;
  return buttonlessError(result, BUTTONLESS_WITHOUT_BONDS);
}
