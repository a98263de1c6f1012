/**
 * A unit with MCUboot and an SMP server: what boots, what is lost at reset, and how images change
 * places.
 *
 * Source: mcuboot `docs/design.md`, `boot/bootutil/src/loader.c`; zephyr `os_mgmt.c` (reset).
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { FlashMemory, NRF52_FLASH } from '../flash-memory.js';
import { PoweredUnit } from '../powered-unit.js';
import { ImageGroup } from './image-group.js';
import { ImageSlots, type SlotName, type SwapType } from './image-slots.js';
import { InPlaceSlots } from './in-place-slots.js';
import { LoaderSlots } from './loader-slots.js';
import { compareVersions, dependencies, imageIsValid, versionText } from './mcuboot-image.js';
import type { SmpOptions } from './options.js';
import { RecoveryGroup } from './recovery-group.js';
import { SmpServer } from './smp-server.js';

const BOOT_MODE_RECOVERY = 1;
const REVERT_AFTER_CONFIRM_MS = 2000;
/** A host that said nothing for so long counts as a new one: a UART does not show when its port is opened. */
const NEW_HOST_AFTER_MS = 5000;

/** What the unit tells its transport. */
export interface TransportSide {
  send(message: Uint8Array): void;
  /** The firmware stops: forget what is half received, drop the link if there is one. */
  stopped(): void;
  started(): void;
}

/** What the bootloader does to one image before anything runs. */
interface Move {
  readonly slots: ImageSlots;
  readonly type: SwapType;
}

const DIRECT_XIP = 4;
const DIRECT_XIP_REVERT = 5;
const RAM_LOAD = 6;
const OVERWRITE = 2;
const FIRMWARE_LOADER = 7;
const SWAP_OFFSET = 9;
/** Modes whose application has nowhere to put an image. */
const WITHOUT_IMAGE_GROUP: ReadonlySet<number> = new Set([0, FIRMWARE_LOADER, 8]);
/** The setting that names the loader. */
const LOADER_NAME = 'fw_loader/adv_name';

/** Who answers: the application, MCUboot itself, or its firmware loader. */
export type Personality = 'application' | 'recovery' | 'loader';

export class SmpUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  /** Of the application. */
  readonly slots: ImageSlots;
  /** By image number. */
  readonly images: readonly ImageSlots[];
  readonly options: SmpOptions;
  /** Boots since the factory. */
  boots = 0;
  readonly #key: KeyObject | undefined;
  #server: SmpServer | undefined;
  #personality: Personality = 'application';
  readonly #settings = new Map<string, Uint8Array>();
  /** What a reset leaves of them. */
  #savedSettings = new Map<string, Uint8Array>();
  #transport: TransportSide | undefined;
  #wasTouched = false;
  #lastMessageAtMs = 0;
  #isMute = false;
  /** Retained: the next boot stays in serial recovery. Lost with power. */
  #bootMode = 0;
  #forceRevert = false;
  #wasSwapped = false;
  /** Images set for the next boot, in the order of setting. */
  #order: number[] = [];
  #datetime: string | undefined;

  constructor(options: SmpOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    const { publicKey } = options;
    this.#key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey;
    const slotBytes = options.slotBytes ?? 256 * 1024;
    const second = options.networkCore ?? options.secondImage;
    const secondBytes = second?.slotBytes ?? slotBytes;
    this.memory = new FlashMemory(
      options.scheduler,
      { slot0: slotBytes, slot1: slotBytes, ...(second && { slot2: secondBytes, slot3: secondBytes }) },
      { ...NRF52_FLASH, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    const mode = options.mode ?? 3;
    const inPlace = mode === DIRECT_XIP || mode === DIRECT_XIP_REVERT || mode === RAM_LOAD;
    this.slots = inPlace
      ? new InPlaceSlots(this.memory, mode === DIRECT_XIP_REVERT)
      : mode === FIRMWARE_LOADER
        ? new LoaderSlots(this.memory)
        : new ImageSlots(this.memory, 0, true, mode === SWAP_OFFSET ? 1 : 0);
    this.images = second ? [this.slots, this.#secondSlots(inPlace)] : [this.slots];
    this.#install(this.slots, options.image);
    if (this.slots instanceof LoaderSlots && options.loader) {
      this.memory.preset(this.slots.secondary, 0, options.loader);
    }
    if (second && this.images[1]) this.#install(this.images[1], second.image);
    for (const slots of this.images) if (slots instanceof InPlaceSlots) slots.confirmFactoryImage();
    this.boot();
  }

  #secondSlots(inPlace: boolean): ImageSlots {
    const { mode, networkCore } = this.options;
    return inPlace && !networkCore
      ? new InPlaceSlots(this.memory, mode === DIRECT_XIP_REVERT, 1)
      : new ImageSlots(this.memory, 1, !networkCore);
  }

  #install(slots: ImageSlots, image: Uint8Array | undefined): void {
    if (!image) return;
    if (image.length > slots.maxImageBytes) throw new RangeError('the image does not fit the slot');
    this.memory.preset(slots.primary, 0, image);
  }

  get personality(): Personality {
    return this.#personality;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  get bufSize(): number {
    return this.options.bufSize ?? 384;
  }

  connectTransport(transport: TransportSide): void {
    this.#transport = transport;
    if (this.isRunning) transport.started();
  }

  /** A complete message arrived. */
  receive(message: Uint8Array): void {
    const now = this.scheduler.now();
    if (now - this.#lastMessageAtMs > NEW_HOST_AFTER_MS) this.#wasTouched = false;
    this.#lastMessageAtMs = now;
    if (this.isRunning && !this.#isMute) this.#server?.receive(message);
  }

  /** A link was opened: the first change that follows is a first touch again. */
  linkOpened(): void {
    this.#wasTouched = false;
  }

  runningImageSha256(): string | undefined {
    return this.imageSha256(this.slots);
  }

  /** Under which the loader advertises; undefined while it has not been named. */
  get loaderName(): string | undefined {
    const name = this.#savedSettings.get(LOADER_NAME);
    return name && new TextDecoder().decode(name);
  }

  /** SHA-256 of the image file that runs as this image; undefined without a valid one. */
  imageSha256(slots: ImageSlots): string | undefined {
    const image = slots.image(slots.active);
    if (!image || !imageIsValid(image, undefined)) return undefined;
    const bytes = this.memory.bytes(slots.active).subarray(0, image.totalBytes);
    return createHash('sha256').update(bytes).digest('hex');
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#bootMode = 0;
    this.#settings.clear();
    this.#server = undefined;
    this.#transport?.stopped();
  }

  protected override boot(): void {
    this.boots += 1;
    if (this.slots instanceof LoaderSlots) return this.#bootWithLoader(this.slots);
    if (this.#bootMode === BOOT_MODE_RECOVERY && (this.options.recovery ?? true)) return this.#bootActive();
    const moves = this.images.flatMap((slots) => this.#moveOf(slots) ?? []);
    this.#order = [];
    if (moves.length > 0) return this.#moveThenBoot(moves);
    for (const slots of this.images) {
      const { active } = slots;
      slots.chooseAtBoot(this.#key);
      if (slots.active !== active) this.#wasSwapped = true;
    }
    this.#bootActive();
  }

  #moveOf(slots: ImageSlots): Move | undefined {
    if (slots instanceof InPlaceSlots) return undefined;
    if (slots.index === 0 && this.#forceRevert) {
      this.#forceRevert = false;
      return { slots, type: 'revert' };
    }
    const type = slots.swapType();
    if (type === 'none') return undefined;
    if (type === 'revert') return { slots, type };
    const refused = slots.refusalOfSecondary(this.#key, this.options.noDowngrade ?? false);
    if (refused !== undefined) {
      slots.wipe(slots.secondary);
      return undefined;
    }
    if (slots.index === 0 && this.options.faults?.keepOldImage) {
      slots.clearSecondaryTrailer();
      return undefined;
    }
    // Known issue of the nRF Connect SDK (NCSDK-34106): the core that was set after the application is left out.
    const isLate = this.#order.includes(0) && this.#order.indexOf(slots.index) > this.#order.indexOf(0);
    if (!slots.isReadable && isLate && (this.options.networkCoreOrderBug ?? true)) return undefined;
    return this.#isSatisfied(slots) ? { slots, type } : undefined;
  }

  /** Whether the images that this one needs run, or are swapped in with it. */
  #isSatisfied(slots: ImageSlots): boolean {
    const candidate = slots.image(slots.secondary);
    if (!candidate) return true;
    return dependencies(candidate).every(({ image, minimum }) => {
      const other = this.images[image];
      if (!other) return false;
      const isComing = other !== slots && other.swapType() !== 'none' && other.swapType() !== 'revert';
      const version = other.image(isComing ? other.secondary : other.active)?.version;
      return version !== undefined && compareVersions(version, minimum) >= 0;
    });
  }

  #moveMs(moves: readonly Move[]): number {
    if (this.options.swapMs !== undefined) return this.options.swapMs;
    return moves.reduce((total, { slots }) => {
      const used = slots.names.reduce((sum, slot) => {
        const bytes = slots.usedBytes(slot);
        return sum + this.memory.eraseMs(bytes) + this.memory.writeMs(bytes);
      }, 0);
      return total + used;
    }, 0);
  }

  /** A power cut before the end leaves the trailers as they were, so the next boot does it again. */
  #moveThenBoot(moves: readonly Move[]): void {
    this.after(this.#moveMs(moves), () => {
      for (const { slots, type } of moves) {
        if (this.options.mode === OVERWRITE || !slots.isReadable) slots.overwrite();
        else slots.swap(type !== 'test');
        if (type === 'revert') this.log('reverted', this.#runningVersion());
        else this.#wasSwapped = true;
      }
      this.#bootActive();
    });
  }

  #runningVersion(): string {
    const image = this.slots.image(this.slots.active);
    return image ? versionText(image.version) : 'nothing';
  }

  /** The loader runs when it was asked for, and when there is no application. */
  #bootWithLoader(slots: LoaderSlots): void {
    slots.isLoader = false;
    slots.isLoader = this.#bootMode === BOOT_MODE_RECOVERY || !slots.activeIsValid(this.#key);
    this.#bootMode = 0;
    this.#bootActive();
  }

  #bootActive(): void {
    const isValid = this.slots.activeIsValid(this.#key);
    const hasRecovery = this.options.recovery ?? true;
    const stays = (this.#bootMode === BOOT_MODE_RECOVERY || !isValid) && hasRecovery;
    this.#bootMode = 0;
    this.#personality = stays ? 'recovery' : this.#isLoader() ? 'loader' : 'application';
    if (this.#personality === 'loader')
      this.#wasSwapped = true; // what starts next is another application
    else if (this.#wasSwapped && this.options.faults?.muteAfterActivation) this.#isMute = true;
    if (!isValid && !stays) {
      // No image and no recovery: nothing will ever answer.
      this.log('booted', 'nothing');
      return;
    }
    this.#wasTouched = false;
    this.#server = this.#makeServer();
    this.setRunning();
    this.log('booted', this.#personality === 'application' ? this.#runningVersion() : this.#personality);
    if (!this.#isMute) this.#transport?.started();
  }

  #isLoader(): boolean {
    return this.slots instanceof LoaderSlots && this.slots.isLoader;
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 500;
  }

  #touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  #tookImageBytes(count: number): void {
    const fault = this.faults.imageBytes(count);
    if (fault === 'reboot') this.goDown(this.#rebootMs());
    if (fault === 'power-cut') this.powerCut(1000);
    if (fault === 'disconnect') this.#transport?.stopped();
  }

  #reset(bootMode: number): void {
    this.#bootMode = (this.options.keepsBootMode ?? true) ? bootMode : 0;
    this.#touch('reset');
    this.after(this.options.resetDelayMs ?? 250, () => this.goDown(this.#rebootMs()));
  }

  #makeGroup(): ImageGroup | RecoveryGroup {
    const { options } = this;
    const mode = options.mode ?? 3;
    const shared = {
      memory: this.memory,
      faults: this.faults,
      touch: (detail: string): void => this.#touch(detail),
      tookImageBytes: (count: number): void => this.#tookImageBytes(count),
    };
    if (this.#personality === 'recovery') {
      const isValid = (slot: SlotName): boolean => {
        const image = this.slots.image(slot);
        return image !== undefined && imageIsValid(image, this.#key);
      };
      const log = (what: 'erased' | 'written', detail?: string): void => this.log(what, detail);
      return new RecoveryGroup({ ...shared, slots: this.slots, writeAlignment: 4, isValid, log });
    }
    return new ImageGroup({
      ...shared,
      images: this.images,
      frugalList: options.frugalList ?? false,
      imageCheck: options.imageCheck ?? false,
      hasTrial: mode !== DIRECT_XIP && mode !== RAM_LOAD && mode !== FIRMWARE_LOADER,
      directUpload: options.directUpload ?? false,
      longHashes: options.longHashes ?? false,
      progressiveErase: options.progressiveErase ?? false,
      slotAddresses: options.slotAddresses,
      busyAt: options.busyAt ?? [],
      log: (what, detail) => this.log(what, detail),
      wasSet: (image) => this.#order.push(image),
      confirmedRunning: () => {
        if (!options.faults?.revertAfterConfirm) return;
        this.#forceRevert = true;
        this.after(REVERT_AFTER_CONFIRM_MS, () => this.goDown(this.#rebootMs()));
      },
    });
  }

  #settingsStore(): { set(name: string, value: Uint8Array): void; save(): void } {
    return {
      set: (name, value) => void this.#settings.set(name, value),
      save: () => void (this.#savedSettings = new Map([...this.#savedSettings, ...this.#settings])),
    };
  }

  #makeServer(): SmpServer {
    const { options } = this;
    const images = this.#makeGroup();
    return new SmpServer(
      {
        personality: this.#personality,
        cbor: options.cbor ?? 'indefinite',
        legacyRc: options.legacyRc ?? false,
        verboseErrors: options.verboseErrors ?? false,
        versionOneOnly: options.versionOneOnly ?? false,
        bufSize: this.bufSize,
        bufCount: this.#personality === 'recovery' ? 1 : (options.bufCount ?? 4),
        hasParams: options.hasParams ?? true,
        hasBootloaderInfo: options.hasBootloaderInfo ?? true,
        hasOsInfo: options.hasOsInfo ?? true,
        hasImageGroup: options.hasImageGroup ?? !WITHOUT_IMAGE_GROUP.has(options.mode ?? 3),
        settings: (options.hasSettings ?? options.mode === FIRMWARE_LOADER) ? this.#settingsStore() : undefined,
        mode: options.mode ?? 3,
        noDowngrade: options.noDowngrade ?? false,
        nodeName: options.deviceId ?? 'SIM-0001',
        model: options.model ?? 'demo-board',
        processMs: options.processMs ?? 1,
        after: (delayMs, fn) => void this.after(delayMs, fn),
        image: (command, isWrite, request, done) => images.handle(command, isWrite, request, done),
        reset: (bootMode) => this.#reset(bootMode),
        refusal: (request) => this.faults.refusal(request),
        datetime: { get: () => this.#datetime, set: (text) => (this.#datetime = text) },
      },
      (message) => {
        const silentMs = this.faults.silentForMs;
        if (silentMs > 0) this.after(silentMs, () => this.#transport?.send(message));
        else this.#transport?.send(message);
      },
    );
  }
}
