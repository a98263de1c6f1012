/**
 * The steps of a BGAPI UART DFU: into the bootloader, the upload, and back.
 *
 * One command is under way at a time, nothing has a number or a checksum: an answer that is lost leaves open whether the
 * bytes were taken, so the bootloader is started anew and the whole file sent again.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common_host/uart_dfu/uart_dfu.c, btl_comm_bgapi_common.c (sizes).
 */
import { DrydockError, LinkError } from '../../errors.js';
import { EBL_FORMAT } from '../../image/silabs/ebl.js';
import type { Identification } from '../../session/protocol.js';
import type { Session } from '../../session/session.js';
import type { Payload } from '../silabs/payload.js';
import { StartOverError } from '../silabs/talk.js';
import type { Hooks, Steps } from '../silabs/update-way.js';
import { spellBootloaderVersion } from '../silabs/versions.js';
import { decodeResult, encodeSetAddress, encodeUpload, spellVersion } from './codec.js';
import { enterFromApplication, type Loader, restartLoader, startApplication } from './entry.js';
import { refusalError, type Request } from './errors.js';
import { fit } from './fit.js';
import { findApplication, identify } from './identify.js';
import { type ApplicationVersion, type MessageName, Result } from './messages.js';
import { type BgapiPort, isNamed } from './port.js';

/** Erasing and writing happen before the answer. */
const ANSWER_MS = 5_000;
/** CRC and signature of the whole image. */
const FINISH_MS = 30_000;
const FIND_MS = 30_000;
const PAUSE_MS = 300;
const ASK_MS = 1_000;

/** Longest data of one upload, a multiple of 4 but for BLE11x. */
export function chunkBytes(generation: string, format: string, loaderVersion: number | undefined): number {
  if (generation === 'ble11x') return 64;
  if (generation === 'bt12x') return 128;
  if (format === EBL_FORMAT || loaderVersion === undefined) return 48;
  const major = loaderVersion >>> 24;
  return major >= 2 ? 252 : major === 1 ? 128 : 48;
}

/** BLE11x takes powers of two only. */
export function nextLength(left: number, chunk: number, powersOfTwo: boolean): number {
  const length = Math.min(left, chunk);
  return powersOfTwo ? 2 ** Math.floor(Math.log2(length)) : length;
}

export class BgapiSteps implements Steps {
  readonly fit = fit;
  #entered = false;
  #loader: Loader | undefined;
  #booted: ApplicationVersion | undefined;
  /** The answer to "finish" was lost: what is there decides. */
  #verdictUnknown = false;
  #checksumFailures = 0;

  constructor(private readonly port: BgapiPort) {}

  *identify(after: boolean): Session<Identification> {
    const found = yield* identify(this.port);
    if (!after || found.mode === 'bootloader' || found.running.length > 0 || !this.#booted) return found;
    return { ...found, running: [{ image: 0, version: spellVersion(this.#booted) }] };
  }

  *deliver(payload: Payload, _isLast: boolean, hooks: Hooks): Session<void> {
    const { talk } = hooks;
    if (!talk.isOpen) yield* talk.reconnect({}, FIND_MS);
    // After the word to finish was lost, an application that runs is the new one.
    if (this.#verdictUnknown && (yield* findApplication(this.port))) return;
    this.#verdictUnknown = false;
    const loader = yield* this.#enter(hooks);
    this.#loader = loader;
    this.#checkLoader(loader, hooks);
    yield* this.#command('set address', encodeSetAddress(this.port.dialect), this.port.dialect.setAddress);
    yield* hooks.erase();
    yield* hooks.advanced(0);
    yield* this.#upload(payload, loader, hooks);
    yield* hooks.finish();
    yield* this.#finish();
  }

  *#enter(hooks: Hooks): Session<Loader> {
    const { talk } = hooks;
    yield* hooks.touch();
    // Once asked, the unit goes; where it then is has to be seen before we go.
    const mayLeave = talk.mayLeave;
    talk.mayLeave = false;
    let loader: Loader | undefined;
    try {
      const inLoader = this.#entered || hooks.before.mode === 'bootloader';
      this.#entered = true;
      if (inLoader) loader = yield* restartLoader(this.port);
      loader ??= yield* enterFromApplication(this.port);
    } finally {
      talk.mayLeave = mayLeave;
    }
    talk.leaveIfAsked();
    return loader;
  }

  /** What only the bootloader itself could tell. */
  #checkLoader({ version }: Loader, { request }: Hooks): void {
    if (this.port.options.generation !== 'efr32' || version === undefined) return;
    if (request.artifact.format === EBL_FORMAT && version >>> 24 >= 1) {
      throw new DrydockError('artifact.wrong-model', {
        actual: 'the bootloader before Gecko Bootloader (.ebl)',
        expected: `Gecko Bootloader ${spellBootloaderVersion(version)} (.gbl)`,
      });
    }
  }

  *#upload(payload: Payload, loader: Loader, hooks: Hooks): Session<void> {
    const { port } = this;
    const { generation } = port.options;
    const usual = chunkBytes(generation, hooks.request.artifact.format, loader.version);
    const wanted = hooks.request.tuning?.maxWriteBytes ?? usual;
    const chunk = Math.max(4, Math.min(usual, wanted - (wanted % 4)));
    for (let at = 0; at < payload.sizeBytes;) {
      const length = nextLength(payload.sizeBytes - at, chunk, generation === 'ble11x');
      const data = yield* payload.read(port.talk, at, length);
      yield* this.#command('upload', encodeUpload(port.dialect, data), port.dialect.upload);
      at += length;
      yield* hooks.advanced(at);
    }
  }

  *#finish(): Session<void> {
    const { port } = this;
    const { finish } = port.dialect;
    this.#verdictUnknown = true;
    yield* port.send(finish);
    const answer = yield* this.#answer([finish], FINISH_MS);
    if (!answer) return; // an application that starts is the verdict
    this.#verdictUnknown = false;
    this.#check('upload finish', answer);
  }

  *#command(request: Request, packet: Uint8Array, name: MessageName): Session<void> {
    yield* this.port.sendBytes(packet);
    // A legacy bootloader whose buffer is full answers as if it had been told to finish.
    const answer = yield* this.#answer([name, this.port.dialect.finish], ANSWER_MS);
    if (!answer) throw new LinkError('link.timeout', { withinMs: ANSWER_MS, detail: `${request} was not answered` });
    this.#check(request, answer);
  }

  /** @throws StartOverError when the unit started anew meanwhile. */
  *#answer(names: readonly MessageName[], withinMs: number): Session<Uint8Array | undefined> {
    const { dfuBoot, dfuBootFailure, systemBoot } = this.port.dialect;
    const boots = [dfuBoot, systemBoot, ...(dfuBootFailure ? [dfuBootFailure] : [])];
    const packet = yield* this.port.next([...names, ...boots], withinMs);
    if (packet && boots.some((name) => isNamed(packet, name))) {
      throw new StartOverError('link.lost', { detail: 'the device restarted in the middle of the upload' });
    }
    return packet?.payload;
  }

  #check(request: Request, payload: Uint8Array): void {
    const result = decodeResult(payload);
    if (result === Result.Ok) return;
    throw refusalError(request, result, this.#checksumFailures++ === 0);
  }

  *awaitReturn(hooks: Hooks): Session<void> {
    const started = yield* startApplication(this.port, this.#loader?.version);
    this.#booted = started.version;
    if (started.side === 'application') return;
    if (started.side === 'bootloader') {
      if (!this.#verdictUnknown) return; // the sight of it decides
      throw new StartOverError('link.timeout', {
        withinMs: FINISH_MS,
        detail: 'the end of the upload was not answered',
      });
    }
    const { returnWithinMs } = hooks.request;
    yield* this.port.speakTo('application');
    for (let waitedMs = 0; waitedMs < returnWithinMs; waitedMs += ASK_MS) {
      if (yield* this.port.ask(this.port.dialect.hello, ASK_MS)) return;
    }
    throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs });
  }

  *findAgain(stalls: number): Session<void> {
    const { talk } = this.port;
    if (talk.isOpen) yield* talk.sleep(PAUSE_MS * stalls);
    else yield* talk.reconnect({ afterMs: PAUSE_MS * (stalls - 1) }, FIND_MS);
  }

  *backToApplication(): Session<boolean> {
    const { port } = this;
    if (!port.talk.isOpen) yield* port.talk.reconnect({}, FIND_MS);
    if (yield* findApplication(port, 1)) return false;
    const started = yield* startApplication(port, this.#loader?.version);
    return started.side !== 'application';
  }

  staysBehind(): boolean {
    return this.#entered; // a bootloader on a UART waits for ever
  }

  restore(): Session<void> {
    return this.port.talk.restoreLine();
  }
}
