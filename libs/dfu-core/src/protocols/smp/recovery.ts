/**
 * Updates from outside the application: through MCUboot's serial recovery or its firmware loader, entered by `boot_mode`,
 * or found there.
 *
 * Source: mcu-tools/mcuboot `docs/serial_recovery.md`, `docs/readme-zephyr.md` (firmware loader); Zephyr
 * `smp_group_0.rst` ("Reset command"), `smp_group_3.rst`; Android-nRF-Connect-Device-Manager,
 * IOS-nRF-Connect-Device-Manager (the setting that names the loader).
 */
import { DrydockError, LinkError, TargetRefusedError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import { reset } from './activation.js';
import type { Attempt } from './attempt.js';
import type { Step } from './client.js';
import { SmpRefusedError } from './errors.js';
import { deliver, openImages } from './delivery.js';
import { BOOT_MODE_BOOTLOADER, BootMode } from './messages.js';
import { APPLICATION_IMAGE } from './slots.js';
import { type Survey, survey } from './survey.js';
import type { WantedImage } from './wanted.js';

/** A restart into recovery takes no swap; it answers within three seconds on what was measured. */
const ENTRY_LOOKS = 20;
const LOOK_PAUSE_MS = 500;
const RECONNECT_MS = 30_000;
/** After this many answers of the application it is clear that it started again as itself. */
const APPLICATION_LOOKS = 4;

/** Where an application cannot be updated from inside, or `via=recovery` says so, its bootloader does it. */
export function goesThroughRecovery({ client }: Attempt, found: Survey): boolean {
  if (found.bootMode === BootMode.FirmwareLoader) return true; // it answers on the application's own links
  if (client.link.kind !== 'serial') return false;
  return client.options['via'] === 'recovery' || isSingleSlot(found.bootMode) || !found.images;
}

/** As `goesThroughRecovery`, from what was read of the unit before. */
export function mayGoThroughRecovery(
  before: Identification | undefined,
  options: Readonly<Record<string, string>>,
): boolean {
  const mode = before?.hardware['bootloaderMode'];
  if (options['via'] === 'recovery' || mode === BootMode.FirmwareLoader) return true;
  return typeof mode === 'number' && isSingleSlot(mode);
}

const isSingleSlot = (mode: number): boolean => mode === BootMode.SingleSlot || mode === BootMode.SingleSlotRamLoad;

/** The setting by which a firmware loader advertises; kept as bytes. */
const LOADER_NAME = 'fw_loader/adv_name';

/**
 * The loader has another address than the application, so it is given a name to be found by. One that cannot be named
 * is still found where it keeps the address.
 */
function* nameLoader(attempt: Attempt): Step<string> {
  const { client } = attempt;
  const name = attempt.loaderName;
  try {
    yield* client.ask({ kind: 'set-setting', name: LOADER_NAME, value: new TextEncoder().encode(name) });
    yield* client.ask({ kind: 'save-settings' });
  } catch (error) {
    if (!(error instanceof SmpRefusedError)) throw error;
  }
  return name;
}

/**
 * Restarts the application into serial recovery or the firmware loader. Nothing is erased yet.
 * @throws TargetRefusedError when it comes back as application: it is built without boot mode retention.
 */
export function* enterRecovery(attempt: Attempt, from: Survey): Step<Survey> {
  const { client } = attempt;
  yield* attempt.touch();
  const isByRadio = from.bootMode === BootMode.FirmwareLoader && client.link.kind === 'ble';
  const name = isByRadio ? yield* nameLoader(attempt) : undefined;
  yield* reset(client, { bootMode: BOOT_MODE_BOOTLOADER });
  attempt.inRecoveryByUs = true;
  if (name !== undefined) {
    attempt.loader = { name };
    yield* client.reconnect(attempt.returnHint(LOOK_PAUSE_MS), RECONNECT_MS);
  }
  let applications = 0;
  for (let look = 0; look < ENTRY_LOOKS; look++) {
    client.checkStop();
    yield* client.sleep(LOOK_PAUSE_MS);
    try {
      const found = yield* survey(client);
      attempt.checkIdentity(found.identification);
      if (found.mode === 'bootloader') {
        if (attempt.loader && client.link.identity.kind === 'ble-address') {
          attempt.loader.address = client.link.identity.value;
        }
        return found;
      }
      if (++applications >= APPLICATION_LOOKS) break;
    } catch (error) {
      if (!(error instanceof LinkError) || (error.code !== 'link.timeout' && error.code !== 'link.lost')) throw error;
      if (error.code === 'link.lost') yield* client.reconnect(attempt.returnHint(), RECONNECT_MS);
    }
  }
  attempt.inRecoveryByUs = applications === 0;
  attempt.loader = undefined;
  const detail = 'it restarted as its application; recovery by boot mode needs retained memory in its build';
  throw new TargetRefusedError('reset', `boot_mode ${BOOT_MODE_BOOTLOADER}`, detail);
}

/** Leaves recovery again, where nothing was changed in it; the application starts as it was. */
export function* leaveRecovery(attempt: Attempt): Step<void> {
  attempt.client.finish();
  attempt.needsRescue = true; // until the application answers
  const isInLoader = attempt.loader !== undefined;
  try {
    if (isInLoader) yield* reset(attempt.client);
    attempt.loader = undefined;
    // Whoever waits for an application and finds recovery resets it.
    yield* attempt.seeReturn(Math.min(attempt.request.returnWithinMs, 30_000), () => false);
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error; // what did not come back is told by the flag
  }
}

/** The upload replaces the application itself; then it is started by a reset. */
export function* deliverThroughRecovery(attempt: Attempt, found: Survey, wanted: WantedImage): Step<void> {
  const installed = found.images?.find(({ image, slot }) => image === APPLICATION_IMAGE && slot === 0);
  if (installed?.hash === wanted.hash) return;
  const readers = yield* openImages(attempt, [wanted]);
  yield* attempt.touch();
  yield* attempt.client.mark('erased');
  attempt.inRecoveryByUs = false;
  attempt.needsRescue = true;
  yield* deliver(attempt, found, readers);
}
