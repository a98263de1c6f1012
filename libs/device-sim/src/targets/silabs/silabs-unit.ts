/**
 * A unit with a Gecko Bootloader (or one of its forerunners): who runs after a reset, and what an upload does.
 * The wires (UART, radio) stand beside it and are told.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/core/btl_main.c, btl_bootload.c; Blue Gecko SDK 2.x example, main.c.
 */
import { readDemoMarker } from '../demo-firmware.js';
import { PoweredUnit } from '../powered-unit.js';
import { EblReader } from './ebl-reader.js';
import { GblReader, type GblSink } from './gbl-reader.js';
import { EFR32_FLASH, ImageStore } from './image-store.js';
import { RawReader } from './raw-reader.js';
import type { BgapiGeneration, SilabsOptions } from './options.js';

const BOOTLOADER_VERSIONS: Readonly<Record<BgapiGeneration, number>> = {
  ble11x: 1,
  bt12x: 0x01000000,
  'blue-gecko-2': 0x00010005,
  'gecko-1': 0x01000000,
  'gecko-2': 0x02040001,
  sisdk: 0x02050000,
};

export type Personality = 'application' | 'bootloader';

export interface UnitSide {
  /** The firmware stops: what is half received is forgotten, links die. */
  stopped(): void;
  started(): void;
}

/** What takes the bytes of an upload. */
export interface ImageReader {
  push(bytes: Uint8Array): number | undefined;
  readonly isVerified: boolean;
  readonly isDone: boolean;
  readonly isStarted: boolean;
  readonly error: number | undefined;
}

export class SilabsUnit extends PoweredUnit {
  readonly options: SilabsOptions;
  readonly store: ImageStore;
  #personality: Personality = 'application';
  #reader: ImageReader | undefined;
  #side: UnitSide | undefined;
  /** Retained register: the next boot stays in the bootloader. Lost with power. */
  #stay = false;
  #wasTouched = false;
  #isMute = false;
  #applicationVersion: number;
  #incomingVersion = 0;
  #bootloaderVersion: number;
  #incomingBootloader: number | undefined;
  #wasActivated = false;
  #toInstall: Uint8Array | undefined;
  #hadPrograms = false;

  constructor(options: SilabsOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    this.#applicationVersion = options.applicationVersion ?? 1;
    this.#bootloaderVersion = options.bootloaderVersion ?? BOOTLOADER_VERSIONS[this.generation];
    const sizeBytes = options.applicationBytes ?? 512 * 1024;
    this.store = new ImageStore({
      scheduler: options.scheduler,
      address: options.applicationAddress ?? (this.generation === 'ble11x' ? 0x1000 : 0x4000),
      sizeBytes,
      slotBytes: options.slotBytes ?? sizeBytes,
      timing: { ...EFR32_FLASH, ...options.flash },
      slow: options.faults?.slowFlash ?? 1,
      application: options.application,
      log: (what, detail) => this.log(what, detail),
    });
    this.boot();
  }

  get memory(): ImageStore['memory'] {
    return this.store.memory;
  }

  get generation(): BgapiGeneration {
    return this.options.generation ?? 'gecko-2';
  }

  get personality(): Personality {
    return this.#personality;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  get bootloaderVersion(): number {
    return this.#bootloaderVersion;
  }

  /** Application properties version; 0 without an application. */
  get applicationVersion(): number {
    return this.store.isBootable ? this.#applicationVersion : 0;
  }

  /** Version that the running application states. */
  get revision(): string | undefined {
    const image = this.store.image();
    return image && readDemoMarker(image)?.version;
  }

  get reader(): ImageReader | undefined {
    return this.#reader;
  }

  connectSide(side: UnitSide): void {
    this.#side = side;
    if (this.isRunning) side.started();
  }

  /** A link was opened: the first change that follows is a first touch again. */
  linkOpened(): void {
    this.#wasTouched = false;
  }

  touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  /** Resets, once what is being flashed is there; `stay`: into the bootloader. */
  reset(stay: boolean): void {
    this.memory.whenIdle(() => {
      this.#stay = stay;
      this.goDown(this.rebootMs);
    });
  }

  get rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 200;
  }

  /** A new upload begins: what was left of the last one is forgotten. */
  beginUpload(): ImageReader {
    this.store.begin();
    this.#incomingBootloader = undefined;
    this.#hadPrograms = false;
    const sink: GblSink = {
      program: (address, bytes, erase) => {
        this.#hadPrograms = true;
        return this.store.program(address, bytes, erase);
      },
      applicationInfo: (version) => (this.#incomingVersion = version),
      bootloader: (version) => (this.#incomingBootloader = version),
      secureElement: () => undefined,
      installed: {
        application: this.applicationVersion,
        bootloader: this.#bootloaderVersion,
        secureElement: 0,
      },
    };
    const { generation } = this;
    const isRaw = this.options.access === 'bgapi' && (generation === 'ble11x' || generation === 'bt12x');
    this.#reader = isRaw
      ? new RawReader(sink, this.options.applicationAddress ?? (generation === 'ble11x' ? 0x1000 : 0x4000))
      : this.options.access === 'bgapi' && generation === 'blue-gecko-2'
        ? new EblReader(sink)
        : new GblReader(sink, this.options);
    return this.#reader;
  }

  /** Image bytes arrived. @returns the parser's error, if this call met one. */
  takeBytes(bytes: Uint8Array): number | undefined {
    const reader = this.#reader ?? this.beginUpload();
    if (bytes.length > 0) this.touch('upload');
    const wasDone = reader.isDone;
    const error = reader.push(bytes);
    if (reader.isVerified && !wasDone) this.#accepted();
    return error;
  }

  /** Counts image bytes for the fault plan. @returns a disconnection that the wire has to carry out. */
  countBytes(count: number): 'disconnect' | undefined {
    const fault = this.faults.imageBytes(count);
    if (fault === 'reboot') this.goDown(this.rebootMs);
    if (fault === 'power-cut') this.powerCut(1000);
    return fault === 'disconnect' ? fault : undefined;
  }

  /** Checks a raw image at the end of its upload, where no parser could. */
  finishUpload(): boolean {
    const reader = this.#reader;
    if (reader instanceof RawReader) {
      reader.finish();
      this.#accepted();
    }
    return reader?.isVerified ?? false;
  }

  /** The image carried a bootloader newer than ours: it is installed by a reset of its own. */
  get mustInstallBootloader(): boolean {
    return this.#incomingBootloader !== undefined && this.#incomingBootloader > this.#bootloaderVersion;
  }

  installBootloader(): void {
    this.#bootloaderVersion = this.#incomingBootloader ?? this.#bootloaderVersion;
    this.#incomingBootloader = undefined;
    // Alone, it was staged over the application, which has to be uploaded again.
    if (this.#hadPrograms) return;
    this.memory.bytes('application').fill(0xff, 0, 28);
    this.store.lengthBytes = 0;
  }

  /** Whether the bootloader would take the file: nothing is flashed. */
  checkFile(file: Uint8Array): boolean {
    const reader = new GblReader(
      {
        program: () => true,
        applicationInfo: () => undefined,
        bootloader: () => undefined,
        secureElement: () => undefined,
        installed: { application: this.applicationVersion, bootloader: this.#bootloaderVersion, secureElement: 0 },
      },
      this.options,
    );
    reader.push(file);
    return reader.isVerified;
  }

  /** A verified file in the slot comes to its place in the bootloader; a power cut meanwhile begins it anew. */
  installAtNextBoot(file: Uint8Array): void {
    this.#toInstall = file;
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#stay = false;
    this.#reader = undefined;
    this.store.interrupted();
    this.#side?.stopped();
  }

  protected override boot(): void {
    const file = this.#toInstall;
    if (!file) return this.#bootFlash();
    this.beginUpload();
    this.takeBytes(file);
    this.memory.whenIdle(() => {
      this.#toInstall = undefined;
      this.#reader = undefined;
      this.#bootFlash();
    });
  }

  #bootFlash(): void {
    const stays = this.#stay || !this.store.isBootable;
    this.#stay = false;
    this.#personality = stays ? 'bootloader' : 'application';
    if (this.#wasActivated && this.options.faults?.muteAfterActivation) this.#isMute = true;
    this.setRunning();
    this.log('booted', stays ? 'bootloader' : (this.revision ?? 'application'));
    if (!this.#isMute) this.#side?.started();
  }

  #accepted(): void {
    if (this.options.faults?.keepOldImage) return this.#restoreOldImage();
    this.store.release();
    this.#applicationVersion = this.#incomingVersion === 0 ? this.#applicationVersion : this.#incomingVersion;
    this.#wasActivated = true;
    this.log('activated', this.revision ?? 'image');
  }

  /** A fault: a unit that says yes and has the old application all the same. */
  #restoreOldImage(): void {
    const { application } = this.options;
    if (!application) return;
    this.memory.whenIdle(() => {
      this.memory.bytes('application').fill(0xff);
      this.memory.preset('application', 0, application);
      this.store.lengthBytes = application.length;
      this.log('reverted');
    });
  }
}
