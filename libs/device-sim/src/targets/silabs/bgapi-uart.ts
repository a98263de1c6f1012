/**
 * BGAPI on a UART, device side: the NCP application and the DFU bootloader of all generations.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/communication/bgapi-uart-dfu/btl_comm_bgapi_common.c (receiver,
 * answers, silent drops); gecko_sdk 1.0.0 btl_comm_bgapi.c; Blue Gecko SDK 2.x example, dfu.c; jrowberg/bglib and
 * yanshouwang/BGLib.NET for BLE11x; simplicity_sdk 2024.6.0 (system_reboot).
 */
import { createHash } from 'node:crypto';
import { BgapiReceiver, bgapiMessage, robustFrame, u16, u32 } from './bgapi-wire.js';
import type { SilabsUnit } from './silabs-unit.js';
import { UartSide } from './uart-side.js';

const HEADER_TIMEOUT_MS = 1000;
const PAYLOAD_TIMEOUT_MS = 3000;
const CHECKSUM_ERROR = 0x0046;
const CHECKSUM_ERROR_1 = 0x0b03;
const BUFFERS_FULL = 0x018e;
const INVALID_PARAMETER = 0x0180;
const LEGACY_BUFFER_BYTES = 4096;
const BLE11X_SIZES = [1, 2, 4, 8, 16, 32, 64];
/** DFU class of BLE11x; of all others it is 0. */
const DFU_CLASS_BLE11X = 9;

export class BgapiUart extends UartSide {
  #receiver: BgapiReceiver | undefined;
  /** Bytes of the bootloader's packet so far. */
  #packet: number[] = [];
  #packetTimer: (() => void) | undefined;

  constructor(unit: SilabsUnit) {
    super(unit);
  }

  get #isBle11x(): boolean {
    return this.unit.generation === 'ble11x';
  }

  get #type(): number {
    return this.#isBle11x ? 0 : 4;
  }

  get #dfuClass(): number {
    return this.#isBle11x ? DFU_CLASS_BLE11X : 0;
  }

  stopped(): void {
    this.#receiver = undefined;
    this.#packet = [];
    this.#packetTimer = undefined;
  }

  started(): void {
    const { junkAtBoot } = this.unit.options;
    if (junkAtBoot) this.transmitRaw(junkAtBoot);
    if (this.unit.personality === 'bootloader') return this.#bootloaderStarted();
    this.#receiver = new BgapiReceiver(this.#type, this.unit.options.framing ?? 'plain', (packet) => {
      const passed = this.unit.faults.toDevice(packet);
      if (passed) this.#application(passed[2] ?? 0, passed[3] ?? 0, passed.subarray(4));
    });
    if (this.unit.options.systemBootEvent ?? true) this.#tell(true, this.#isBle11x ? 0 : 1, 0, this.#bootFacts());
  }

  protected receive(bytes: Uint8Array): void {
    if (this.unit.personality === 'application') this.#receiver?.push(bytes);
    else if (this.#isBle11x && this.unit.options.packetModeInBootloader) this.#prefixed(bytes);
    else for (const byte of bytes) this.#bootloaderByte(byte);
  }

  /** Framed as the application's UART is; the bootloader's never is. */
  #tell(isEvent: boolean, classId: number, id: number, payload: readonly number[], afterMs = 0): void {
    const packet = bgapiMessage(this.#type, isEvent, classId, id, Uint8Array.from(payload));
    const isRobust = this.unit.personality === 'application' && this.unit.options.framing === 'robust';
    this.transmit(isRobust ? robustFrame(packet) : packet, afterMs);
  }

  // Application

  #bootFacts(): number[] {
    const version = this.#version();
    if (this.#isBle11x) return [...version.flatMap(u16), ...u16(3), 1, 3];
    const hash = createHash('sha256')
      .update(this.unit.revision ?? '')
      .digest()
      .readUInt32LE(0);
    return [...version.flatMap(u16), ...u32(this.unit.bootloaderVersion), ...u16(1), ...u32(hash)];
  }

  /** major, minor, patch, build of what runs. */
  #version(): number[] {
    const parts = (this.unit.revision ?? '0.0.0').split(/[.+-]/).map(Number);
    return [0, 1, 2, 3].map((index) => (Number.isInteger(parts[index]) ? (parts[index] ?? 0) : 0));
  }

  #address(): number[] {
    return [
      ...createHash('sha256')
        .update(this.unit.options.deviceId ?? 'SIM-0001')
        .digest()
        .subarray(0, 6),
    ];
  }

  #application(classId: number, id: number, payload: Uint8Array): void {
    const answer = (bytes: readonly number[]): void => this.#tell(false, classId, id, bytes);
    const key = `${classId}.${id}`;
    if (this.#isBle11x) {
      if (key === '0.0') return this.#applicationReset(payload[0] === 1);
      if (key === '0.1') return answer([]);
      if (key === '0.2') return answer(this.#address());
      if (key === '0.8') return answer(this.#bootFacts());
      if (key === '9.0') return this.#applicationReset(payload[0] === 1);
      return;
    }
    const { generation, options } = this.unit;
    const isOld = generation === 'blue-gecko-2' || generation === 'bt12x';
    if (key === '1.0') return answer(isOld ? [] : u16(0));
    if (key === '0.0') {
      if (isOld || generation === 'gecko-1') this.#applicationReset(payload[0] === 1);
      return;
    }
    if (key === '1.1') {
      const obeys = (options.series ?? 1) === 1;
      return this.#applicationReset(obeys && payload[0] === 1);
    }
    if (generation === 'bt12x') return;
    if (key === '1.31' && generation === 'sisdk') return this.#applicationReset(false);
    if (key === '1.27' && !isOld) {
      const hash = createHash('sha256')
        .update(this.unit.revision ?? '')
        .digest()
        .readUInt32LE(0);
      return answer([...u16(0), ...this.#version().flatMap(u16), ...u32(this.unit.bootloaderVersion), ...u32(hash)]);
    }
    if (key === '1.21' && !isOld) return answer([...u16(0), ...this.#address(), 0]);
    if (key === '255.2' && (options.userResetToDfu ?? true) && !isOld) this.#applicationReset(true);
  }

  #applicationReset(intoBootloader: boolean): void {
    this.unit.touch(intoBootloader ? 'reset into the bootloader' : 'reset');
    this.unit.reset(intoBootloader);
  }

  // Bootloader

  #bootloaderStarted(): void {
    this.#packet = [];
    this.unit.beginUpload();
    const { generation, store } = this.unit;
    const isLegacy = generation === 'blue-gecko-2';
    const knowsFailure = generation === 'gecko-1' || generation === 'gecko-2' || generation === 'sisdk';
    if (!store.isBootable && (knowsFailure || (isLegacy && store.lengthBytes > 0))) {
      this.#tell(
        true,
        0,
        1,
        u16(generation === 'gecko-2' || generation === 'sisdk' ? CHECKSUM_ERROR : CHECKSUM_ERROR_1),
      );
      if (isLegacy) return;
    }
    this.#dfuBoot();
  }

  #dfuBoot(): void {
    this.#tell(true, this.#dfuClass, 0, u32(this.unit.bootloaderVersion));
  }

  #prefixedBytes: number[] = [];

  #prefixed(bytes: Uint8Array): void {
    this.#prefixedBytes.push(...bytes);
    for (;;) {
      const length = this.#prefixedBytes[0];
      if (length === undefined || this.#prefixedBytes.length <= length) return;
      const packet = this.#prefixedBytes.splice(0, length + 1).slice(1);
      this.#command(Uint8Array.from(packet));
    }
  }

  /** Waits for the first byte without limit, drops all others; 1 s for the header, 3 s for the payload. */
  #bootloaderByte(byte: number): void {
    if (this.#packet.length === 0) {
      if (byte !== this.#type << 3) return;
      this.#limit(HEADER_TIMEOUT_MS);
    }
    this.#packet.push(byte);
    if (this.#packet.length < 4) return;
    const length = 4 + (this.#packet[1] ?? 0);
    if (this.#packet.length === 4 && length > 4) this.#limit(PAYLOAD_TIMEOUT_MS);
    if (this.#packet.length < length) return;
    const packet = Uint8Array.from(this.#packet);
    this.#packetTimer?.();
    this.#packet = [];
    this.#command(packet);
  }

  #limit(ms: number): void {
    this.#packetTimer?.();
    this.#packetTimer = this.unit.after(ms, () => (this.#packet = []));
  }

  #command(whole: Uint8Array): void {
    const packet = this.unit.faults.toDevice(whole);
    if (!packet) return;
    const classId = packet[2] ?? 0;
    const id = packet[3] ?? 0;
    const payload = packet.subarray(4);
    const { generation } = this.unit;
    const isTwo = generation === 'gecko-2' || generation === 'sisdk';
    if (isTwo && classId === 1 && id === 1) return this.#reset(payload[0] === 1);
    if (generation === 'sisdk' && classId === 1 && id === 0x1f) return this.#reset(false);
    if (classId !== this.#dfuClass) return;
    switch (id) {
      case 0:
        if (isTwo) return; // known by name, and not handled
        if (generation === 'blue-gecko-2' && payload[0] !== 0) return this.#dfuBoot();
        return this.#reset(payload[0] === 1);
      case 1:
        return this.#answer(1, this.#setAddress(payload));
      case 2:
        return this.#upload(payload);
      case 3:
        return this.#finish();
    }
  }

  #answer(id: number, result: number): void {
    this.#tell(false, this.#dfuClass, id, u16(result), this.unit.store.busyForMs);
  }

  #setAddress(payload: Uint8Array): number {
    const address = payload.length >= 4 ? new DataView(payload.slice().buffer).getUint32(0, true) : 0;
    return this.#isBle11x && address !== 0x1000 ? INVALID_PARAMETER : 0;
  }

  #upload(payload: Uint8Array): void {
    const { generation } = this.unit;
    const length = payload[0] ?? 0;
    const refused = this.unit.faults.refusal('upload');
    if (refused !== undefined) return this.#answer(2, refused);
    if (generation === 'ble11x' && !BLE11X_SIZES.includes(length)) return this.#answer(2, INVALID_PARAMETER);
    // A fixed array of 128 bytes: what is longer runs over it, and the bootloader with it.
    if (generation === 'gecko-1' && length > 128) return this.unit.goDown(this.unit.rebootMs);
    if (generation === 'blue-gecko-2' && length > LEGACY_BUFFER_BYTES) return this.#answer(3, BUFFERS_FULL);
    // The buffer is filled with zeros first: a length beyond the payload feeds zeros.
    const data = new Uint8Array(length);
    data.set(payload.subarray(1, 1 + length));
    const before = this.unit.reader;
    const swallowed = before?.isDone === true || before?.error !== undefined;
    const error = this.unit.takeBytes(data);
    this.unit.countBytes(length);
    if (!this.unit.isRunning) return;
    if (generation === 'blue-gecko-2' || swallowed || error === undefined) return this.#answer(2, 0);
    this.#answer(2, this.#code(error));
  }

  #code(error: number): number {
    const { generation } = this.unit;
    if (generation === 'ble11x' || generation === 'bt12x') return error;
    return generation === 'gecko-1' || generation === 'blue-gecko-2' ? CHECKSUM_ERROR_1 : CHECKSUM_ERROR;
  }

  #finish(): void {
    const refused = this.unit.faults.refusal('finish');
    if (refused !== undefined) return this.#answer(3, refused);
    const good = this.unit.finishUpload();
    this.#answer(3, good ? 0 : this.#code(CHECKSUM_ERROR));
    if (!good || !this.unit.mustInstallBootloader) return;
    this.unit.after(this.unit.store.busyForMs, () => {
      this.unit.installBootloader();
      this.unit.reset(false);
    });
  }

  #reset(intoBootloader: boolean): void {
    this.unit.reset(intoBootloader);
  }
}
