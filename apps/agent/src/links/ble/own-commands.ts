/** Commands that we send a controller ourselves, beside noble's, and their answers, which noble does not get. */
import { encodeCommand } from './hci-wire.js';

const ANSWER_WITHIN_MS = 2500;

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
