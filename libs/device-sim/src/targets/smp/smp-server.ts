/**
 * SMP messages in, SMP messages out: header rules, versions, queue of requests, OS group.
 *
 * Source: zephyr `doc/services/device_mgmt/smp_protocol.rst`, `subsys/mgmt/mcumgr/smp/src/smp.c`,
 * `grp/os_mgmt/src/os_mgmt.c`.
 */
import { decodeCborMap, encodeCborMap, type CborMap } from './cbor.js';
import { bodyOf, GlobalRc, ok, OS_QUERY_NO_ANSWER, OS_RTC_NOT_SET, osError, rc, type Reply } from './reply.js';

const HEADER_BYTES = 8;

export interface ServerHost {
  readonly personality: 'application' | 'recovery' | 'loader';
  readonly cbor: 'indefinite' | 'definite';
  readonly legacyRc: boolean;
  readonly verboseErrors: boolean;
  readonly versionOneOnly: boolean;
  readonly bufSize: number;
  readonly bufCount: number;
  readonly hasParams: boolean;
  readonly hasBootloaderInfo: boolean;
  readonly hasOsInfo: boolean;
  readonly mode: number;
  readonly noDowngrade: boolean;
  readonly nodeName: string;
  readonly model: string;
  readonly processMs: number;
  readonly hasImageGroup: boolean;
  /** Undefined: there is no settings group. */
  readonly settings: { set(name: string, value: Uint8Array): void; save(): void } | undefined;
  /** The unit's clock; undefined until somebody sets it. */
  readonly datetime: { get(): string | undefined; set(text: string): void };
  after(delayMs: number, fn: () => void): void;
  image(command: number, isWrite: boolean, request: Map<string, unknown>, done: (reply: Reply) => void): void;
  /** The reset follows the answer after a while. */
  reset(bootMode: number): void;
  refusal(request: string): number | undefined;
}

export class SmpServer {
  readonly #host: ServerHost;
  readonly #send: (message: Uint8Array) => void;
  readonly #queue: Uint8Array[] = [];
  #isBusy = false;

  constructor(host: ServerHost, send: (message: Uint8Array) => void) {
    this.#host = host;
    this.#send = send;
  }

  /** A complete message from the transport. Without a free buffer it is lost, as on the device. */
  receive(message: Uint8Array): void {
    const waiting = this.#queue.length + (this.#isBusy ? 1 : 0);
    if (waiting >= Math.max(1, this.#host.bufCount - 1)) return;
    this.#queue.push(message);
    if (!this.#isBusy) this.#next();
  }

  #next(): void {
    const message = this.#queue.shift();
    if (!message) return;
    this.#isBusy = true;
    this.#host.after(this.#host.processMs, () => {
      this.#handle(message, () => {
        this.#isBusy = false;
        this.#next();
      });
    });
  }

  #handle(message: Uint8Array, done: () => void): void {
    // Less than a header: nothing to answer to.
    if (message.length < HEADER_BYTES) return done();
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const op = view.getUint8(0) & 0x07;
    const askedVersion = (view.getUint8(0) >>> 3) & 0x03;
    const length = view.getUint16(2);
    const answer = (reply: Reply): void => {
      const version = this.#host.versionOneOnly ? 0 : Math.min(1, askedVersion);
      this.#answer(message, op, version, reply);
      done();
    };
    // A response, or an operation that does not exist: a server without client part stays silent.
    if (op !== 0 && op !== 2) return done();
    if (askedVersion > 1) return answer(rc(GlobalRc.tooNew));
    if (message.length - HEADER_BYTES < length) return answer(rc(GlobalRc.corrupt));
    const payload = message.subarray(HEADER_BYTES, HEADER_BYTES + length);
    const request = payload.length === 0 ? new Map<string, unknown>() : decodeCborMap(payload);
    if (!request) return answer(rc(GlobalRc.invalid));
    const host = this.#host;
    const group = view.getUint16(4);
    const command = view.getUint8(7);
    const isWrite = op === 2;
    if (group === 1 && !host.hasImageGroup && host.personality === 'application')
      return answer(rc(GlobalRc.notSupported));
    if (group === 1) return this.#host.image(command, isWrite, request, answer);
    if (group === 0) return this.#os(command, isWrite, request, answer);
    if (group === 3 && isWrite && host.settings) return answer(this.#setting(host.settings, command, request));
    answer(rc(GlobalRc.notSupported));
  }

  #os(command: number, isWrite: boolean, request: Map<string, unknown>, answer: (reply: Reply) => void): void {
    const host = this.#host;
    const isRecovery = host.personality === 'recovery';
    if (command === 0 && !isRecovery) {
      const text = request.get('d');
      return answer(typeof text === 'string' ? ok({ r: text }) : rc(GlobalRc.invalid));
    }
    if (command === 1 && isRecovery && isWrite) return answer(ok());
    if (command === 4 && !isRecovery) return answer(this.#datetime(isWrite, request));
    if (command === 5 && isWrite) {
      const bootMode = request.get('boot_mode');
      const refusal = host.refusal('reset');
      // Only a boolean counts, and only against "busy".
      const isForced = request.get('force') === true && refusal === GlobalRc.busy;
      if (refusal !== undefined && !isForced) return answer(rc(refusal));
      host.reset(typeof bootMode === 'number' ? bootMode : 0);
      return answer(ok());
    }
    if (command === 6 && !isWrite && host.hasParams) {
      return answer(ok({ buf_size: host.bufSize, buf_count: isRecovery ? 1 : host.bufCount }));
    }
    if (command === 7 && !isWrite && host.hasOsInfo && !isRecovery) return answer(this.#osInfo(request));
    if (command === 8 && !isWrite && host.hasBootloaderInfo && !isRecovery) return answer(this.#bootloader(request));
    answer(rc(GlobalRc.notSupported));
  }

  #datetime(isWrite: boolean, request: Map<string, unknown>): Reply {
    const text = request.get('datetime');
    const { datetime } = this.#host;
    const now = datetime.get();
    if (!isWrite) return now === undefined ? osError(OS_RTC_NOT_SET) : ok({ datetime: now });
    if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text)) return rc(GlobalRc.invalid);
    datetime.set(text);
    return ok();
  }

  /** Zephyr: a value is a byte string, a name a text. */
  #setting(settings: NonNullable<ServerHost['settings']>, command: number, request: Map<string, unknown>): Reply {
    const name = request.get('name');
    const value = request.get('val');
    if (command === 3) settings.save();
    else if (command !== 0) return rc(GlobalRc.notSupported);
    else if (typeof name !== 'string' || !(value instanceof Uint8Array)) return rc(GlobalRc.invalid);
    else settings.set(name, value);
    return ok();
  }

  #osInfo(request: Map<string, unknown>): Reply {
    const format = request.get('format') ?? 's';
    if (typeof format !== 'string') return rc(GlobalRc.invalid);
    const words: Readonly<Record<string, string>> = {
      s: 'Zephyr',
      n: this.#host.nodeName,
      r: '4.4.0',
      v: 'v4.4.0',
      b: 'Thu Jan 1 00:00:00 1970',
      m: 'arm',
      p: 'cortex-m4',
      i: this.#host.model,
      o: 'Zephyr',
    };
    const letters = format.includes('a') ? 'snrvbmpio' : format;
    const parts = [...letters].map((letter) => words[letter]);
    // An unknown letter is an invalid format (OS group error 2).
    if (parts.some((part) => part === undefined)) return osError(2);
    return ok({ output: parts.join(' ') });
  }

  #bootloader(request: Map<string, unknown>): Reply {
    const query = request.get('query');
    if (query === undefined) return ok({ bootloader: 'MCUboot' });
    if (query !== 'mode') return osError(OS_QUERY_NO_ANSWER);
    return ok({ mode: this.#host.mode, ...(this.#host.noDowngrade ? { 'no-downgrade': true } : {}) });
  }

  #answer(request: Uint8Array, op: number, version: number, reply: Reply): void {
    const isRecovery = this.#host.personality === 'recovery';
    // Serial recovery speaks the old error form in every version, and always says rc.
    const style = {
      version: isRecovery ? 0 : version,
      legacyRc: this.#host.legacyRc || (isRecovery && (request[0] ?? 0) % 8 === 2),
      verbose: this.#host.verboseErrors,
    };
    const body: CborMap = bodyOf(reply, style);
    const payload = encodeCborMap(body, this.#host.cbor);
    const message = new Uint8Array(HEADER_BYTES + payload.length);
    message.set(request.subarray(0, HEADER_BYTES));
    const view = new DataView(message.buffer);
    view.setUint8(0, (version << 3) | (op + 1));
    view.setUint8(1, 0);
    view.setUint16(2, payload.length);
    message.set(payload, HEADER_BYTES);
    this.#send(message);
  }
}
