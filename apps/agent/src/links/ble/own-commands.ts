/** Commands that we send a controller ourselves, beside noble's, and their answers, which noble does not get. */
import { encodeCommand, encodeWords, Opcode } from './hci-wire.js';

const ANSWER_WITHIN_MS = 2500;
/** The controller cannot tell (Core 5.2, Vol 4 Part E, 7.5.4). */
const RSSI_UNKNOWN = 127;

interface AwaitedAnswer {
  readonly opcode: number;
  readonly settle: (parameters: Buffer | undefined) => void;
}

export class OwnCommands {
  readonly #awaited: AwaitedAnswer[] = [];

  constructor(private readonly transmit: (packet: Buffer) => void) {}

  /** Sends a command. @returns the answer's parameters from the status on; undefined when none came in time. */
  request(opcode: number, parameters?: Uint8Array, withinMs = ANSWER_WITHIN_MS): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const answer: AwaitedAnswer = {
        opcode,
        settle: (found) => {
          clearTimeout(timer);
          resolve(found);
        },
      };
      const timer = setTimeout(() => {
        this.#awaited.splice(this.#awaited.indexOf(answer), 1);
        resolve(undefined);
      }, withinMs);
      this.#awaited.push(answer);
      this.transmit(encodeCommand(opcode, parameters));
    });
  }

  /** How strongly a connection is heard (Core 5.2, Vol 4 Part E, 7.5.4); undefined when that is not known. */
  async readRssi(handle: number): Promise<number | undefined> {
    const answer = await this.request(Opcode.ReadRssi, encodeWords(handle));
    // A late answer, or one that another program of this machine asked for, speaks of another connection.
    if (!answer || answer.length < 4 || answer[0] !== 0 || answer.readUInt16LE(1) !== handle) return undefined;
    const rssiDbm = answer.readInt8(3);
    return rssiDbm === RSSI_UNKNOWN ? undefined : rssiDbm;
  }

  /** @returns whether the answer was one of ours. */
  settle(opcode: number, parameters: Buffer): boolean {
    const at = this.#awaited.findIndex((each) => each.opcode === opcode);
    if (at < 0) return false;
    this.#awaited.splice(at, 1)[0]?.settle(Buffer.from(parameters));
    return true;
  }

  /** No answer will come any more. */
  end(): void {
    for (const answer of this.#awaited.splice(0)) answer.settle(undefined);
  }
}
