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
import type { ImageSlots, SlotName } from './image-slots.js';
import { compareVersions, fixedAddress, headerVersion, versionText } from './mcuboot-image.js';
import { GlobalRc, imageError, ImageError, ok, rc, type Reply } from './reply.js';

export interface ImageGroupHost {
  readonly memory: FlashMemory;
  /** By image number. */
  readonly images: readonly ImageSlots[];
  readonly faults: FaultInjector;
  readonly frugalList: boolean;
  readonly imageCheck: boolean;
  /** False: the bootloader starts what it finds; "set state" has no handler. */
  readonly hasTrial: boolean;
  /** The `image` key chooses a slot: 0 the free one, n the slot n - 1. */
  readonly directUpload: boolean;
  /** State is set by hashes of other lengths than 32 too. */
  readonly longHashes: boolean;
  /** Each page is erased when it is reached, instead of all at the first chunk. */
  readonly progressiveErase: boolean;
  /** Where the slots of image 0 lie: an image for another address is refused. */
  readonly slotAddresses: readonly number[] | undefined;
  /** Counts upload requests, from 1: these are answered with "busy". */
  readonly busyAt: readonly number[];
  touch(detail: string): void;
  log(what: 'erased' | 'written' | 'activated' | 'confirmed', detail?: string): void;
  tookImageBytes(count: number): void;
  /** The image of that number is set for the next boot. */
  wasSet(image: number): void;
  confirmedRunning(): void;
}

interface Upload {
  readonly slots: ImageSlots;
  readonly slot: SlotName;
  readonly totalBytes: number;
  readonly sha: Uint8Array;
  off: number;
  erasedTo: number;
}

const HEADER_BYTES = 32;
const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const isUint = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;

type Done = (reply: Reply) => void;

export class ImageGroup {
  readonly #host: ImageGroupHost;
  #upload: Upload | undefined;
  #uploadRequests = 0;

  constructor(host: ImageGroupHost) {
    this.#host = host;
  }

  handle(command: number, isWrite: boolean, request: Map<string, unknown>, done: Done): void {
    if (command === 0 && !isWrite) return done(this.#list());
    if (command === 0 && this.#host.hasTrial) return this.#writeState(request, done);
    if (command === 1 && isWrite) return this.#chunk(request, done);
    if (command === 5 && isWrite) return this.#erase(request, done);
    if (command === 6 && !isWrite) return done(this.#slotInfo());
    done(rc(GlobalRc.notSupported));
  }

  #list(): Reply {
    const images: CborMap[] = [];
    const flag = (value: boolean): boolean | undefined => (value || !this.#host.frugalList ? value : undefined);
    for (const slots of this.#host.images) {
      for (const [index, slot] of slots.names.entries()) {
        const image = slots.image(slot);
        if (!image || (!slots.isReadable && slot === slots.active)) continue;
        const { bootable, pending, confirmed, active, permanent } = slots.flags(slot);
        images.push({
          ...(this.#host.images.length > 1 ? { image: slots.index } : {}),
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
    }
    return ok({ images, ...(this.#host.frugalList ? {} : { splitStatus: 0 }) });
  }

  #slotInfo(): Reply {
    const images = this.#host.images.map((slots) => ({
      image: slots.index,
      slots: slots.names.map((name, slot) => {
        const uploadImage = this.#host.directUpload ? 2 * slots.index + slot + 1 : slots.index;
        return { slot, size: slots.slotBytes, ...(name === slots.spare ? { upload_image_id: uploadImage } : {}) };
      }),
      max_image_size: slots.maxImageBytes,
    }));
    return ok({ images });
  }

  #writeState(request: Map<string, unknown>, done: Done): void {
    const refusal = this.#host.faults.refusal('state');
    if (refusal !== undefined) return done(imageError(refusal));
    const hash = request.get('hash');
    const confirm = request.get('confirm') ?? false;
    if (typeof confirm !== 'boolean' || (hash !== undefined && !(hash instanceof Uint8Array))) {
      return done(rc(GlobalRc.invalid));
    }
    let slots = this.#host.images[0];
    let slot = slots?.active;
    if (hash instanceof Uint8Array && hash.length > 0) {
      if (hash.length !== 32 && !this.#host.longHashes) return done(imageError(ImageError.invalidHash));
      const found = this.#host.images.flatMap((each) =>
        each.names
          .filter(
            (name) =>
              (each.isReadable || name !== each.active) && same(each.image(name)?.hash ?? new Uint8Array(), hash),
          )
          .map((name) => ({ each, name })),
      )[0];
      if (!found) return done(imageError(ImageError.hashNotFound));
      slots = found.each;
      slot = found.name;
    } else if (!confirm) return done(imageError(ImageError.invalidHash));
    if (!slots) return done(imageError(ImageError.hashNotFound));
    this.#setState(slots, slot === slots.active, confirm, done);
  }

  #setState(slots: ImageSlots, isActive: boolean, confirm: boolean, done: Done): void {
    const next = slots.swapType();
    const finish = (): void => done(this.#list());
    if (isActive) {
      if (!confirm) return done(imageError(ImageError.testToActiveDenied));
      if (next === 'test' || next === 'permanent') return done(imageError(ImageError.alreadyPending));
      if (next !== 'revert') return finish();
      this.#host.touch('confirm');
      return slots.confirmRunning(() => {
        this.#host.log('confirmed', versionText(slots.image(slots.active)?.version ?? NO_VERSION));
        if (slots.index === 0) this.#host.confirmedRunning();
        finish();
      });
    }
    if (next === 'test' && !confirm) return finish();
    if (next === 'permanent' && confirm) return finish();
    if (next !== 'none') return done(imageError(ImageError.alreadyPending));
    this.#host.touch(confirm ? 'confirm' : 'test');
    slots.setPending(confirm, () => {
      this.#host.wasSet(slots.index);
      this.#host.log('activated', confirm ? 'permanent' : 'test');
      finish();
    });
  }

  #erase(request: Map<string, unknown>, done: Done): void {
    const first = this.#host.images[0];
    const slotNumber = request.get('slot') ?? (first?.spare === first?.primary ? 0 : 1);
    if (!isUint(slotNumber)) return done(rc(GlobalRc.invalid));
    const slots = this.#host.images[Math.floor(slotNumber / 2)];
    // A slot number outside of the map fails when its flash area is opened.
    if (!slots) return done(imageError(ImageError.flashOpenFailed));
    const slot: SlotName = `slot${slotNumber}`;
    if (slot === slots.active || slots.isSpareKept) return done(imageError(ImageError.noFreeSlot));
    this.#upload = undefined;
    this.#host.touch('erase');
    this.#host.log('erased', slot);
    slots.erase(slot, slots.maxImageBytes, () => done(ok()));
  }

  #chunk(request: Map<string, unknown>, done: Done): void {
    const fail = (reply: Reply): void => {
      this.#upload = undefined;
      done(reply);
    };
    const refusal = this.#host.faults.refusal('upload');
    if (refusal !== undefined) return fail(imageError(refusal));
    this.#uploadRequests += 1;
    // An application hook that is asked before anything is looked at: the state of the upload stays.
    if (this.#host.busyAt.includes(this.#uploadRequests)) return done(rc(GlobalRc.busy));
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

  /** Where an upload goes; undefined: there is no such image or slot, or it is in use. */
  #targetOf(image: unknown): { readonly slots: ImageSlots; readonly slot: SlotName } | undefined {
    const { images, directUpload } = this.#host;
    const key = isUint(image) ? image : 0;
    // Builds for one image take any value.
    const index = directUpload && key > 0 ? Math.floor((key - 1) / 2) : images.length > 1 ? key : 0;
    const slots = images[index];
    if (!slots) return undefined;
    const slot: SlotName = directUpload && key > 0 ? `slot${key - 1}` : slots.spare;
    return slot === slots.active || slots.isSpareKept ? undefined : { slots, slot };
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
    const target = this.#targetOf(request.get('image'));
    if (!target) return fail(imageError(ImageError.noFreeSlot, 'no slot'));
    const { slots, slot } = target;
    if (len > slots.maxImageBytes) return fail(imageError(ImageError.tooLarge, 'img too large'));
    const address = this.#host.slotAddresses?.[slots.names.indexOf(slot)];
    const fixed = fixedAddress(data);
    if (address !== undefined && fixed !== undefined && fixed !== address) {
      return fail(imageError(ImageError.invalidFlashAddress, 'img addr mismatch'));
    }
    const running = slots.image(slots.active);
    if (request.get('upgrade') === true && running && compareVersions(version, running.version) <= 0) {
      return fail(imageError(ImageError.currentVersionIsNewer, 'downgrade'));
    }
    if (this.#host.imageCheck && sha.length === 32 && same(sha, this.#digest(slot, len))) {
      this.#upload = undefined;
      return done(ok({ off: len, match: true }));
    }
    if (data.length > len) return fail(imageError(ImageError.dataOverrun, 'data overrun'));
    const upload: Upload = { slots, slot, totalBytes: len, sha: sha.slice(), off: 0, erasedTo: 0 };
    this.#upload = upload;
    this.#host.touch('upload');
    this.#host.log('erased', slot);
    if (this.#host.progressiveErase) return slots.eraseTrailer(slot, () => this.#write(upload, data, fail, done));
    upload.erasedTo = slots.slotBytes;
    slots.erase(slot, len, () => this.#write(upload, data, fail, done));
  }

  #write(upload: Upload, data: Uint8Array, fail: Done, done: Done): void {
    if (upload.off + data.length > upload.totalBytes) {
      return fail(imageError(ImageError.dataOverrun, 'data overrun'));
    }
    this.#host.touch('upload');
    const { memory } = this.#host;
    const needed = upload.off + data.length;
    if (upload.erasedTo < needed) {
      const { pageBytes } = memory.timing;
      memory.erase(upload.slot, upload.erasedTo, needed - upload.erasedTo);
      upload.erasedTo = Math.ceil(needed / pageBytes) * pageBytes;
    }
    memory.write(upload.slot, upload.off, data, () => {
      upload.off += data.length;
      if (upload.off < upload.totalBytes) {
        done(ok({ off: upload.off }));
        return this.#host.tookImageBytes(data.length);
      }
      if (this.#upload === upload) this.#upload = undefined;
      this.#host.log('written', `${upload.totalBytes} bytes`);
      const isChecked = this.#host.imageCheck && upload.sha.length === 32;
      const match = isChecked ? { match: same(upload.sha, this.#digest(upload.slot, upload.totalBytes)) } : {};
      done(ok({ off: upload.totalBytes, ...match }));
      this.#host.tookImageBytes(data.length);
    });
  }

  #digest(slot: SlotName, length: number): Uint8Array {
    return createHash('sha256').update(this.#host.memory.bytes(slot).subarray(0, length)).digest();
  }
}

const NO_VERSION = { major: 0, minor: 0, revision: 0, build: 0 };
