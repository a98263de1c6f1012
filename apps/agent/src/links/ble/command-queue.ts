/**
 * HCI commands, as many at a time as the controller allows.
 *
 * noble writes eight at once when it starts; a controller on a UART has room for one (Vol 4 Part E, 4.4). A command
 * that is never answered gives its place up after a while, and a controller that answers nothing is given up: where
 * nothing else waits it is asked for its address, which changes nothing.
 */
import { encodeCommand, EventCode, Opcode, PacketType } from './hci-wire.js';

const ANSWER_WITHIN_MS = 2000;
const SILENT_COMMANDS = 3;
/** Nobody queues more than this in earnest; a stuck controller must not fill the memory. */
const MAX_WAITING = 256;

export class CommandQueue {
  readonly #waiting: Buffer[] = [];
  #credits = 1;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly write: (packet: Buffer) => void,
    private readonly dead: (detail: string) => void,
  ) {}

  send(packet: Buffer): void {
    if (this.#closed || this.#waiting.length >= MAX_WAITING) return;
    // noble reuses no buffer, but the packet may wait.
    this.#waiting.push(packet);
    this.#next();
  }

  /** Looks at a packet of the controller for its permission to go on. */
  observe(packet: Buffer): void {
    if (packet[0] !== PacketType.Event) return;
    const allowed =
      packet[1] === EventCode.CommandComplete
        ? packet[3]
        : packet[1] === EventCode.CommandStatus
          ? packet[4]
          : undefined;
    if (allowed === undefined) return;
    this.#unanswered = 0;
    this.#credits = allowed;
    this.#arm();
    this.#next();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  #next(): void {
    while (!this.#closed && this.#credits > 0) {
      const packet = this.#waiting.shift();
      if (!packet) return;
      this.#credits--;
      this.write(packet);
      this.#arm();
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#credits > 0) return;
    this.#timer = setTimeout(() => {
      this.#unanswered++;
      if (this.#unanswered >= SILENT_COMMANDS) {
        this.dead('the controller answers no command');
        return;
      }
      this.#credits = 1;
      if (this.#waiting.length === 0) this.#waiting.push(encodeCommand(Opcode.ReadBdAddr));
      this.#next();
    }, ANSWER_WITHIN_MS);
    this.#timer.unref();
  }
}
