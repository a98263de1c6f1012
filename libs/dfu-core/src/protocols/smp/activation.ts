/**
 * From the image in its slot to the application that runs it: set the state, reset, wait, look, confirm.
 *
 * Source: Zephyr `smp_group_1.rst` ("Set state of image"), `img_mgmt_state.c`; mcu-tools/mcuboot `docs/design.md`
 * ("Swap status", "Integrity check").
 */
import { DrydockError, LinkError } from '../../errors.js';
import type { ReconnectHint } from '../../session/session.js';
import { fromHex } from '../../bytes/hex.js';
import { type Patience, type SmpClient, type Step, USUAL } from './client.js';
import { decodeImageList, decodeRefusal } from './codec.js';
import { ImageRc, Rc, SmpRefusedError } from './errors.js';
import { activeImage, isPending, waitingImage } from './slots.js';
import { readList, type Survey, survey } from './survey.js';

/** The target answers the reset, then takes 250 ms until it does it. */
const RESET_DELAY_MS = 500;
/** One question while waiting for a unit whose port never went away. */
const POLL_MS = 1000;
const POLL: Patience = { withinMs: POLL_MS, tries: 1 };
/** Its answer is the whole list, several lines on a console, each of which may be lost. Repeating it is harmless. */
const SET_STATE: Patience = { withinMs: USUAL.withinMs, tries: 8 };
/** A lost reset request shows as an old application that still waits for its reset. */
const POLLS_BEFORE_NEXT_RESET = 3;
const RESETS = 3;
/** Serial recovery may catch our own questions in its waiting window: leave it alone for that long. */
const QUIET_MS = 4000;
const RECONNECTS = 5;
const REFUSED_RESETS = 10;

/**
 * Sets the image for the next boot: once (test), or for good (confirm).
 * @returns false where the target knows no such command, so that a reset is all there is to do.
 * @throws DrydockError when it refuses, or says yes and does not show it.
 */
export function* setForNextBoot(client: SmpClient, hash: string, image: number, permanently: boolean): Step<boolean> {
  let list;
  try {
    list = decodeImageList(
      yield* client.ask({ kind: 'set-state', hash: fromHex(hash), confirm: permanently }, SET_STATE),
    );
  } catch (error) {
    if (!(error instanceof SmpRefusedError)) throw error;
    if (error.isShared(Rc.NotSupported)) return false;
    // Lost answer, asked again: what is already set cannot be set anew everywhere.
    if (!error.isImage(ImageRc.AlreadyPending) && !error.isShared(Rc.BadState)) throw error;
    list = yield* readList(client);
    if (!isPending(waitingImage(list?.images, hash, image))) throw error;
  }
  const entry = waitingImage(list?.images, hash, image);
  const isSet = permanently ? entry?.permanent || entry?.confirmed : entry?.pending;
  if (!isSet) {
    const detail = 'it took the request, but the image is not set for the next boot: it may forbid an older version';
    throw new DrydockError('target.refused-image', { request: 'set-state', result: 0, detail });
  }
  return true;
}

/** Takes an image out of the next boot again, as well as the target lets us. */
export function* withdraw(client: SmpClient, slot: { readonly slot?: number } = {}): Step<void> {
  try {
    yield* client.ask({ kind: 'erase', ...slot }, { withinMs: 40_000, tries: 1 });
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error; // what cannot be withdrawn is reported by its flags
  }
}

/**
 * Asks for a reset. The answer is often lost with the link, so silence counts as yes: whether the unit really left
 * is seen by looking. An application that is busy is asked again for ten seconds; then, where the link's spelling says
 * `reset=force`, it is not asked any more.
 * @throws SmpRefusedError when the target says no.
 */
export function* reset(client: SmpClient, options: { readonly bootMode?: number } = {}): Step<void> {
  const mayForce = client.options['reset'] === 'force';
  for (let refused = 0; ; refused++) {
    const force = mayForce && refused >= REFUSED_RESETS;
    const sequence = yield* client.send({ kind: 'reset', ...options, ...(force && { force }) });
    const refusal = yield* awaitResetAnswer(client, sequence);
    if (!refusal) return;
    if (!refusal.isShared(Rc.Busy) || refused > REFUSED_RESETS || (!mayForce && refused === REFUSED_RESETS)) {
      throw refusal;
    }
    yield* client.sleep(POLL_MS);
  }
}

function* awaitResetAnswer(client: SmpClient, sequence: number): Step<SmpRefusedError | undefined> {
  try {
    for (let strangers = 0; strangers < 100; strangers++) {
      const got = yield* client.receive(USUAL.withinMs);
      if (got.kind !== 'message') return undefined;
      if (got.message.header.sequence !== sequence || !client.answers(got.message, 'reset')) continue;
      const refusal = decodeRefusal(got.message.body);
      return refusal && new SmpRefusedError('reset', refusal);
    }
  } catch (error) {
    if (!isLost(error)) throw error;
  }
  return undefined;
}

function isLost(error: unknown): boolean {
  return error instanceof LinkError && error.code === 'link.lost';
}

function isSilence(error: unknown): boolean {
  return error instanceof LinkError && error.code === 'link.timeout';
}

/** What the unit showed between the reset and its first answer. */
export interface Return {
  readonly survey: Survey;
  /** It was away: the link went, or nobody answered for a while. */
  readonly sawLeave: boolean;
}

/**
 * After a reset: waits until the unit answers as something other than the application that was told to go.
 * @param stillWaiting true for a unit that has not done its reset yet. After a few resets it is returned as it is.
 * @throws LinkError `link.not-found` when it does not come back in time; DrydockError `target.in-bootloader` when only
 * the bootloader does.
 */
export function* awaitReturn(
  client: SmpClient,
  withinMs: number,
  stillWaiting: (found: Survey) => boolean,
  hint: (afterMs: number) => ReconnectHint,
): Step<Return> {
  let leftMs = withinMs;
  let reconnects = 0;
  let sawLeave = false;
  let stillThere = 0;
  let resets = 1;
  let recoveries = 0;
  let mustReconnect = true;

  while (leftMs > 0) {
    try {
      if (mustReconnect) {
        if (reconnects++ > RECONNECTS) break;
        yield* client.reconnect(hint(RESET_DELAY_MS), leftMs);
        mustReconnect = false;
      }
      yield* client.ask({ kind: 'list' }, POLL); // cheap; refused by those without image list, which is an answer too
    } catch (error) {
      if (isLost(error)) {
        sawLeave = true;
        mustReconnect = true;
        leftMs -= POLL_MS;
        continue;
      }
      if (isSilence(error)) {
        sawLeave = true;
        leftMs -= POLL_MS;
        continue;
      }
      if (!(error instanceof SmpRefusedError)) throw error;
    }
    let found;
    try {
      found = yield* survey(client);
    } catch (error) {
      if (!isLost(error) && !isSilence(error)) throw error;
      mustReconnect = isLost(error);
      sawLeave = true;
      leftMs -= POLL_MS;
      continue;
    }
    if (found.mode === 'bootloader') {
      sawLeave = true;
      if (++recoveries >= RESETS) {
        throw new DrydockError('target.in-bootloader', {
          detail: 'it answers as MCUboot serial recovery after every reset',
        });
      }
      yield* reset(client);
      yield* client.sleep(QUIET_MS);
      leftMs -= QUIET_MS;
      continue;
    }
    if (!stillWaiting(found)) return { survey: found, sawLeave };
    yield* client.sleep(POLL_MS);
    leftMs -= POLL_MS;
    if (++stillThere % POLLS_BEFORE_NEXT_RESET === 0) {
      if (resets >= RESETS) return { survey: found, sawLeave };
      resets++;
      yield* reset(client);
    }
  }
  throw new LinkError('link.not-found', { link: client.link.identity.value, withinMs });
}

/**
 * Confirms what runs, and reads back that it is confirmed.
 * @returns what the list says afterwards; undefined when the unit went away meanwhile.
 * @throws DrydockError `target.not-confirmed` when it refuses.
 */
export function* confirmRunning(client: SmpClient, hash: string, image: number): Step<Survey['images']> {
  let refused: SmpRefusedError | undefined;
  try {
    yield* client.ask({ kind: 'set-state', hash: fromHex(hash), confirm: true }, SET_STATE);
  } catch (error) {
    if (isLost(error) || isSilence(error)) return undefined;
    if (!(error instanceof SmpRefusedError)) throw error;
    refused = error;
  }
  let images;
  try {
    images = (yield* readList(client))?.images;
  } catch (error) {
    if (isLost(error) || isSilence(error)) return undefined;
    throw error;
  }
  const active = activeImage(images, image);
  if (active?.hash === hash && !active.confirmed) {
    const detail = refused?.message ?? 'the list does not show it as confirmed';
    throw new DrydockError('target.not-confirmed', { detail }, { cause: refused });
  }
  return images;
}
