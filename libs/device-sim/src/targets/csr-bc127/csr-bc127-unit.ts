/**
 * A BC127 with Melody: the command line while its application runs, BCSP at 115200 with even parity in DFU mode (boot mode
 * 0, the whole firmware without Melody) and in the boot loader, which alone can replace the firmware.
 *
 * Sources: Melody manuals 5.0, 6.x, 7.x; BlueZ 5.55 (bccmd, dfutool); persistent store areas of Melody files.
 */
import { createHash } from 'node:crypto';
import type { LineSettings } from '@drydock/dfu-core';
import { FlashMemory } from '../flash-memory.js';
import { PoweredUnit } from '../powered-unit.js';
import { BcspPeer } from './bcsp-peer.js';
import { melodyOf } from './container.js';
import { DfuMachine } from './dfu-machine.js';
import { FACTORY_SETTINGS, MelodyCommandLine } from './melody-cli.js';
import type { CsrBc127Options } from './options.js';

const DFU_LINE: LineSettings = { baud: 115_200, parity: 'even' };
const LOADER_BOOT_MS = 200;
const PARITY = ['none', 'odd', 'even'] as const;
const CHANNEL = { bccmd: 2, hci: 5, dfu: 12 } as const;
const VALUES: Readonly<Record<number, number>> = { 0x2819: 0x2233, 0x281a: 0x0a, 0x281b: 0x01, 0x2838: 0x1234 };
const COLD_RESET = 0x4001;
const WARM_RESET = 0x4002;

export type Personality = 'melody' | 'dfu-mode' | 'loader';

export class CsrBc127Unit extends PoweredUnit {
  readonly memory: FlashMemory;
  readonly options: CsrBc127Options;
  readonly #flashBytes: number;
  /** Bytes of the file that is installed; undefined while there is none. */
  #installed: number | undefined;
  #pending: { readonly bytes: number } | undefined;
  #previous: Uint8Array | undefined;
  #stored = new Map<string, string>();
  #settings = new Map<string, string>();
  #storedLicences = new Map<string, string>();
  #licences = new Map<string, string>();
  #personality: Personality = 'melody';
  #commandLine: LineSettings = { baud: 9600 };
  #next: Personality = 'melody';
  #isFirstStart = false;
  #isAsleep: boolean;
  #wasTouched = false;
  #cli: MelodyCommandLine | undefined;
  #peer: BcspPeer | undefined;
  #dfu: DfuMachine | undefined;
  #send: (bytes: Uint8Array) => void = () => undefined;

  constructor(options: CsrBc127Options) {
    super(options.scheduler, options.faults ?? {});
    this.options = options;
    this.#isAsleep = options.sleeps ?? false;
    this.#flashBytes = options.flashBytes ?? 1024 * 1024;
    this.memory = new FlashMemory(
      options.scheduler,
      { image: this.#flashBytes },
      { pageBytes: 4096, eraseMsPerPage: 6, writeUsPerWord: 10, ...options.flash },
      options.faults?.slowFlash ?? 1,
    );
    if (options.application) {
      this.memory.preset('image', 0, options.application);
      this.#installed = options.application.length;
    }
    this.#stored = new Map(Object.entries({ ...FACTORY_SETTINGS, ...options.settings }));
    this.#storedLicences = new Map(Object.entries(options.licences ?? {}));
    this.boot();
  }

  get personality(): Personality {
    return this.#personality;
  }

  get settings(): ReadonlyMap<string, string> {
    return this.#stored;
  }

  get licences(): ReadonlyMap<string, string> {
    return this.#storedLicences;
  }

  get address(): string {
    const { serialNumber = 'SIM-0001', address } = this.options;
    return address ?? `20fabb${createHash('sha256').update(serialNumber).digest('hex').slice(0, 6)}`;
  }

  /** How its own end of the line is set now. */
  get line(): LineSettings {
    return this.#personality === 'melody' ? this.#commandLine : DFU_LINE;
  }

  runningImage(): Uint8Array | undefined {
    if (this.#personality !== 'melody' || this.#installed === undefined) return undefined;
    return this.memory.bytes('image').slice(0, this.#installed);
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
  }

  onBytes(bytes: Uint8Array): void {
    if (!this.isRunning) return;
    if (this.#isAsleep && this.#cli) {
      this.#isAsleep = false;
      return;
    }
    this.#cli?.push(bytes);
    this.#peer?.push(bytes);
  }

  protected override onDown(powerLost: boolean): void {
    this.#cli = undefined;
    this.#peer?.stop();
    this.#peer = undefined;
    this.#dfu = undefined;
    if (powerLost) this.#next = 'melody';
  }

  protected override boot(): void {
    const pending = this.#pending;
    if (pending) {
      this.#pending = undefined;
      this.#installed = pending.bytes;
      if (this.options.faults?.keepOldImage && this.#previous) {
        this.memory.preset('image', 0, this.#previous);
        this.#installed = this.#previous.length;
      }
      if (this.options.losesSettings ?? true) {
        this.#stored = new Map(Object.entries(FACTORY_SETTINGS));
        this.#storedLicences = new Map();
      }
      this.#isFirstStart = true;
      this.log('activated', `${pending.bytes} bytes`);
    }
    this.#settings = new Map(this.#stored);
    // What is set later works after the next start.
    const [baud, , parity] = (this.#settings.get('UART_CONFIG') ?? '').split(' ');
    this.#commandLine = { baud: Number(baud) || 9600, parity: PARITY[Number(parity)] ?? 'none' };
    this.#licences = new Map(this.#storedLicences);
    this.#personality = this.#installed === undefined ? 'loader' : this.#next;
    this.#next = 'melody';
    if (this.#isFirstStart && this.options.faults?.muteAfterActivation) return;
    const startMs = this.#isFirstStart ? (this.options.firstStartMs ?? 2000) : 0;
    this.#isFirstStart = false;
    this.after(startMs, () => this.#start());
  }

  #start(): void {
    this.setRunning();
    this.log('booted', this.#personality);
    if (this.#personality === 'melody') this.#startMelody();
    else this.#startBcsp();
  }

  #startMelody(): void {
    const { name, build } = melodyOf(this.memory.bytes('image').slice(0, this.#installed ?? 0));
    const { options } = this;
    this.#cli = new MelodyCommandLine({
      name,
      build,
      address: this.address,
      isMelody5: options.isMelody5 ?? false,
      eol: options.lineEnding === 'lfcr' ? '\n\r' : '\r',
      chatty: options.chatty ?? false,
      settings: this.#settings,
      licences: this.#licences,
      refuses: options.refusesSettings ?? [],
      write: (text) => this.#transmitText(text),
      store: () => {
        this.#stored = new Map(this.#settings);
        this.#storedLicences = new Map(this.#licences);
      },
      reset: () => this.goDown(this.#rebootMs()),
      restoreFactory: () => {
        this.#stored = new Map(Object.entries(FACTORY_SETTINGS));
        this.goDown(this.#rebootMs());
      },
      dfu: () => {
        if (this.faults.refusal('DFU') !== undefined) return;
        this.#touch('DFU');
        this.#next = 'dfu-mode';
        this.goDown(options.dfuBootMs ?? 300);
      },
    });
    this.#cli.banner();
  }

  #transmitText(text: string): void {
    this.#send(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  }

  #startBcsp(): void {
    const { options } = this;
    const peer = new BcspPeer({
      syncMs: options.syncMs ?? 1000,
      crc: options.crc ?? true,
      window: options.window ?? 4,
      after: (ms, fn) => this.after(ms, fn),
      transmit: (frame) => this.#transmit(frame),
      fault: (frame) => this.faults.toDevice(frame),
      received: (channel, payload) => this.#received(channel, payload),
    });
    this.#peer = peer;
    this.#dfu = new DfuMachine({
      isLoader: this.#personality === 'loader',
      variant: options.variant ?? 'standard',
      flashBytes: this.#flashBytes,
      respond: (bytes) => peer.send(CHANNEL.dfu, bytes),
      detach: () => {
        this.#next = 'loader';
        // The response and its acknowledgement go first.
        this.after(50, () => this.goDown(LOADER_BOOT_MS));
      },
      erase: (bytes) => this.#erase(bytes),
      write: (at, bytes) => this.#write(at, bytes),
      received: () => this.memory.bytes('image'),
      now: () => this.scheduler.now(),
      refusal: (request) => this.faults.refusal(request),
      install: (bytes) => (this.#pending = { bytes }),
      reset: () => this.goDown(this.#rebootMs()),
    });
  }

  #transmit(frame: Uint8Array): void {
    const kept = this.faults.toHost(frame);
    if (!kept) return;
    const { silentForMs } = this.faults;
    if (silentForMs > 0) this.after(silentForMs, () => this.#send(kept));
    else this.#send(kept);
  }

  #received(channel: number, payload: Uint8Array): void {
    if (channel === CHANNEL.dfu) return this.#dfu?.request(payload);
    if (channel === CHANNEL.bccmd) return this.#bccmd(payload, (answer) => this.#peer?.send(CHANNEL.bccmd, answer));
    const isVendorCommand = payload[0] === 0x00 && payload[1] === 0xfc && payload[3] === 0xc2;
    if (channel === CHANNEL.hci && isVendorCommand) {
      this.#bccmd(payload.subarray(4), (answer) => {
        this.#peer?.send(CHANNEL.hci, Uint8Array.from([0xff, answer.length + 1, 0xc2, ...answer]));
      });
    }
  }

  #bccmd(payload: Uint8Array, answer: (bytes: Uint8Array) => void): void {
    if (payload.length < 18) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const variable = view.getUint16(6, true);
    if (view.getUint16(0, true) === 2 && (variable === COLD_RESET || variable === WARM_RESET)) {
      return void this.after(20, () => this.goDown(this.#rebootMs()));
    }
    const reply = payload.slice();
    const out = new DataView(reply.buffer);
    const value = VALUES[variable];
    out.setUint16(0, 1, true);
    out.setUint16(8, value === undefined ? 1 : 0, true);
    if (value !== undefined) out.setUint16(10, value, true);
    answer(reply);
  }

  #rebootMs(): number {
    return this.options.faults?.rebootMs ?? this.options.rebootMs ?? 100;
  }

  #touch(detail: string): void {
    if (this.#wasTouched) return;
    this.#wasTouched = true;
    this.log('touched', detail);
  }

  #erase(bytes: number): number {
    this.#touch('first block');
    this.log('erased', `${bytes} bytes`);
    this.#previous ??= this.#installed === undefined ? undefined : this.memory.bytes('image').slice(0, this.#installed);
    this.#installed = undefined;
    this.memory.erase('image', 0, bytes);
    return this.memory.eraseMs(bytes);
  }

  #write(at: number, bytes: Uint8Array): number {
    this.memory.write('image', at, bytes);
    this.log('written', `${bytes.length} bytes at ${at}`);
    const fault = this.faults.imageBytes(bytes.length);
    if (fault === 'reboot') this.after(0, () => this.goDown(this.#rebootMs()));
    if (fault === 'power-cut') this.after(0, () => this.powerCut(1000));
    return this.memory.writeMs(bytes.length);
  }
}
