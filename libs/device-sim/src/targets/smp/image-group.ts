/**
 * The image group of an application: list, test and confirm, upload, erase, slot info.
 *
 * Source: zephyr `subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`, `img_mgmt_state.c`; answers
 * compared with a recorded dialogue of Zephyr 4.4.0.
 */
import { createHash } from 'node:crypto';
import type { FaultInjector } from '../fault-injector.js';
import type { FlashMemory } from '../flash-memory.js';
import type { CborMap } from './cbor.js';
import { type ImageSlots, PRIMARY, SECONDARY, type SlotName } from './image-slots.js';
import { compareVersions, headerVersion, versionText } from './mcuboot-image.js';
import { GlobalRc, imageError, ImageError, ok, rc, type Reply } from './reply.js';

export interface ImageGroupHost {
  readonly memory: FlashMemory;
  readonly slots: ImageSlots;
  readonly faults: FaultInjector;
  readonly frugalList: boolean;
  readonly imageCheck: boolean;
  touch(detail: string): void;
  log(what: 'erased' | 'written' | 'activated' | 'confirmed', detail?: string): void;
  tookImageBytes(count: number): void;
  confirmedRunning(): void;
}

interface Upload {
  readonly totalBytes: number;
  readonly sha: Uint8Array;
  off: number;
}

const HEADER_BYTES = 32;
const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const isUint = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;

type Done = (reply: Reply) => void;

export class ImageGroup {
  readonly #host: ImageGroupHost;
  #upload: Upload | undefined;

  constructor(host: ImageGroupHost) {
    this.#host = host;
  }

  handle(command: number, isWrite: boolean, request: Map<string, unknown>, done: Done): void {
    if (command === 0) return isWrite ? this.#writeState(request, done) : done(this.#list());
    if (command === 1 && isWrite) return this.#chunk(request, done);
    if (command === 5 && isWrite) return this.#erase(request, done);
    if (command === 6 && !isWrite) return done(this.#slotInfo());
    done(rc(GlobalRc.notSupported));
  }

  #list(): Reply {
    const images: CborMap[] = [];
    for (const [index, slot] of ([PRIMARY, SECONDARY] as const).entries()) {
      const image = this.#host.slots.image(slot);
      if (!image) continue;
      const { bootable, pending, confirmed, active, permanent } = this.#host.slots.flags(slot);
      const flag = (value: boolean): boolean | undefined => (value || !this.#host.frugalList ? value : undefined);
      images.push({
        slot: index,
        version: versionText(image.version),
        hash: image.hash,
        bootable: flag(bootable),
        pending: flag(pending),
        confirmed: flag(confirmed),
        active: flag(active),
        permanent: flag(permanent),
      });
    }
    return ok({ images, ...(this.#host.frugalList ? {} : { splitStatus: 0 }) });
  }

  #slotInfo(): Reply {
    const size = this.#host.memory.bytes(PRIMARY).length;
    const slots = [
      { slot: 0, size },
      { slot: 1, size, upload_image_id: 0 },
    ];
    return ok({ images: [{ image: 0, slots, max_image_size: this.#host.slots.maxImageBytes }] });
  }

  #writeState(request: Map<string, unknown>, done: Done): void {
    const refusal = this.#host.faults.refusal('state');
    if (refusal !== undefined) return done(imageError(refusal));
    const hash = request.get('hash');
    const confirm = request.get('confirm') ?? false;
    if (typeof confirm !== 'boolean' || (hash !== undefined && !(hash instanceof Uint8Array))) {
      return done(rc(GlobalRc.invalid));
    }
    const next = this.#host.slots.swapType();
    let slot: SlotName = PRIMARY;
    if (hash instanceof Uint8Array && hash.length > 0) {
      if (hash.length !== 32) return done(imageError(ImageError.invalidHash));
      const found = ([PRIMARY, SECONDARY] as const).find((name) =>
        same(this.#host.slots.image(name)?.hash ?? new Uint8Array(), hash),
      );
      if (!found) return done(imageError(ImageError.hashNotFound));
      slot = found;
    } else if (!confirm) return done(imageError(ImageError.invalidHash));

    const finish = (): void => done(this.#list());
    if (slot === PRIMARY) {
      if (!confirm) return done(imageError(ImageError.testToActiveDenied));
      if (next === 'test' || next === 'permanent') return done(imageError(ImageError.alreadyPending));
      if (next !== 'revert') return finish();
      this.#host.touch('confirm');
      return this.#host.slots.confirmRunning(() => {
        this.#host.log('confirmed', versionText(this.#host.slots.image(PRIMARY)?.version ?? NO_VERSION));
        this.#host.confirmedRunning();
        finish();
      });
    }
    if (next === 'test' && !confirm) return finish();
    if (next === 'permanent' && confirm) return finish();
    if (next !== 'none') return done(imageError(ImageError.alreadyPending));
    this.#host.touch(confirm ? 'confirm' : 'test');
    this.#host.slots.setPending(confirm, () => {
      this.#host.log('activated', confirm ? 'permanent' : 'test');
      finish();
    });
  }

  #erase(request: Map<string, unknown>, done: Done): void {
    const slotNumber = request.get('slot') ?? 1;
    if (!isUint(slotNumber)) return done(rc(GlobalRc.invalid));
    // A slot number outside of the map fails when its flash area is opened.
    if (slotNumber > 1) return done(imageError(ImageError.flashOpenFailed));
    if (this.#isInUse(slotNumber === 0 ? PRIMARY : SECONDARY)) return done(imageError(ImageError.noFreeSlot));
    this.#upload = undefined;
    this.#host.touch('erase');
    this.#host.log('erased', SECONDARY);
    this.#host.slots.erase(SECONDARY, this.#host.slots.maxImageBytes, () => done(ok()));
  }

  #isInUse(slot: SlotName): boolean {
    return slot === PRIMARY || this.#host.slots.swapType() === 'revert';
  }

  #chunk(request: Map<string, unknown>, done: Done): void {
    const fail = (reply: Reply): void => {
      this.#upload = undefined;
      done(reply);
    };
    const refusal = this.#host.faults.refusal('upload');
    if (refusal !== undefined) return fail(imageError(refusal));
    const off = request.get('off');
    const data = request.get('data') ?? new Uint8Array();
    if (!(data instanceof Uint8Array)) return fail(rc(GlobalRc.invalid));
    if (off === undefined) return fail(imageError(ImageError.invalidOffset, 'header malformed'));
    if (!isUint(off)) return fail(rc(GlobalRc.invalid));
    if (off === 0) return this.#firstChunk(request, data, fail, done);
    const upload = this.#upload;
    if (!upload || off !== upload.off) return done(ok({ off: upload?.off ?? 0 }));
    this.#write(upload, data, fail, done);
  }

  #firstChunk(request: Map<string, unknown>, data: Uint8Array, fail: Done, done: Done): void {
    const len = request.get('len');
    const sha = request.get('sha') ?? new Uint8Array();
    if (data.length < HEADER_BYTES) return fail(imageError(ImageError.invalidHeader, 'header malformed'));
    if (len === undefined) return fail(imageError(ImageError.invalidLength, 'header malformed'));
    if (!isUint(len) || !(sha instanceof Uint8Array)) return fail(rc(GlobalRc.invalid));
    const version = headerVersion(data);
    if (!version) return fail(imageError(ImageError.invalidMagic, 'magic mismatch'));
    if (sha.length > 32) return fail(imageError(ImageError.invalidHash));
    if (this.#upload && sha.length > 0 && same(sha, this.#upload.sha)) return done(ok({ off: this.#upload.off }));
    if (this.#isInUse(SECONDARY)) return fail(imageError(ImageError.noFreeSlot, 'no slot'));
    if (len > this.#host.slots.maxImageBytes) return fail(imageError(ImageError.tooLarge, 'img too large'));
    const running = this.#host.slots.image(PRIMARY);
    if (request.get('upgrade') === true && running && compareVersions(version, running.version) <= 0) {
      return fail(imageError(ImageError.currentVersionIsNewer, 'downgrade'));
    }
    if (this.#host.imageCheck && sha.length === 32 && same(sha, this.#digest(len))) {
      this.#upload = undefined;
      return done(ok({ off: len, match: true }));
    }
    if (data.length > len) return fail(imageError(ImageError.dataOverrun, 'data overrun'));
    const upload: Upload = { totalBytes: len, sha: sha.slice(), off: 0 };
    this.#upload = upload;
    this.#host.touch('upload');
    this.#host.log('erased', SECONDARY);
    this.#host.slots.erase(SECONDARY, len, () => this.#write(upload, data, fail, done));
  }

  #write(upload: Upload, data: Uint8Array, fail: Done, done: Done): void {
    if (upload.off + data.length > upload.totalBytes) {
      return fail(imageError(ImageError.dataOverrun, 'data overrun'));
    }
    this.#host.touch('upload');
    this.#host.memory.write(SECONDARY, upload.off, data, () => {
      upload.off += data.length;
      if (upload.off < upload.totalBytes) {
        done(ok({ off: upload.off }));
        return this.#host.tookImageBytes(data.length);
      }
      if (this.#upload === upload) this.#upload = undefined;
      this.#host.log('written', `${upload.totalBytes} bytes`);
      const isChecked = this.#host.imageCheck && upload.sha.length === 32;
      const match = isChecked ? { match: same(upload.sha, this.#digest(upload.totalBytes)) } : {};
      done(ok({ off: upload.totalBytes, ...match }));
      this.#host.tookImageBytes(data.length);
    });
  }

  #digest(length: number): Uint8Array {
    return createHash('sha256').update(this.#host.memory.bytes(SECONDARY).subarray(0, length)).digest();
  }
}

const NO_VERSION = { major: 0, minor: 0, revision: 0, build: 0 };
