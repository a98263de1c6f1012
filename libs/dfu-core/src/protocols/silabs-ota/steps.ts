/**
 * The steps of an OTA over BLE: from the application into the AppLoader, the upload, and back.
 *
 * Source: gecko_sdk 4.4.1, bt_host_ota_dfu/main.c, in_place_ota_dfu, app_ota_dfu; docs.silabs.com, "Uploading firmware
 * images using OTA DFU".
 */
import { DrydockError, LinkError } from '../../errors.js';
import type { Identification, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, ReconnectHint, Session } from '../../session/session.js';
import type { Payload } from '../silabs/payload.js';
import { isLinkTrouble, StartOverError, type Talk } from '../silabs/talk.js';
import type { Hooks, Steps } from '../silabs/update-way.js';
import { encodeControl } from './codec.js';
import { attErrorOf, refusalError } from './errors.js';
import { fit } from './fit.js';
import { faceOf, identify, identityOf } from './identify.js';
import { Control, OTA_CONTROL } from './messages.js';
import { type Pace, Upload, wasTooFast } from './upload.js';

const CONTROL_MS = 15_000;
/** The application closes the link after a second, or five connection intervals. */
const LEAVE_MS = 10_000;
const REBOOT_MS = 500;
const FIND_MS = 30_000;
const MAX_ENTRIES = 3;
/** The vendor's host looks for the application after about this time. */
const INSTALL_PAUSE_MS = 2_000;
const LOOK_AGAIN_MS = 4_000;
/** A slot is erased again before it takes another file. */
const SLOT_PAUSE_MS = 3_000;

export class OtaSteps implements Steps {
  readonly fit = fit;
  #pace: Pace;
  /** Of the application, so that its old version is not taken for the new one while it still verifies. */
  readonly #request: UpdateRequest;
  /** The last word may have reached the target. */
  #mayBeDone = false;

  constructor(
    private readonly talk: Talk,
    request: UpdateRequest,
  ) {
    this.#request = request;
    this.#pace = request.linkOptions?.['writes'] === 'acknowledged' ? 'acknowledged' : 'windowed';
  }

  identify(after: boolean): Session<Identification> {
    return identify(this.talk, after);
  }

  *deliver(payload: Payload, isLast: boolean, hooks: Hooks): Session<void> {
    if (!this.talk.isOpen) yield* this.#find({}, FIND_MS);
    if (this.#mayBeDone && (yield* this.#wasDone(hooks))) return;
    if (faceOf(this.talk.link) === 'in-place application') yield* this.#enter(hooks);
    const by = faceOf(this.talk.link) === 'loader' ? 'loader' : 'application';
    if (by === 'loader') yield* this.#checkLoader(hooks);
    const upload = new Upload(this.talk, by, this.#pace, hooks);
    try {
      yield* upload.run(payload);
    } catch (error) {
      if (wasTooFast(error)) this.#pace = 'acknowledged';
      this.#mayBeDone = isLast && upload.finishing && isLinkTrouble(error) && !(error instanceof StartOverError);
      throw error;
    }
    if (!isLast) {
      // The AppLoader restarts at the end of the link, finds no application, and waits for the next file.
      yield* this.#find({ afterMs: REBOOT_MS }, hooks.request.returnWithinMs);
    }
  }

  /** The link went while the end was being told: what is there now says whether it got through. */
  *#wasDone(hooks: Hooks): Session<boolean> {
    this.#mayBeDone = false;
    const face = faceOf(this.talk.link);
    if (face === 'loader') return false;
    return face !== 'ota application' || (yield* this.#looksNew(hooks));
  }

  /** Makes the application reboot into the AppLoader, normally under the same address. */
  *#enter(hooks: Hooks): Session<void> {
    const { talk } = this;
    yield* hooks.touch();
    // Once asked, the unit leaves whatever we want: an AppLoader that nobody meets would wait for ever.
    const mayLeave = talk.mayLeave;
    talk.mayLeave = false;
    try {
      yield* this.#enterLoader();
    } finally {
      talk.mayLeave = mayLeave;
    }
    talk.leaveIfAsked();
  }

  *#enterLoader(): Session<void> {
    const { talk } = this;
    for (let tries = 1; ; tries++) {
      try {
        yield* talk.send(OTA_CONTROL, encodeControl(Control.Start), true, CONTROL_MS);
        yield* talk.receive(OTA_CONTROL, LEAVE_MS); // nothing ever comes but the end of the link
      } catch (error) {
        const att = attErrorOf(error);
        if (att !== undefined) throw refusalError(att, 'enter', 'application', false);
        if (!(error instanceof LinkError && error.code === 'link.lost')) throw error;
      }
      yield* this.#find({ afterMs: REBOOT_MS }, FIND_MS);
      if (faceOf(talk.link) !== 'in-place application') return;
      if (tries === MAX_ENTRIES) {
        throw new DrydockError('target.refused', {
          request: 'reboot into the AppLoader',
          result: 'none',
          detail: `${tries} times asked, its application came back each time`,
        });
      }
    }
  }

  /** A gateway may see several AppLoaders: what answers must be this unit's, and must have a bootloader to work with. */
  *#checkLoader(hooks: Hooks): Session<void> {
    const loader = yield* identify(this.talk, false);
    const own = hooks.request.expectIdentity ?? hooks.before.identity;
    const allowed = [own.value, hooks.request.linkOptions?.['apploader']?.toLowerCase()];
    if (loader.identity.kind === own.kind && !allowed.includes(loader.identity.value)) {
      throw new DrydockError('target.wrong-identity', {
        expected: `${own.kind} ${own.value}`,
        actual: `${loader.identity.kind} ${loader.identity.value}`,
      });
    }
    const { allowDowngrade } = hooks.request;
    const fitting = fit(loader, hooks.request.artifact, { allowDowngrade });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
  }

  /**
   * The end of the link is what makes the target go on. An application first verifies the file, may advertise
   * meanwhile, and then reboots: it is looked at again until it runs something else or the time is over.
   */
  *awaitReturn(hooks: Hooks): Session<void> {
    const { talk } = this;
    const { returnWithinMs } = hooks.request;
    const wasLoader = faceOf(talk.link) === 'loader';
    const looks = Math.max(1, Math.ceil((returnWithinMs - INSTALL_PAUSE_MS) / LOOK_AGAIN_MS));
    for (let look = 1; ; look++) {
      try {
        const afterMs = look === 1 ? (wasLoader ? REBOOT_MS : INSTALL_PAUSE_MS) : LOOK_AGAIN_MS;
        yield* this.#find({ afterMs }, returnWithinMs);
      } catch (error) {
        if (!isLinkTrouble(error)) throw error;
        throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs }, { cause: error });
      }
      if (wasLoader || look >= looks) return;
      if (yield* this.#looksNew(hooks)) return;
    }
  }

  *#looksNew(hooks: Hooks): Session<boolean> {
    try {
      const seen = yield* identify(this.talk, true);
      const version = seen.running[0]?.version;
      return version !== undefined && version !== hooks.before.running[0]?.version;
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      return false; // it left while it was asked: it reboots
    }
  }

  *findAgain(stalls: number): Session<void> {
    yield* this.#find({ afterMs: SLOT_PAUSE_MS * Math.min(stalls, 3) }, FIND_MS + 3 * SLOT_PAUSE_MS);
  }

  *backToApplication(): Session<boolean> {
    const { talk } = this;
    const wasLoader = faceOf(talk.link) === 'loader';
    // An AppLoader resets at the end of the link; without a transfer its application starts again.
    yield* this.#find({ afterMs: wasLoader ? REBOOT_MS : 0 }, FIND_MS);
    return faceOf(talk.link) === 'loader';
  }

  staysBehind(erased: boolean): boolean {
    return erased; // an AppLoader whose flash was not touched starts the application at the end of the link
  }

  *restore(): Session<void> {
    // A radio link has no settings.
  }

  *#find(hint: ReconnectHint, withinMs: number): Session<LinkInfo> {
    const { expectIdentity, linkOptions } = this.#request;
    const own = identityOf(this.talk.link);
    const addresses = [
      ...(expectIdentity?.kind === 'ble-address' ? [expectIdentity.value] : []),
      ...(own.kind === 'ble-address' ? [own.value] : []),
      ...(linkOptions?.['apploader'] === undefined ? [] : [linkOptions['apploader'].toLowerCase()]),
    ];
    return yield* this.talk.reconnect({ ...hint, addresses: [...new Set(addresses)] }, withinMs);
  }
}
