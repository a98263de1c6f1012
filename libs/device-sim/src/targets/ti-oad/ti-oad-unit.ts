/**
 * A unit with TI OAD: which program runs, its flash, and how a downloaded image comes to run.
 *
 * Source: TI BLE5-Stack User's Guide, "Boot Image Manager"; TI low-power F3 SDK, `sw_update.c`; mcuboot `loader.c`.
 */
import { createHash, createPublicKey } from 'node:crypto';
import { readDemoMarker } from '../demo-firmware.js';
import { FlashMemory, type FlashTiming } from '../flash-memory.js';
import { PoweredUnit } from '../powered-unit.js';
import { compareVersions, imageIsValid, readImage } from '../smp/mcuboot-image.js';
import { ClassicService } from './classic-service.js';
import { EnhancedService } from './enhanced-service.js';
import type { OadHost, OadService } from './host.js';
import { CC23_SLOT_BYTES, McubootService } from './mcuboot-service.js';
import type { TiOadOptions } from './options.js';
import { crcMatches, isSignedBy } from './ti-image.js';

const APPLICATION = 'application';
const DOWNLOAD = 'download';
const AREA_BYTES = 0x56000;
/** No published figures: times of the order of the data sheets. */
const FLASH: FlashTiming = { pageBytes: 4096, eraseMsPerPage: 40, writeUsPerWord: 8 };
const PAGE_BYTES_F3 = 2048;
const FLUSH_MS = 40;

export interface RadioSide {
  mtu(): number;
  isSubscribed(characteristic: string): boolean;
  notify(characteristic: string, bytes: Uint8Array): void;
  disconnect(how: 'graceful' | 'silent'): void;
}

/** What stands in flash as the unit's own bookkeeping knows it. */
interface Stored {
  readonly lengthBytes: number;
  readonly sha256: string;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class TiOadUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly options: TiOadOptions;
  #installed: Stored | undefined;
  #pending: Stored | undefined;
  #service: OadService | undefined;
  #isPersistent = false;
  /** Boot variable: the persistent application is wanted. Survives resets. */
  #wantsPersistent = false;
  #isMute = false;
  #isLeaving = false;
  #wasTouched = false;
  #radio: RadioSide | undefined;

  constructor(options: TiOadOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    const areaBytes = options.variant.startsWith('e2') ? (options.slotBytes ?? CC23_SLOT_BYTES) : AREA_BYTES;
    const timing = options.variant.startsWith('e2') ? { ...FLASH, pageBytes: PAGE_BYTES_F3 } : FLASH;
    this.memory = new FlashMemory(
      options.scheduler,
      { [APPLICATION]: areaBytes, [DOWNLOAD]: areaBytes },
      { ...timing, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    const { image } = options;
    if (image) {
      if (image.length > areaBytes) throw new RangeError(`the image does not fit ${areaBytes} bytes`);
      this.memory.preset(APPLICATION, 0, image);
      this.#installed = { lengthBytes: image.length, sha256: sha256(image) };
    }
    this.boot();
  }

  get isOnChip(): boolean {
    return this.options.variant === 'e1-on-chip' || this.options.variant === 'e2-on-chip';
  }

  get isPersistent(): boolean {
    return this.#isPersistent;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get service(): OadService | undefined {
    return this.#service;
  }

  connectRadio(radio: RadioSide): void {
    this.#radio = radio;
  }

  /** The whole installed file; undefined when flash does not hold it any more. */
  installed(): Uint8Array | undefined {
    if (!this.#installed) return undefined;
    const bytes = this.memory.bytes(APPLICATION).slice(0, this.#installed.lengthBytes);
    return sha256(bytes) === this.#installed.sha256 ? bytes : undefined;
  }

  runningImageSha256(): string | undefined {
    const installed = this.#isPersistent ? undefined : this.installed();
    return installed && sha256(installed);
  }

  firmwareRevision(): string | undefined {
    const installed = this.installed();
    if (!installed || this.#isPersistent) return undefined;
    return this.options.firmwareRevision
      ? this.options.firmwareRevision(installed)
      : readDemoMarker(installed)?.version;
  }

  linkOpened(): void {
    this.#wasTouched = false;
    this.#service?.linkOpened();
  }

  linkLost(): void {
    this.#service?.linkLost();
  }

  touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  /** A write to the reset service. */
  resetRequest(bytes: Uint8Array): void {
    const isF3 = this.options.variant === 'e2-on-chip';
    if (isF3 && (bytes[0] !== 1 || this.#isPersistent)) return;
    this.touch(`reset service ${bytes[0] ?? 0}`);
    this.#wantsPersistent = bytes[0] === 1;
    if (isF3) {
      this.log('erased', 'header of the primary image');
      this.memory.bytes(APPLICATION).fill(0, 0, 32);
      this.#installed = undefined;
    }
    this.#leave(isF3 ? 'graceful' : 'silent');
  }

  protected override onDown(): void {
    this.#isLeaving = false;
    this.#service = undefined;
    this.#radio?.disconnect('silent');
  }

  protected override boot(): void {
    if (this.#pending) return this.#activate(this.#pending);
    this.#start();
  }

  #start(): void {
    this.#isPersistent = this.isOnChip && (this.#wantsPersistent || this.installed() === undefined);
    this.#wasTouched = false;
    const host = this.#host();
    switch (this.options.variant) {
      case 'e1-off-chip':
        this.#service = new EnhancedService(host, false);
        break;
      case 'e2-off-chip':
        this.#service = new McubootService(host, false);
        break;
      case 'e1-on-chip':
        if (this.#isPersistent) this.#service = new EnhancedService(host, true);
        break;
      case 'e2-on-chip':
        if (this.#isPersistent) this.#service = new McubootService(host, true);
        break;
      default:
        this.#service = new ClassicService(host, this.options.variant === 'c2');
    }
    this.setRunning();
    this.log('booted', this.#isPersistent ? 'persistent application' : `application ${this.firmwareRevision() ?? '?'}`);
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 300;
  }

  #leave(how: 'graceful' | 'silent'): void {
    this.#isLeaving = true;
    this.after(FLUSH_MS, () => {
      this.#radio?.disconnect(how);
      this.after(FLUSH_MS, () => this.goDown(this.#rebootMs()));
    });
  }

  /** Boot manager: checks what was downloaded, copies it where it is not in its place, and starts what is valid. */
  #activate(pending: Stored): void {
    if (this.options.faults?.muteAfterActivation) this.#isMute = true;
    const region = this.#region();
    const image = this.memory.bytes(region).slice(0, pending.lengthBytes);
    const isKept = this.options.faults?.keepOldImage === true || !this.#isBootable(image);
    if (isKept) {
      this.#pending = undefined;
      this.#wantsPersistent = this.isOnChip;
      return this.#start();
    }
    const install = (): void => {
      this.#installed = { lengthBytes: pending.lengthBytes, sha256: sha256(image) };
      this.#pending = undefined;
      this.#wantsPersistent = false;
      this.#start();
    };
    if (region === APPLICATION) return install();
    // The copy begins anew after a power cut.
    this.memory.erase(APPLICATION, 0, pending.lengthBytes);
    this.memory.write(APPLICATION, 0, image, install);
  }

  #isBootable(image: Uint8Array): boolean {
    const { publicKeyPem, variant } = this.options;
    if (variant.startsWith('e1')) {
      return crcMatches(image) && (publicKeyPem === undefined || isSignedBy(image, publicKeyPem));
    }
    if (variant.startsWith('e2')) {
      const found = readImage(image);
      if (!found || !imageIsValid(found, publicKeyPem === undefined ? undefined : createPublicKey(publicKeyPem))) {
        return false;
      }
      const installed = this.installed();
      const old = installed && readImage(installed);
      const prevents = variant === 'e2-off-chip' && (this.options.downgradePrevention ?? true);
      return !(prevents && old && compareVersions(found.version, old.version) < 0);
    }
    return true;
  }

  /** Only on-chip images with a persistent application are written in their place; the two areas swap their names. */
  #region(): string {
    return this.isOnChip ? APPLICATION : DOWNLOAD;
  }

  #host(): OadHost {
    const region = this.#region();
    return {
      options: this.options,
      memory: this.memory,
      faults: this.faults,
      region,
      mtu: () => this.#radio?.mtu() ?? 23,
      after: (delayMs, fn) => this.after(delayMs, fn),
      isSubscribed: (characteristic) => this.#radio?.isSubscribed(characteristic) ?? false,
      notify: (characteristic, bytes) => this.#radio?.notify(characteristic, bytes),
      log: (what, detail) => (what === 'touched' ? this.touch(detail ?? '') : this.log(what, detail)),
      installed: () => this.installed(),
      loseApplication: () => {
        this.#installed = undefined;
      },
      activate: (lengthBytes, how) => {
        const image = this.memory.bytes(region).slice(0, lengthBytes);
        this.log('activated', `${lengthBytes} bytes`);
        this.#pending = { lengthBytes, sha256: sha256(image) };
        this.#leave(how);
      },
      dropLink: () => this.#radio?.disconnect('graceful'),
      startUserApplication: () => {
        if (this.installed() === undefined) return;
        this.#wantsPersistent = false;
        this.#leave('graceful');
      },
      tookImageBytes: (count) => {
        const fault = this.faults.imageBytes(count);
        if (fault === 'disconnect') this.#radio?.disconnect('silent');
        if (fault === 'reboot') this.goDown(this.#rebootMs());
        if (fault === 'power-cut') this.powerCut(1000);
      },
    };
  }
}
