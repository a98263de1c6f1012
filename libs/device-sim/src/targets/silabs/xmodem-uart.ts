/**
 * The Gecko Bootloader's menu and its XMODEM-CRC receiver, device side.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/communication/xmodem-uart/btl_comm_xmodem_common.c,
 * xmodem-parser/btl_xmodem.c.
 */
import { crc16Xmodem } from '../checksums.js';
import { BgapiUart } from './bgapi-uart.js';
import { GblError } from './gbl-tags.js';
import type { SilabsUnit } from './silabs-unit.js';
import { UartSide } from './uart-side.js';

const SOH = 0x01;
const CTRL_C = 0x03;
const EOT = 0x04;
const ACK = 0x06;
const NAK = 0x15;
const CAN = 0x18;
const C = 0x43;
const BLOCK_BYTES = 133;
const START_TRIES = 60;
const SETTLE_MS = 5;
const BLOCK_MS = 3000;

/** Second digit pair of "file error 0x". */
const FILE_ERRORS: Readonly<Record<number, string>> = {
  [GblError.Version]: '41',
  [GblError.Crc]: '43',
  [GblError.UnknownTag]: '44',
  [GblError.Signature]: '45',
  [GblError.FileType]: '4F',
  [GblError.Unexpected]: '4F',
  [GblError.Eof]: '4F',
  [GblError.Key]: '50',
};
const OTHER_ERROR = '18';
const NO_SOH = '21';

type State = 'menu' | 'settling' | 'starting' | 'receiving';

export class XmodemUart extends UartSide {
  #state: State = 'menu';
  #block: number[] = [];
  #last = 0;
  #any = false;
  #timer: (() => void) | undefined;
  #starts = 0;
  #uploaded = false;
  readonly #application: BgapiUart | undefined;

  constructor(unit: SilabsUnit) {
    super(unit);
    this.#application = unit.options.applicationSpeaksBgapi ? new BgapiUart(unit) : undefined;
  }

  override attach(send: (bytes: Uint8Array) => void): void {
    super.attach(send);
    this.#application?.attach(send);
  }

  stopped(): void {
    this.#timer = undefined;
    this.#state = 'menu';
    this.#block = [];
    this.#application?.stopped();
  }

  started(): void {
    const { junkAtBoot } = this.unit.options;
    if (this.unit.personality === 'application') {
      this.#application?.started();
      return;
    }
    if (junkAtBoot) this.transmitRaw(junkAtBoot);
    this.#uploaded = false;
    this.#menu();
  }

  protected receive(bytes: Uint8Array): void {
    if (this.unit.personality === 'application') {
      this.#application?.onBytes(bytes);
      return;
    }
    for (const byte of bytes) {
      if (this.unit.isRunning) this.#byte(byte);
    }
  }

  #text(text: string): void {
    this.transmit(new TextEncoder().encode(`${text}\0`), this.unit.store.busyForMs);
  }

  #menu(): void {
    this.#state = 'menu';
    this.#block = [];
    this.#arm(undefined);
    const version = this.unit.bootloaderVersion;
    // Each number is taken from four bits.
    const major = ((version >>> 24) & 0x0f).toString(16).toUpperCase();
    const two = (value: number): string => String(value & 0x0f).padStart(2, '0');
    this.#text(
      `\r\nGecko Bootloader v${major}.${two(version >>> 16)}.${two(version)}\r\n` +
        '1. upload gbl\r\n2. run\r\n3. ebl info\r\nBL > ',
    );
    const { menuIdleMs = 0 } = this.unit.options;
    if (menuIdleMs > 0) this.#arm(menuIdleMs, () => this.unit.reset(false));
  }

  #arm(ms: number | undefined, fn: () => void = () => undefined): void {
    this.#timer?.();
    this.#timer = ms === undefined ? undefined : this.unit.after(ms, fn);
  }

  #byte(byte: number): void {
    switch (this.#state) {
      case 'menu':
        return this.#choice(byte);
      case 'settling':
        return; // input of the first milliseconds is thrown away
      case 'starting':
      case 'receiving':
        return this.#transfer(byte);
    }
  }

  #choice(byte: number): void {
    if (byte === 0x31) return this.#begin();
    if (byte === 0x32) return this.#run();
    this.#menu();
  }

  #run(): void {
    if (this.#uploaded && this.unit.mustInstallBootloader) this.unit.installBootloader();
    if (!this.unit.store.isBootable) {
      this.#text('\r\nFailed to boot\r\n');
      return this.#menu();
    }
    this.unit.touch('run');
    this.unit.reset(false);
  }

  #begin(): void {
    this.#text('\r\nbegin upload\r\n');
    this.#state = 'settling';
    this.unit.beginUpload();
    this.#last = 0;
    this.#any = false;
    this.#starts = 0;
    this.#arm(SETTLE_MS, () => this.#askToStart());
  }

  #askToStart(): void {
    this.#state = 'starting';
    if (this.#starts >= START_TRIES) return this.#abort('block', OTHER_ERROR);
    this.#starts += 1;
    this.#reply(C);
    this.#arm(1000, () => this.#askToStart());
  }

  #reply(byte: number): void {
    this.transmit(Uint8Array.of(byte), this.unit.store.busyForMs);
  }

  #transfer(byte: number): void {
    if (this.#block.length === 0) {
      if (byte === CAN || byte === CTRL_C || byte === C) return this.#abort('block', OTHER_ERROR);
      if (byte === EOT) return this.#end();
      if (byte !== SOH) return this.#abort('block', NO_SOH);
    }
    this.#state = 'receiving';
    this.#block.push(byte);
    this.#waitForBlock();
    if (this.#block.length < BLOCK_BYTES) return;
    const block = this.unit.faults.toDevice(Uint8Array.from(this.#block));
    this.#block = [];
    if (block) this.#take(block);
  }

  /** Without limit: whoever began a transfer and went away finds it here. */
  #waitForBlock(): void {
    this.#arm(BLOCK_MS, () => {
      this.#block = [];
      this.#reply(NAK);
      this.#waitForBlock();
    });
  }

  #take(block: Uint8Array): void {
    const number = block[1] ?? 0;
    if (!this.#any && number !== 1) return this.#reply(NAK);
    if (this.#any && number === this.#last) return this.#reply(ACK);
    if (number !== ((this.#last + 1) & 0xff)) return this.#reply(NAK);
    if (((block[2] ?? 0) ^ number) !== 0xff) return this.#reply(NAK);
    const data = block.subarray(3, 131);
    if (crc16Xmodem(data) !== (((block[131] ?? 0) << 8) | (block[132] ?? 0))) return this.#reply(NAK);
    const refused = this.unit.faults.refusal('block');
    const error = refused ?? this.unit.takeBytes(data);
    if (error !== undefined) return this.#abort('file', FILE_ERRORS[error] ?? OTHER_ERROR);
    this.#last = number;
    this.#any = true;
    this.unit.countBytes(data.length);
    if (this.unit.isRunning) this.#reply(ACK);
  }

  #end(): void {
    if (!this.unit.reader?.isVerified) return this.#abort('file', OTHER_ERROR);
    this.#uploaded = true;
    this.#reply(ACK);
    this.#text('\r\nSerial upload complete\r\n');
    this.#menu();
  }

  #abort(kind: 'block' | 'file', digits: string): void {
    this.transmit(Uint8Array.of(CAN, CAN, CAN), this.unit.store.busyForMs);
    this.#text('\r\nSerial upload aborted\r\n');
    this.#text(`\r\n${kind} error 0x`);
    this.#text(`${digits}\r\n`);
    this.#menu();
  }
}
