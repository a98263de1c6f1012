/**
 * A unit with Nordic's legacy bootloader: which personality runs, its flash, and how an accepted image comes to its place.
 *
 * Source: nRF5 SDK 11 `bootloader.c`, `dfu_dual_bank.c` and `dfu_single_bank.c` (activation), `dfu_app_handler.c` (jump).
 */
import { createHash } from 'node:crypto';
import { crc16CcittFalse } from '../checksums.js';
import { readDemoMarker } from '../demo-firmware.js';
import { FlashMemory, NRF52_FLASH } from '../flash-memory.js';
import { PoweredUnit } from '../powered-unit.js';
import { LegacyBootloader, type LegacyBootloaderHost, type LegacyUpload } from './bootloader.js';
import type { LegacyDfuOptions } from './options.js';
import { legacyRules, type LegacyRules } from './profile.js';

const PAGE = 4096;
const SOFTDEVICE_BYTES = 0x1c000;
const BOOTLOADER_BYTES = 0x6000;
/** How long directed advertising lasts: 50 rounds of 1.28 s. */
const DIRECTED_MS = 64_000;

/** What the unit tells the radio side. */
export interface LegacyRadioSide {
  respond(bytes: Uint8Array): void;
  disconnect(how: 'graceful' | 'silent'): void;
}

interface Settings {
  /** The application in bank 0; undefined when it was erased or never there. */
  readonly bank0: { readonly sizeBytes: number; readonly crc16: number } | undefined;
  /** A copy under way: goes on after a power cut. */
  readonly pending: { readonly upload: LegacyUpload; readonly region: string } | undefined;
  readonly softDeviceSha256: string | undefined;
  readonly bootloaderSha256: string | undefined;
}

export class LegacyDfuUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly options: LegacyDfuOptions;
  readonly rules: LegacyRules;
  readonly #bankBytes: number;
  #settings: Settings;
  /** Retained register: the next boot stays in the bootloader. Lost with power. */
  #enterBootloader = false;
  /** What the application handed over with the jump. */
  #peer: NonNullable<LegacyDfuOptions['peerData']> = 'none';
  #wasTouched = false;
  #isMute = false;
  #isLeaving = false;
  #radio: LegacyRadioSide | undefined;
  #bootloader: LegacyBootloader | undefined;
  #stopInactivity: (() => void) | undefined;

  constructor(options: LegacyDfuOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    this.rules = legacyRules(options.sdk ?? '11', options.banks ?? 'dual');
    this.#bankBytes = Math.ceil((options.bankBytes ?? 128 * 1024) / PAGE) * PAGE;
    this.memory = new FlashMemory(
      options.scheduler,
      {
        bank0: this.#bankBytes,
        bank1: this.#bankBytes,
        softdevice: SOFTDEVICE_BYTES,
        bootloader: BOOTLOADER_BYTES,
      },
      { ...NRF52_FLASH, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    const { application } = options;
    if (application) {
      if (application.length > this.#bankBytes) throw new RangeError('the application does not fit its bank');
      this.memory.preset('bank0', 0, application);
    }
    this.#settings = {
      bank0: application ? { sizeBytes: application.length, crc16: crc16CcittFalse(application) } : undefined,
      pending: undefined,
      softDeviceSha256: undefined,
      bootloaderSha256: undefined,
    };
    this.boot();
  }

  /** The bootloader while it runs; undefined while the application (or nothing) runs. */
  get bootloader(): LegacyBootloader | undefined {
    return this.#bootloader;
  }

  get peer(): NonNullable<LegacyDfuOptions['peerData']> {
    return this.#peer;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  /** On its way out of the running firmware: no new connection is taken. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  connectRadio(radio: LegacyRadioSide): void {
    this.#radio = radio;
  }

  /** The image in bank 0 when its checksum holds. */
  runningImage(): Uint8Array | undefined {
    const { bank0 } = this.#settings;
    if (!bank0) return undefined;
    const image = this.memory.bytes('bank0').slice(0, bank0.sizeBytes);
    return crc16CcittFalse(image) === bank0.crc16 ? image : undefined;
  }

  runningImageSha256(): string | undefined {
    const image = this.runningImage();
    return image && createHash('sha256').update(image).digest('hex');
  }

  /** SHA-256 of what was last put there by an update; undefined before. */
  installedSha256(part: 'softdevice' | 'bootloader'): string | undefined {
    return part === 'softdevice' ? this.#settings.softDeviceSha256 : this.#settings.bootloaderSha256;
  }

  firmwareRevision(): string | undefined {
    const image = this.runningImage();
    if (!image) return undefined;
    return this.options.firmwareRevision ? this.options.firmwareRevision(image) : readDemoMarker(image)?.version;
  }

  /** The application's way into the bootloader: hands over its peer, and restarts there. */
  jumpToBootloader(): void {
    this.touch('enter bootloader');
    this.#enterBootloader = true;
    this.#peer = this.options.peerData ?? 'none';
    this.leave();
  }

  /** Ends the link as this unit does, and restarts. */
  leave(): void {
    this.#isLeaving = true;
    const drop = (): void => {
      this.#radio?.disconnect(this.options.jumpLink ?? 'silent');
      this.after(20, () => this.goDown(this.#rebootMs()));
    };
    if (this.options.dropsBeforeResponse) drop();
    else this.after(60, drop);
  }

  /** A new connection: the first change that follows is a first touch again. */
  linkOpened(): void {
    this.#wasTouched = false;
  }

  touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#enterBootloader = false;
    this.#isLeaving = false;
    this.#bootloader = undefined;
    this.#stopInactivity = undefined;
    this.#radio?.disconnect('silent');
  }

  protected override boot(): void {
    if (this.#settings.pending) return this.#copy(this.#settings.pending);
    if (this.#enterBootloader || !this.runningImage()) return this.#startBootloader();
    this.#wasTouched = false;
    this.setRunning();
    this.log('booted', `application ${this.firmwareRevision() ?? '?'}`);
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 300;
  }

  #startBootloader(): void {
    if (!this.#enterBootloader) this.#peer = 'none';
    this.#enterBootloader = false;
    this.#bootloader = new LegacyBootloader(this.#host());
    this.setRunning();
    this.log('booted', 'bootloader');
    this.#restartInactivity();
    if (this.#peer === 'directed') {
      const stop = this.after(DIRECTED_MS, () => this.goDown(this.#rebootMs()));
      this.#stopDirected = stop;
    }
  }

  #stopDirected: (() => void) | undefined;

  /** The peer came: directed advertising is over. */
  peerCame(): void {
    this.#stopDirected?.();
    this.#stopDirected = undefined;
  }

  #restartInactivity(): void {
    this.#stopInactivity?.();
    this.#stopInactivity = this.after(this.options.inactivityMs ?? this.rules.inactivityMs, () => {
      this.#radio?.disconnect('graceful');
      this.goDown(this.#rebootMs());
    });
  }

  /** Image into its place at the next boot, as the bootloader does it before anything else. */
  #copy(pending: NonNullable<Settings['pending']>): void {
    if (this.options.faults?.muteAfterActivation) this.#isMute = true;
    const { upload, region } = pending;
    const source = this.memory.bytes(region);
    const hash = (from: number, length: number): string =>
      createHash('sha256')
        .update(source.slice(from, from + length))
        .digest('hex');
    const finish = (change: Partial<Settings>): void =>
      this.memory.commit(this.memory.timing.eraseMsPerPage, () => {
        this.#settings = { ...this.#settings, ...change, pending: undefined };
        this.boot();
      });
    if (this.options.faults?.keepOldImage) return finish({});
    const { softdevice, bootloader, application } = upload;
    if (application > 0) {
      const image = source.slice(0, application);
      const bank0 = { sizeBytes: application, crc16: crc16CcittFalse(image) };
      if (region === 'bank0') return finish({ bank0 });
      this.memory.erase('bank0', 0, application);
      this.memory.write('bank0', 0, image, () => finish({ bank0 }));
      return;
    }
    const installed = {
      ...(softdevice > 0 && { softDeviceSha256: hash(0, softdevice) }),
      ...(bootloader > 0 && { bootloaderSha256: hash(softdevice, bootloader) }),
    };
    if (bootloader > 0) {
      this.memory.erase('bootloader', 0, bootloader);
      this.memory.write('bootloader', 0, source.slice(softdevice, softdevice + bootloader));
    }
    if (softdevice > 0) {
      this.memory.erase('softdevice', 0, softdevice);
      this.memory.write('softdevice', 0, source.slice(0, softdevice));
    }
    this.memory.whenIdle(() => finish(installed));
  }

  #host(): LegacyBootloaderHost {
    const { options, rules } = this;
    return {
      memory: this.memory,
      faults: this.faults,
      rules,
      hardware: options,
      packetBuffers: options.packetBuffers ?? 8,
      limits: { bank: this.#bankBytes, bootloader: BOOTLOADER_BYTES },
      prepare: (upload, done) => {
        // A SoftDevice needs the room of the application, whatever the banks.
        const overwrites = options.banks === 'single' || upload.softdevice > 0;
        const region = overwrites ? 'bank0' : 'bank1';
        if (overwrites) this.#settings = { ...this.#settings, bank0: undefined };
        this.memory.erase(region, 0, this.#bankBytes, done);
        return region;
      },
      respond: (bytes) => this.#radio?.respond(bytes),
      log: (what, detail) => (what === 'touched' ? this.touch(detail ?? '') : this.log(what, detail)),
      restartInactivityTimer: () => this.#restartInactivity(),
      activate: (upload, region) => {
        this.log('activated', `${upload.softdevice + upload.bootloader + upload.application} bytes`);
        this.#settings = { ...this.#settings, pending: { upload, region } };
        this.leave();
      },
      reset: () => this.leave(),
      trap: () => this.goDown(this.#rebootMs()),
      tookImageBytes: (count) => {
        const fault = this.faults.imageBytes(count);
        if (fault === 'disconnect') this.#radio?.disconnect('silent');
        if (fault === 'reboot') this.goDown(this.#rebootMs());
        if (fault === 'power-cut') this.powerCut(1000);
      },
    };
  }
}
