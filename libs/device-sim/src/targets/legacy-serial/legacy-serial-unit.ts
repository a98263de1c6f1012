/**
 * A unit with Nordic's serial legacy bootloader: packets queue, are carried out one after the other, and are acknowledged
 * when they are queued. Whatever is refused ends in a reset.
 *
 * Source: nRF5 SDK 11 `dfu_transport_serial.c`; Adafruit_nRF52_Bootloader `lib/sdk11`, `src/dfu_init.c`.
 */
import { createHash } from 'node:crypto';
import { crc16CcittFalse } from '../checksums.js';
import { FlashMemory, NRF52_FLASH } from '../flash-memory.js';
import { imageMatches, judgeInitPacket } from '../legacy-dfu/init-check.js';
import { PoweredUnit } from '../powered-unit.js';
import { HciReceiver } from './hci-receiver.js';
import type { LegacySerialOptions } from './options.js';

const PAGE = 4096;
const BOOTLOADER_BYTES = 0x6000;
const SOFTDEVICE_BYTES = 0x26000;
const INIT_BUFFER_BYTES = 128;
const ADAFRUIT_DEVICE_TYPE = 0x0052;
const Type = { invalid: 0, init: 1, start: 3, data: 4, stop: 5 } as const;

interface Upload {
  readonly softdevice: number;
  readonly bootloader: number;
  readonly application: number;
}

interface Settings {
  readonly bank0: { readonly sizeBytes: number; readonly crc16: number } | undefined;
  readonly pending: { readonly upload: Upload; readonly region: string } | undefined;
  readonly softDeviceSha256?: string;
  readonly bootloaderSha256?: string;
}

export class LegacySerialUnit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly options: LegacySerialOptions;
  readonly #bankBytes: number;
  #settings: Settings;
  #staysInBootloader: boolean;
  #send: (bytes: Uint8Array) => void = () => undefined;
  #receiver: HciReceiver | undefined;
  #queue: Uint8Array[] = [];
  #isBusy = false;
  #isErasing = false;
  #isMute = false;
  #wasOpened = false;
  #wasTouched = false;
  #state: 'idle' | 'ready' | 'data' | 'complete' = 'idle';
  #upload: Upload = { softdevice: 0, bootloader: 0, application: 0 };
  #region = '';
  #init: Uint8Array<ArrayBufferLike> = new Uint8Array();
  #received = 0;

  constructor(options: LegacySerialOptions) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    this.#staysInBootloader = options.startsInBootloader ?? false;
    this.#bankBytes = Math.ceil((options.bankBytes ?? 128 * 1024) / PAGE) * PAGE;
    this.memory = new FlashMemory(
      options.scheduler,
      { bank0: this.#bankBytes, bank1: this.#bankBytes, softdevice: SOFTDEVICE_BYTES, bootloader: BOOTLOADER_BYTES },
      { ...NRF52_FLASH, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    const { application } = options;
    if (application) this.memory.preset('bank0', 0, application);
    this.#settings = {
      bank0: application && { sizeBytes: application.length, crc16: crc16CcittFalse(application) },
      pending: undefined,
    };
    this.boot();
  }

  get isInBootloader(): boolean {
    return this.#receiver !== undefined;
  }

  get baud(): number {
    return this.options.baud ?? (this.options.vendor === 'nordic' ? 38_400 : 115_200);
  }

  runningImage(): Uint8Array | undefined {
    const { bank0 } = this.#settings;
    if (!bank0) return undefined;
    const image = this.memory.bytes('bank0').slice(0, bank0.sizeBytes);
    return crc16CcittFalse(image) === bank0.crc16 ? image : undefined;
  }

  /** What runs now; in the bootloader nothing does. */
  runningImageSha256(): string | undefined {
    const image = this.isInBootloader ? undefined : this.runningImage();
    return image && createHash('sha256').update(image).digest('hex');
  }

  installedSha256(part: 'softdevice' | 'bootloader'): string | undefined {
    return part === 'softdevice' ? this.#settings.softDeviceSha256 : this.#settings.bootloaderSha256;
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
    this.#wasTouched = false;
    const again = this.#wasOpened;
    this.#wasOpened = true;
    if (!again || !this.options.entersWhenOpened || this.isInBootloader || !this.isRunning) return;
    this.#touch('enter bootloader');
    this.#staysInBootloader = true;
    this.goDown(this.#rebootMs());
  }

  onBytes(bytes: Uint8Array): void {
    if (!this.isRunning || this.#isMute || !this.#receiver) return;
    if (this.#isErasing && this.options.deafWhileErasing) this.#receiver.spoil();
    else this.#receiver.push(bytes);
  }

  protected override onDown(powerLost: boolean): void {
    if (powerLost) this.#staysInBootloader = false;
    this.#receiver = undefined;
    this.#queue = [];
    this.#isBusy = false;
    this.#isErasing = false;
    this.#state = 'idle';
    this.#init = new Uint8Array();
    this.#received = 0;
  }

  protected override boot(): void {
    if (this.#settings.pending) return this.#copy(this.#settings.pending);
    const stays = this.#staysInBootloader || !this.runningImage();
    this.#staysInBootloader = false;
    if (stays) {
      this.#receiver = new HciReceiver({
        take: (payload) => this.#enqueue(payload),
        fault: (frame) => this.faults.toDevice(frame),
        acknowledge: (bytes) => this.#transmit(bytes),
      });
    }
    this.setRunning();
    this.log('booted', stays ? 'bootloader' : 'application');
  }

  #transmit(bytes: Uint8Array): void {
    const frame = this.faults.toHost(bytes);
    if (!frame) return;
    const { silentForMs } = this.faults;
    if (silentForMs > 0) this.after(silentForMs, () => this.#send(frame));
    else this.#send(frame);
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 100;
  }

  #touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  /** One buffer is held by the packet that is carried out. */
  #enqueue(payload: Uint8Array): boolean {
    const held = this.#queue.length + (this.#isBusy ? 1 : 0);
    if (held >= (this.options.receiveBuffers ?? 2)) return false;
    // Of no known type: taken from the line and thrown away.
    if ((payload[0] ?? 0) === Type.invalid) return true;
    this.#queue.push(payload);
    this.#next();
    return true;
  }

  #next(): void {
    if (this.#isBusy) return;
    const payload = this.#queue.shift();
    if (!payload) return;
    this.#isBusy = true;
    const done = (): void => {
      this.#isBusy = false;
      this.#next();
    };
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    switch (payload[0]) {
      case Type.start:
        return this.#start(view, done);
      case Type.init:
        return this.#initPacket(payload.subarray(4), done);
      case Type.data:
        return this.#data(payload.subarray(4), done);
      case Type.stop:
        return this.#stop(done);
      default:
        return done();
    }
  }

  #trap(): void {
    // A trap is a reset; what the bootloader was asked to do is forgotten, the application starts if there is one.
    this.goDown(this.#rebootMs());
  }

  #start(view: DataView, done: () => void): void {
    if (view.byteLength < 20 || this.#state !== 'idle' || this.faults.refusal('start') !== undefined) {
      return this.#trap();
    }
    const upload = {
      softdevice: view.getUint32(8, true),
      bootloader: view.getUint32(12, true),
      application: view.getUint32(16, true),
    };
    const system = upload.softdevice + upload.bootloader;
    const total = system + upload.application;
    if (total === 0 || total > this.#bankBytes || total % 4 !== 0 || (system > 0 && upload.application > 0)) {
      return this.#trap();
    }
    this.#touch('start');
    this.log('erased', upload.application > 0 ? 'application' : 'system');
    this.#upload = upload;
    const overwrites = this.options.banks === 'single' || upload.softdevice > 0;
    this.#region = overwrites ? 'bank0' : 'bank1';
    if (overwrites) this.#settings = { ...this.#settings, bank0: undefined };
    this.#isErasing = true;
    this.memory.erase(this.#region, 0, total, () => {
      this.#isErasing = false;
      this.#state = 'ready';
      done();
    });
  }

  #initPacket(packet: Uint8Array, done: () => void): void {
    const required = this.options.vendor === 'nordic' ? undefined : ADAFRUIT_DEVICE_TYPE;
    // Counted in words: a rest of bytes is not seen.
    const words = packet.slice(0, packet.length - (packet.length % 4));
    const isGood =
      this.#state === 'ready' &&
      words.length <= INIT_BUFFER_BYTES &&
      this.faults.refusal('init') === undefined &&
      judgeInitPacket(words, this.options, required) === 'accepted';
    if (!isGood) return this.#trap();
    this.#init = words;
    this.#state = 'data';
    done();
  }

  #data(bytes: Uint8Array, done: () => void): void {
    const total = this.#upload.softdevice + this.#upload.bootloader + this.#upload.application;
    // Errors of the data handler are ignored by the serial transport.
    if (this.#state !== 'data' || bytes.length % 4 !== 0 || this.#received + bytes.length > total) return done();
    const at = this.#received;
    this.#received += bytes.length;
    this.memory.write(this.#region, at, bytes, () => {
      if (this.#received === total) {
        this.#state = 'complete';
        this.log('written', `${total} bytes`);
      }
      done();
      const fault = this.faults.imageBytes(bytes.length);
      if (fault === 'reboot') this.goDown(this.#rebootMs());
      if (fault === 'power-cut') this.powerCut(1000);
    });
  }

  #stop(done: () => void): void {
    const total = this.#upload.softdevice + this.#upload.bootloader + this.#upload.application;
    const image = this.memory.bytes(this.#region || 'bank1').slice(0, total);
    const isGood =
      this.#state === 'complete' &&
      this.faults.refusal('validate') === undefined &&
      imageMatches(image, this.#init, this.options);
    // Not valid: activation is refused too, and both are ignored; it stays where it is.
    if (!isGood) return done();
    this.log('activated', `${total} bytes`);
    this.#settings = { ...this.#settings, pending: { upload: this.#upload, region: this.#region } };
    this.goDown(this.#rebootMs());
  }

  #copy({ upload, region }: NonNullable<Settings['pending']>): void {
    if (this.options.faults?.muteAfterActivation) this.#isMute = true;
    const source = this.memory.bytes(region);
    const finish = (change: Partial<Settings>): void =>
      this.memory.commit(this.memory.timing.eraseMsPerPage, () => {
        this.#settings = { ...this.#settings, ...change, pending: undefined };
        this.boot();
      });
    const hash = (from: number, length: number): string =>
      createHash('sha256')
        .update(source.slice(from, from + length))
        .digest('hex');
    const { softdevice, bootloader, application } = upload;
    if (application === 0) {
      return finish({
        ...(softdevice > 0 && { softDeviceSha256: hash(0, softdevice) }),
        ...(bootloader > 0 && { bootloaderSha256: hash(softdevice, bootloader) }),
      });
    }
    const image = source.slice(0, application);
    const bank0 = { sizeBytes: application, crc16: crc16CcittFalse(image) };
    if (region === 'bank0') return finish({ bank0 });
    this.memory.erase('bank0', 0, application);
    this.memory.write('bank0', 0, image, () => finish({ bank0 }));
  }
}
