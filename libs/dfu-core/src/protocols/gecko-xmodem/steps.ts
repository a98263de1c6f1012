/**
 * The steps of an update through the menu: into the bootloader, the upload, and back.
 *
 * Source: gecko_sdk 4.4.1, btl_comm_xmodem_common.c; NabuCasa/universal-silabs-flasher, gecko_bootloader.py.
 */
import { DrydockError } from '../../errors.js';
import { XmodemByte } from '../../framing/xmodem.js';
import type { Identification } from '../../session/protocol.js';
import type { Session } from '../../session/session.js';
import { enterFromApplication } from '../bgapi-dfu/entry.js';
import { findApplication } from '../bgapi-dfu/identify.js';
import type { Payload } from '../silabs/payload.js';
import { isLinkTrouble, StartOverError } from '../silabs/talk.js';
import type { Hooks, Steps } from '../silabs/update-way.js';
import { findMenu } from './codec.js';
import { noMenu } from './errors.js';
import { fit } from './fit.js';
import { identify, silentApplication, type Way } from './identify.js';
import { Choice, FAILED_TO_BOOT, type Menu } from './messages.js';
import { Transfer } from './transfer.js';

const FIND_MS = 30_000;
const PAUSE_MS = 300;
const ASK_MS = 1_000;
const MENU_TRIES = 4;
/** From "run" to the menu that comes back when there is nothing to run. */
const RUN_MS = 3_000;

export class XmodemSteps implements Steps {
  readonly fit = fit;
  #entered = false;
  #fileErrors = 0;
  /** The end was told and not answered: what runs decides. */
  #mayBeDone = false;

  constructor(private readonly way: Way) {}

  *identify(after: boolean): Session<Identification> {
    const { way } = this;
    if (!after || way.application) return yield* identify(way);
    // Nobody can be asked: a bootloader that is still there would have printed its menu.
    yield* way.toBootloader();
    yield* way.terminal.drain();
    const menu = yield* way.terminal.until(findMenu, ASK_MS);
    return menu ? yield* identify(way) : silentApplication(way);
  }

  *deliver(payload: Payload, _isLast: boolean, hooks: Hooks): Session<void> {
    const { way } = this;
    if (!way.talk.isOpen) yield* way.talk.reconnect({}, FIND_MS);
    if (this.#mayBeDone && way.application && (yield* findApplication(way.application, 1))) return;
    this.#mayBeDone = false;
    yield* this.#enter(hooks);
    const transfer = new Transfer(way.terminal, hooks, this.#fileErrors++ === 0);
    try {
      yield* transfer.run(payload);
    } catch (error) {
      this.#mayBeDone = isLinkTrouble(error) && !(error instanceof StartOverError);
      throw error;
    }
  }

  /** @throws StartOverError when no menu is there. */
  *#enter(hooks: Hooks): Session<Menu> {
    const { way } = this;
    const { talk } = way;
    yield* hooks.touch();
    const mayLeave = talk.mayLeave;
    talk.mayLeave = false;
    let menu: Menu | undefined;
    try {
      if (way.application && hooks.before.mode === 'application' && !this.#entered) {
        this.#entered = true;
        yield* this.#leaveApplication();
      }
      this.#entered = true;
      yield* way.toBootloader();
      menu = yield* this.#menu();
      // A restart may have brought the application back.
      if (!menu && way.application && (yield* findApplication(way.application, 1))) {
        yield* this.#leaveApplication();
        yield* way.toBootloader();
        menu = yield* this.#menu();
      }
    } finally {
      talk.mayLeave = mayLeave;
    }
    talk.leaveIfAsked();
    if (!menu) throw new StartOverError('link.timeout', { withinMs: FIND_MS, detail: noMenu(way.baud) });
    return menu;
  }

  /** A transfer that somebody began and left is cancelled first: the bootloader would say NAK for ever. */
  *#menu(): Session<Menu | undefined> {
    const { terminal } = this.way;
    const menu = yield* terminal.menu(2);
    if (menu) return menu;
    yield* terminal.write(XmodemByte.Can);
    yield* terminal.write(XmodemByte.Etx);
    return yield* terminal.menu(MENU_TRIES);
  }

  /** Its application goes, by BGAPI; no event follows, since the bootloader speaks another language. */
  *#leaveApplication(): Session<void> {
    const { application } = this.way;
    if (!application) return;
    try {
      yield* enterFromApplication(application, 'silent');
    } catch (error) {
      if (!(error instanceof DrydockError) || error.code !== 'target.refused') throw error;
      // Whether it went is seen by the menu.
    }
  }

  *awaitReturn(hooks: Hooks): Session<void> {
    const { way } = this;
    const { terminal, application } = way;
    yield* terminal.drain();
    yield* terminal.write(Choice.Run);
    const isBack = (text: string): true | undefined => (text.includes(FAILED_TO_BOOT) ? true : undefined);
    // At its own speed an application may say anything, or nothing.
    const failed = yield* this.#quietly(terminal.until(isBack, RUN_MS));
    if (failed) {
      throw new DrydockError('target.in-bootloader', {
        detail: 'the bootloader says that it cannot start the application',
      });
    }
    if (!application) return;
    const { returnWithinMs } = hooks.request;
    yield* application.speakTo('application');
    for (let waitedMs = 0; waitedMs < returnWithinMs; waitedMs += ASK_MS) {
      if (yield* application.ask(application.dialect.hello, ASK_MS)) return;
      if (waitedMs % (10 * ASK_MS) !== 0) continue;
      yield* way.toBootloader();
      if (yield* terminal.menu(1)) return; // the sight of it decides
      yield* application.speakTo('application');
    }
    throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs });
  }

  *#quietly<T>(step: Session<T | undefined>): Session<T | undefined> {
    try {
      return yield* step;
    } catch (error) {
      if (error instanceof DrydockError && error.code === 'link.corrupt') return undefined;
      throw error;
    }
  }

  *findAgain(stalls: number): Session<void> {
    const { talk } = this.way;
    if (talk.isOpen) yield* talk.sleep(PAUSE_MS * stalls);
    else yield* talk.reconnect({ afterMs: PAUSE_MS * (stalls - 1) }, FIND_MS);
  }

  *backToApplication(): Session<boolean> {
    const { way } = this;
    if (!way.talk.isOpen) yield* way.talk.reconnect({}, FIND_MS);
    yield* way.toBootloader();
    if (!(yield* this.#menu())) return way.application ? !(yield* findApplication(way.application, 1)) : true;
    yield* way.terminal.write(Choice.Run);
    return (yield* way.terminal.until((text) => (text.includes(FAILED_TO_BOOT) ? true : undefined), RUN_MS)) === true;
  }

  staysBehind(): boolean {
    return this.#entered; // a menu waits for ever
  }

  restore(): Session<void> {
    return this.way.talk.restoreLine();
  }
}
