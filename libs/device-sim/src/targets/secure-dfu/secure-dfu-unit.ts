/**
 * A unit with the nRF5 SDK's secure bootloader: which personality runs, its flash and settings, and
 * how an accepted image comes to its place.
 *
 * Source: nRF5 SDK 17 `nrf_bootloader.c`, `nrf_bootloader_fw_activation.c`, `nrf_dfu.c`,
 * `components/ble/ble_services/ble_dfu`.
 */
import { createHash, createPublicKey, KeyObject } from 'node:crypto';
import { crc32 } from '../checksums.js';
import { readDemoMarker } from '../demo-firmware.js';
import { FlashMemory, NRF52_FLASH } from '../flash-memory.js';
import { PoweredUnit } from '../powered-unit.js';
import { Bootloader, type BootloaderHost } from './bootloader.js';
import { LineBuffers } from './line-buffers.js';
import type { SecureDfuOptions } from './options.js';
import { sdkRules, type SdkRules } from './profile.js';
import type { DfuSettings } from './settings.js';
import { FirmwareType } from './validation.js';

const AREA = 'application-area';
const PAGE = 4096;
const align = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;
/** Time for another image after a SoftDevice or bootloader update (NRF_BL_DFU_CONTINUATION_TIMEOUT_MS). */
const CONTINUATION_MS = 10_000;
const DISCONNECT_GRACE_MS = 200;
/** 2 * (64 + 1) + 1 and 2 * (1024 + 1) + 1: the longest frame, every byte of it escaped. */
const MTU = { uart: 131, usb: 2051 } as const;
const SERIAL_BUFFERS = 3;
/** Of a SoftDevice image: its info struct, which lies at 0x3000 in flash. */
const SOFTDEVICE_FWID_AT = 0x200c;
const SOFTDEVICE_VERSION_AT = 0x2014;

/** What the unit tells the side that carries its answers. */
export interface RadioSide {
  respond(bytes: Uint8Array): void;
  disconnect(how: 'graceful' | 'silent'): void;
}

function keyOf(key: NonNullable<SecureDfuOptions['publicKey']>): KeyObject {
  if (key instanceof KeyObject) return key;
  if (typeof key === 'string') return createPublicKey(key);
  const [x, y] = [key.subarray(0, 32), key.subarray(32, 64)].map((part) => Buffer.from(part).toString('base64url'));
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
}

export class SecureDfuUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly options: SecureDfuOptions;
  readonly rules: SdkRules;
  readonly #key: KeyObject | undefined;
  #settings: DfuSettings;
  /** Retained register: the next boot stays in the bootloader. Lost with power. */
  #enterBootloader = false;
  #copiedBytes = 0;
  #wasTouched = false;
  #isMute = false;
  #isLeaving = false;
  #radio: RadioSide | undefined;
  #bootloader: Bootloader | undefined;
  #stopInactivity: (() => void) | undefined;

  constructor(options: SecureDfuOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    this.rules = sdkRules(options.sdk ?? '17');
    this.#key = options.publicKey === undefined ? undefined : keyOf(options.publicKey);
    const areaBytes = align(options.applicationAreaBytes ?? 352 * 1024);
    this.memory = new FlashMemory(
      options.scheduler,
      { [AREA]: areaBytes, softdevice: 0x25000, bootloader: 0x6000 },
      { ...NRF52_FLASH, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    const { application } = options;
    if (application) {
      if (application.length > areaBytes) throw new RangeError(`the application does not fit ${areaBytes} bytes`);
      this.memory.preset(AREA, 0, application);
    }
    this.#settings = {
      bank0: application ? { sizeBytes: application.length, crc32: crc32(application) } : undefined,
      pending: undefined,
      applicationVersion: options.applicationVersion ?? 1,
      bootloaderVersion: options.bootloaderVersion ?? 1,
      softDeviceFwid: options.softDeviceFwid === null ? undefined : (options.softDeviceFwid ?? 0x0101),
      softDeviceVersion: options.softDeviceVersion ?? 7_002_000,
      peerData: false,
      init: new Uint8Array(),
      initIsValid: false,
      savedBytes: 0,
      savedCrc32: 0,
      advertisedName: undefined,
    };
    this.#enterBootloader = options.startsInBootloader ?? false;
    this.boot();
  }

  /** The bootloader while it runs; undefined while the application (or nothing) runs. */
  get bootloader(): Bootloader | undefined {
    return this.#bootloader;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  /** On its way out of the running firmware: no new connection is taken. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  leave(): void {
    this.#isLeaving = true;
  }

  get settings(): DfuSettings {
    return this.#settings;
  }

  connectRadio(radio: RadioSide): void {
    this.#radio = radio;
  }

  /** The image in bank 0 when its checksum holds. */
  runningImage(): Uint8Array | undefined {
    const { bank0 } = this.#settings;
    if (!bank0) return undefined;
    const image = this.memory.bytes(AREA).slice(0, bank0.sizeBytes);
    return crc32(image) === bank0.crc32 ? image : undefined;
  }

  runningImageSha256(): string | undefined {
    const image = this.runningImage();
    return image && createHash('sha256').update(image).digest('hex');
  }

  /** `application-area`, `bank0`, `bank1` (all after bank 0), `softdevice`, `bootloader`. */
  region(name: string): Uint8Array {
    const bank0Bytes = this.#settings.bank0?.sizeBytes ?? 0;
    if (name === 'bank0') return this.memory.bytes(AREA).slice(0, bank0Bytes);
    if (name === 'bank1') return this.memory.bytes(AREA).slice(align(bank0Bytes));
    return this.memory.bytes(name).slice();
  }

  firmwareRevision(): string | undefined {
    const image = this.runningImage();
    if (!image) return undefined;
    return this.options.firmwareRevision ? this.options.firmwareRevision(image) : readDemoMarker(image)?.version;
  }

  /** The application's way into the bootloader: reset with the flag set. */
  jumpToBootloader(withPeerData = false): void {
    this.touch('enter bootloader');
    if (withPeerData) this.#settings = { ...this.#settings, peerData: true };
    this.#enterBootloader = true;
    this.goDown(this.#rebootMs());
  }

  /** A new connection: the first change that follows is a first touch again. */
  linkOpened(): void {
    this.#wasTouched = false;
  }

  /** The first change of an update over this connection. */
  touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  store(change: Partial<DfuSettings>, done: () => void): void {
    const { eraseMsPerPage } = this.memory.timing;
    this.memory.commit(eraseMsPerPage + this.memory.writeMs(896), () => {
      this.#settings = { ...this.#settings, ...change };
      done();
    });
  }

  linkLost(): void {
    this.#bootloader?.linkLost();
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#enterBootloader = false;
    this.#isLeaving = false;
    this.#bootloader = undefined;
    this.#stopInactivity = undefined;
    this.#radio?.disconnect('silent');
  }

  protected override boot(): void {
    if (this.#settings.pending) return this.#activate();
    if (this.#enterBootloader || !this.runningImage()) return this.#startBootloader();
    this.#startApplication();
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 300;
  }

  #startApplication(): void {
    this.#wasTouched = false;
    if (this.#settings.peerData) this.#settings = { ...this.#settings, peerData: false };
    this.setRunning();
    this.log('booted', `application ${this.firmwareRevision() ?? '?'}`);
  }

  #startBootloader(leaveAfterMs?: number): void {
    this.#enterBootloader = false;
    this.#bootloader = new Bootloader(this.#host());
    this.setRunning();
    this.log('booted', 'bootloader');
    this.#restartInactivity(leaveAfterMs);
  }

  #restartInactivity(afterMs?: number): void {
    this.#stopInactivity?.();
    if (!this.rules.hasInactivityTimer && afterMs === undefined) return;
    this.#stopInactivity = this.after(afterMs ?? this.options.inactivityMs ?? 120_000, () =>
      this.goDown(this.#rebootMs()),
    );
  }

  #activate(): void {
    const { pending } = this.#settings;
    if (!pending) return;
    if (this.options.faults?.muteAfterActivation) this.#isMute = true;
    if (this.options.faults?.keepOldImage) {
      this.#settings = { ...this.#settings, pending: undefined };
      return this.boot();
    }
    const isApplication = pending.type === FirmwareType.application;
    const destination =
      pending.type === FirmwareType.softDevice || pending.type === FirmwareType.softDeviceBootloader
        ? 'softdevice'
        : 'bootloader';
    this.#copyPages(isApplication ? AREA : destination, () => {
      const change: Partial<DfuSettings> = isApplication
        ? { bank0: pending.bank, ...(pending.fwVersion === undefined ? {} : { applicationVersion: pending.fwVersion }) }
        : pending.type !== FirmwareType.softDevice && pending.fwVersion !== undefined
          ? { bootloaderVersion: pending.fwVersion }
          : {};
      const softDevice = destination === 'softdevice' && !isApplication ? this.#softDeviceThatRuns() : {};
      this.store({ ...change, ...softDevice, pending: undefined }, () => {
        this.#copiedBytes = 0;
        if (isApplication || !this.runningImage()) return this.boot();
        this.#startBootloader(CONTINUATION_MS);
      });
    });
  }

  /** What the new SoftDevice is; another major version leaves no application that could run on it. */
  #softDeviceThatRuns(): Partial<DfuSettings> {
    const bytes = this.memory.bytes('softdevice');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const softDeviceVersion = view.getUint32(SOFTDEVICE_VERSION_AT, true);
    const major = (version: number): number => Math.floor(version / 1_000_000);
    return {
      softDeviceFwid: view.getUint16(SOFTDEVICE_FWID_AT, true),
      softDeviceVersion,
      ...(major(softDeviceVersion) === major(this.#settings.softDeviceVersion) ? {} : { bank0: undefined }),
    };
  }

  /** Copies page by page; goes on after a power cut where it was. */
  #copyPages(to: string, done: () => void): void {
    const { pending } = this.#settings;
    if (!pending || this.#copiedBytes >= pending.bank.sizeBytes || (to === AREA && pending.fromBytes === 0)) {
      return this.memory.whenIdle(done);
    }
    const at = this.#copiedBytes;
    const room = this.memory.bytes(to).length;
    const length = Math.min(PAGE, pending.bank.sizeBytes - at, Math.max(0, room - at));
    if (length === 0) return this.memory.whenIdle(done);
    const page = this.memory.bytes(AREA).slice(pending.fromBytes + at, pending.fromBytes + at + length);
    this.memory.erase(to, at, PAGE);
    this.memory.write(to, at, page, () => {
      this.#copiedBytes = at + PAGE;
      this.#copyPages(to, done);
    });
  }

  #serialHost(): Pick<BootloaderHost, 'serial'> {
    const { transport = 'ble', baud = 115_200 } = this.options;
    if (transport === 'ble') return {};
    // USB holds the host up by itself.
    const buffers = transport === 'uart' ? new LineBuffers(this.scheduler, baud, SERIAL_BUFFERS) : undefined;
    return {
      serial: {
        mtu: MTU[transport],
        part: this.options.part ?? 0x52840,
        variant: this.options.variant ?? 0x41414430,
        romBytes: 1024 * 1024,
        takeBuffer: (bytes) => buffers?.take(bytes, this.memory.writeMs(bytes)) ?? true,
        overrun: () => {
          this.leave();
          this.after(0, () => this.goDown(this.#rebootMs()));
        },
      },
    };
  }

  #host(): BootloaderHost {
    const areaBytes = this.memory.bytes(AREA).length;
    const isSerial = (this.options.transport ?? 'ble') !== 'ble';
    const bank0Bytes = (): number => align(this.#settings.bank0?.sizeBytes ?? 0);
    return {
      memory: this.memory,
      faults: this.faults,
      rules: this.rules,
      region: AREA,
      settings: () => this.#settings,
      store: (change, done) => this.store(change, done),
      facts: () => ({
        rules: this.rules,
        publicKey: this.#key,
        hwVersion: this.options.hwVersion ?? 52,
        softDeviceFwid: this.#settings.softDeviceFwid,
        applicationVersion: this.#settings.bank0 ? this.#settings.applicationVersion : 0,
        bootloaderVersion: this.#settings.bootloaderVersion,
        downgradePrevention: this.options.downgradePrevention ?? true,
        isDebugBootloader: this.options.isDebugBootloader ?? false,
        bootloaderBytes: this.memory.bytes('bootloader').length,
        roomBytes: areaBytes,
      }),
      place: (imageBytes, type) => {
        const fitsBeside = bank0Bytes() + imageBytes <= areaBytes;
        const single = this.options.banks === 'single' && type === FirmwareType.application;
        if (fitsBeside && !single) return { fromBytes: bank0Bytes(), destroysApplication: false };
        return { fromBytes: 0, destroysApplication: true };
      },
      verifyMs: this.options.verifyMs ?? 250,
      packetBuffers: this.rules.maxMtu >= 247 ? 17 : 8,
      ...this.#serialHost(),
      after: (delayMs, fn) => void this.after(delayMs, fn),
      // Without a SoftDevice the processor stands still while flash is written: nothing is said before that is done.
      respond: isSerial
        ? (bytes) => this.memory.whenIdle(() => this.#radio?.respond(bytes))
        : (bytes) => this.#radio?.respond(bytes),
      log: (what, detail) => (what === 'touched' ? this.touch(detail ?? '') : this.log(what, detail)),
      restartInactivityTimer: () => this.#restartInactivity(),
      finish: () => {
        this.leave();
        // The answer goes out first; the link is ended in good form, then the reset.
        this.after(DISCONNECT_GRACE_MS / 4, () => this.#radio?.disconnect('graceful'));
        this.after(DISCONNECT_GRACE_MS, () => this.goDown(this.#rebootMs()));
      },
      abort: () => {
        this.leave();
        this.#radio?.disconnect('graceful');
        this.after(DISCONNECT_GRACE_MS, () => this.goDown(this.#rebootMs()));
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
