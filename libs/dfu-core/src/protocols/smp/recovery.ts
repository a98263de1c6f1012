/**
 * Updates through MCUboot's serial recovery: entered by `boot_mode`, or found there.
 *
 * Source: mcu-tools/mcuboot `docs/serial_recovery.md`; Zephyr `smp_group_0.rst` ("Reset command").
 */
import { DrydockError, LinkError, TargetRefusedError } from '../../errors.js';
import { reset } from './activation.js';
import type { Attempt } from './attempt.js';
import type { Step } from './client.js';
import { deliver, openImages } from './delivery.js';
import { BOOT_MODE_BOOTLOADER, BootMode } from './messages.js';
import { APPLICATION_IMAGE } from './slots.js';
import { type Survey, survey } from './survey.js';
import type { WantedImage } from './wanted.js';

/** A restart into recovery takes no swap; it answers within three seconds on what was measured. */
const ENTRY_LOOKS = 20;
const LOOK_PAUSE_MS = 500;
/** After this many answers of the application it is clear that it started again as itself. */
const APPLICATION_LOOKS = 4;

/** Where an application cannot be updated from inside, or `via=recovery` says so, its bootloader does it. */
export function goesThroughRecovery({ client }: Attempt, found: Survey): boolean {
  if (client.link.kind !== 'serial') return false;
  return client.options['via'] === 'recovery' || found.bootMode === BootMode.SingleSlot || !found.images;
}

/**
 * Restarts the application into serial recovery. Nothing is erased yet.
 * @throws TargetRefusedError when it comes back as application: it is built without boot mode retention.
 */
export function* enterRecovery(attempt: Attempt): Step<Survey> {
  const { client } = attempt;
  yield* attempt.touch();
  yield* reset(client, { bootMode: BOOT_MODE_BOOTLOADER });
  attempt.inRecoveryByUs = true;
  let applications = 0;
  for (let look = 0; look < ENTRY_LOOKS; look++) {
    client.checkStop();
    yield* client.sleep(LOOK_PAUSE_MS);
    try {
      const found = yield* survey(client);
      attempt.checkIdentity(found.identification);
      if (found.mode === 'bootloader') return found;
      if (++applications >= APPLICATION_LOOKS) break;
    } catch (error) {
      if (!(error instanceof LinkError) || (error.code !== 'link.timeout' && error.code !== 'link.lost')) throw error;
      if (error.code === 'link.lost') yield* client.reconnect(attempt.returnHint(), 30_000);
    }
  }
  attempt.inRecoveryByUs = applications === 0;
  const detail = 'it restarted as its application; recovery by boot mode needs retained memory in its build';
  throw new TargetRefusedError('reset', `boot_mode ${BOOT_MODE_BOOTLOADER}`, detail);
}

/** Leaves recovery again, where nothing was changed in it; the application starts as it was. */
export function* leaveRecovery(attempt: Attempt): Step<void> {
  try {
    yield* reset(attempt.client);
    yield* attempt.seeReturn(Math.min(attempt.request.returnWithinMs, 30_000), () => false);
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error;
    attempt.needsRescue = true;
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
