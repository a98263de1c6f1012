/** SMP over a UART (console lines or raw) and over UDP datagrams, device side. */
import type { SerialPeripheral } from '../../target.js';
import { ConsoleReceiver, encodeConsoleLines } from './console-framing.js';
import type { SmpUnit, TransportSide } from './smp-unit.js';

const HEADER_BYTES = 8;
/** Length and CRC pass through the same buffer as the message. */
const CONSOLE_OVERHEAD_BYTES = 4;

abstract class SmpWire implements SerialPeripheral, TransportSide {
  protected readonly unit: SmpUnit;
  #send: ((bytes: Uint8Array) => void) | undefined;

  constructor(unit: SmpUnit) {
    this.unit = unit;
  }

  get baud(): number {
    return this.unit.options.baud ?? 115200;
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
    this.unit.linkOpened();
  }

  onBytes(bytes: Uint8Array): void {
    if (this.unit.isRunning && !this.unit.isMute) this.receive(bytes);
  }

  protected transmit(bytes: Uint8Array): void {
    this.#send?.(bytes);
  }

  protected abstract receive(bytes: Uint8Array): void;
  abstract send(message: Uint8Array): void;
  abstract stopped(): void;
  abstract started(): void;
}

/** Lines of base64 that share the UART with log text. A frame of the fault plan is one line. */
export class SmpConsole extends SmpWire {
  #receiver: ConsoleReceiver | undefined;
  #answers = 0;

  #currentReceiver(): ConsoleReceiver {
    this.#receiver ??= new ConsoleReceiver(
      this.unit.bufSize - CONSOLE_OVERHEAD_BYTES,
      (line) => this.unit.faults.toDevice(line),
      (message) => this.unit.receive(message),
    );
    return this.#receiver;
  }

  protected receive(bytes: Uint8Array): void {
    this.#currentReceiver().push(bytes);
  }

  send(message: Uint8Array): void {
    this.#answers += 1;
    if (this.unit.options.chatter)
      this.#print(`[00:00:${this.#answers}] <inf> app: measured ${this.#answers * 17}\r\n`);
    for (const line of encodeConsoleLines(message, this.unit.options.crcOnExtraLine ?? false)) {
      const frame = this.unit.faults.toHost(line);
      if (frame) this.transmit(frame);
    }
  }

  stopped(): void {
    this.#receiver?.reset();
  }

  started(): void {
    if (this.unit.options.chatter) this.#print('*** Booting Zephyr OS build v4.4.0 ***\r\n');
  }

  #print(text: string): void {
    this.transmit(new TextEncoder().encode(text));
  }
}

/** Header and payload as they are. More bytes than announced, or too many, and all is dropped. */
export class SmpRawUart extends SmpWire {
  #buffer: Uint8Array<ArrayBufferLike> = new Uint8Array();
  #lastByteAtMs = 0;

  protected receive(bytes: Uint8Array): void {
    const now = this.unit.scheduler.now();
    if (now - this.#lastByteAtMs > (this.unit.options.rawInactivityMs ?? 3000)) this.stopped();
    this.#lastByteAtMs = now;
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    if (this.#buffer.length < HEADER_BYTES) return;
    const total = HEADER_BYTES + (((this.#buffer[2] ?? 0) << 8) | (this.#buffer[3] ?? 0));
    if (((this.#buffer[0] ?? 0) & 0x07) > 3 || total > this.unit.bufSize || this.#buffer.length > total) {
      return this.stopped();
    }
    if (this.#buffer.length < total) return;
    const message = this.unit.faults.toDevice(Uint8Array.from(this.#buffer));
    this.stopped();
    if (message) this.unit.receive(message);
  }

  send(message: Uint8Array): void {
    const frame = this.unit.faults.toHost(message);
    if (frame) this.transmit(frame);
  }

  stopped(): void {
    this.#buffer = new Uint8Array();
  }

  started(): void {
    this.stopped();
  }
}

/** One message per datagram. */
export class SmpUdp extends SmpWire {
  protected receive(datagram: Uint8Array): void {
    const message = this.unit.faults.toDevice(datagram);
    if (message && message.length <= this.unit.bufSize) this.unit.receive(message);
  }

  send(message: Uint8Array): void {
    const frame = this.unit.faults.toHost(message);
    if (frame) this.transmit(frame);
  }

  stopped(): void {
    // A datagram is never half received.
  }

  started(): void {
    // Nothing is said unasked.
  }
}
