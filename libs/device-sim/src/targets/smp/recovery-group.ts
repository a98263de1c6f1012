/**
 * The image group of MCUboot's serial recovery: it writes the primary slot, and knows less.
 *
 * Source: mcuboot `boot/boot_serial/src/boot_serial.c`, `docs/serial_recovery.md`.
 */
import type { FlashMemory } from '../flash-memory.js';
import type { FaultInjector } from '../fault-injector.js';
import type { CborMap } from './cbor.js';
import { PRIMARY, type ImageSlots, type SlotName } from './image-slots.js';
import { versionText } from './mcuboot-image.js';
import { GlobalRc, ok, rc, type Reply } from './reply.js';

export interface RecoveryHost {
  readonly memory: FlashMemory;
  readonly slots: ImageSlots;
  readonly faults: FaultInjector;
  /** Bytes that one flash write must be a multiple of. */
  readonly writeAlignment: number;
  isValid(slot: SlotName): boolean;
  touch(detail: string): void;
  log(what: 'erased' | 'written', detail?: string): void;
  tookImageBytes(count: number): void;
}

type Done = (reply: Reply) => void;

export class RecoveryGroup {
  readonly #host: RecoveryHost;
  #totalBytes = 0;
  #off = 0;

  constructor(host: RecoveryHost) {
    this.#host = host;
  }

  handle(command: number, isWrite: boolean, request: Map<string, unknown>, done: Done): void {
    if (command === 0 && !isWrite) return done(this.#list());
    if (command === 1 && isWrite) return this.#chunk(request, done);
    done(rc(GlobalRc.notSupported));
  }

  #list(): Reply {
    const images: CborMap[] = [];
    for (const [index, slot] of this.#host.slots.names.entries()) {
      const image = this.#host.slots.image(slot);
      if (!image || !this.#host.isValid(slot)) continue;
      images.push({ slot: index, hash: image.hash, version: versionText(image.version) });
    }
    return ok({ images });
  }

  #chunk(request: Map<string, unknown>, done: Done): void {
    const refusal = this.#host.faults.refusal('upload');
    if (refusal !== undefined) return done(rc(refusal));
    const off = request.get('off');
    const data = request.get('data');
    if (typeof off !== 'number' || !(data instanceof Uint8Array)) return done(rc(GlobalRc.invalid));
    if (off === 0) {
      const len = request.get('len');
      if (typeof len !== 'number' || len > this.#host.slots.maxImageBytes) return done(rc(GlobalRc.invalid));
      this.#totalBytes = len;
      this.#off = 0;
      this.#host.touch('recovery upload');
      this.#host.log('erased', PRIMARY);
      return this.#host.slots.erase(PRIMARY, this.#host.slots.maxImageBytes, () => this.#write(data, done));
    }
    if (off !== this.#off) return done(ok({ off: this.#off }));
    this.#write(data, done);
  }

  #write(data: Uint8Array, done: Done): void {
    if (this.#off + data.length > this.#totalBytes) return done(rc(GlobalRc.invalid));
    const isLast = this.#off + data.length === this.#totalBytes;
    const { writeAlignment } = this.#host;
    const taken = isLast ? data.length : Math.floor(data.length / writeAlignment) * writeAlignment;
    this.#host.touch('recovery upload');
    this.#host.memory.write(PRIMARY, this.#off, data.subarray(0, taken), () => {
      this.#off += taken;
      if (isLast) this.#host.log('written', `${this.#totalBytes} bytes`);
      done(ok({ off: this.#off }));
      this.#host.tookImageBytes(taken);
    });
  }
}
