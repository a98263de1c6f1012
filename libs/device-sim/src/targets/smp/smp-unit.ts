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
import { ImageSlots, PRIMARY, SECONDARY, type SlotName, type SwapType } from './image-slots.js';
import { imageIsValid, versionText } from './mcuboot-image.js';
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

export class SmpUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly slots: ImageSlots;
  readonly options: SmpOptions;
  readonly #key: KeyObject | undefined;
  #server: SmpServer | undefined;
  #personality: 'application' | 'recovery' = 'application';
  #transport: TransportSide | undefined;
  #wasTouched = false;
  #lastMessageAtMs = 0;
  #isMute = false;
  /** Retained: the next boot stays in serial recovery. Lost with power. */
  #bootMode = 0;
  #forceRevert = false;
  #wasSwapped = false;

  constructor(options: SmpOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    const { publicKey } = options;
    this.#key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey;
    const slotBytes = options.slotBytes ?? 256 * 1024;
    this.memory = new FlashMemory(
      options.scheduler,
      { [PRIMARY]: slotBytes, [SECONDARY]: slotBytes },
      { ...NRF52_FLASH, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    this.slots = new ImageSlots(this.memory);
    const { image } = options;
    if (image) {
      if (image.length > this.slots.maxImageBytes) throw new RangeError('the image does not fit the slot');
      this.memory.preset(PRIMARY, 0, image);
    }
    this.boot();
  }

  get personality(): 'application' | 'recovery' {
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
    const image = this.slots.image(PRIMARY);
    if (!image || !imageIsValid(image, undefined)) return undefined;
    const bytes = this.memory.bytes(PRIMARY).subarray(0, image.totalBytes);
    return createHash('sha256').update(bytes).digest('hex');
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#bootMode = 0;
    this.#server = undefined;
    this.#transport?.stopped();
  }

  protected override boot(): void {
    if (this.#forceRevert) {
      this.#forceRevert = false;
      return this.#swapThenBoot('revert');
    }
    const wanted = this.slots.swapType();
    if (wanted === 'none') return this.#bootPrimary();
    if (wanted === 'revert') return this.#swapThenBoot('revert');
    const refused = this.slots.refusalOfSecondary(this.#key, this.options.noDowngrade ?? false);
    if (refused !== undefined || this.options.faults?.keepOldImage) {
      if (refused === undefined) this.slots.clearSecondaryTrailer();
      else this.slots.wipeSecondary();
      return this.#bootPrimary();
    }
    this.#swapThenBoot(wanted);
  }

  #swapMs(): number {
    if (this.options.swapMs !== undefined) return this.options.swapMs;
    const bytes = [PRIMARY, SECONDARY] as const;
    return bytes.reduce((sum, slot) => {
      const used = this.slots.usedBytes(slot);
      return sum + this.memory.eraseMs(used) + this.memory.writeMs(used);
    }, 0);
  }

  /** A power cut before the end leaves the trailers as they were, so the next boot does it again. */
  #swapThenBoot(type: SwapType): void {
    this.after(this.#swapMs(), () => {
      if (this.options.mode === 2) this.slots.overwrite();
      else this.slots.swap(type !== 'test');
      if (type === 'revert') this.log('reverted', this.#runningVersion());
      else this.#wasSwapped = true;
      this.#bootPrimary();
    });
  }

  #runningVersion(): string {
    const image = this.slots.image(PRIMARY);
    return image ? versionText(image.version) : 'nothing';
  }

  #bootPrimary(): void {
    const isValid = this.slots.primaryIsValid(this.#key);
    const hasRecovery = this.options.recovery ?? true;
    const stays = (this.#bootMode === BOOT_MODE_RECOVERY || !isValid) && hasRecovery;
    this.#bootMode = 0;
    this.#personality = stays ? 'recovery' : 'application';
    if (this.#wasSwapped && this.options.faults?.muteAfterActivation) this.#isMute = true;
    if (!isValid && !stays) {
      // No image and no recovery: nothing will ever answer.
      this.log('booted', 'nothing');
      return;
    }
    this.#wasTouched = false;
    this.#server = this.#makeServer();
    this.setRunning();
    this.log('booted', stays ? 'recovery' : this.#runningVersion());
    if (!this.#isMute) this.#transport?.started();
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
    this.#bootMode = bootMode;
    this.#touch('reset');
    this.after(this.options.resetDelayMs ?? 250, () => this.goDown(this.#rebootMs()));
  }

  #makeServer(): SmpServer {
    const { options } = this;
    const touch = (detail: string): void => this.#touch(detail);
    const tookImageBytes = (count: number): void => this.#tookImageBytes(count);
    const shared = { memory: this.memory, slots: this.slots, faults: this.faults, touch, tookImageBytes };
    const isValid = (slot: SlotName): boolean => {
      const image = this.slots.image(slot);
      return image !== undefined && imageIsValid(image, this.#key);
    };
    const images =
      this.#personality === 'recovery'
        ? new RecoveryGroup({ ...shared, writeAlignment: 4, isValid, log: (what, detail) => this.log(what, detail) })
        : new ImageGroup({
            ...shared,
            frugalList: options.frugalList ?? false,
            imageCheck: options.imageCheck ?? false,
            log: (what, detail) => this.log(what, detail),
            confirmedRunning: () => {
              if (!options.faults?.revertAfterConfirm) return;
              this.#forceRevert = true;
              this.after(REVERT_AFTER_CONFIRM_MS, () => this.goDown(this.#rebootMs()));
            },
          });
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
        mode: options.mode ?? 3,
        noDowngrade: options.noDowngrade ?? false,
        nodeName: options.deviceId ?? 'SIM-0001',
        model: options.model ?? 'demo-board',
        processMs: options.processMs ?? 1,
        after: (delayMs, fn) => void this.after(delayMs, fn),
        image: (command, isWrite, request, done) => images.handle(command, isWrite, request, done),
        reset: (bootMode) => this.#reset(bootMode),
        refusal: (request) => this.faults.refusal(request),
      },
      (message) => {
        const silentMs = this.faults.silentForMs;
        if (silentMs > 0) this.after(silentMs, () => this.#transport?.send(message));
        else this.#transport?.send(message);
      },
    );
  }
}
