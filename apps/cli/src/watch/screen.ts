/** A few lines that are drawn again in place, with finished lines above them; at most four times a second. */
import type { Terminal } from '../output/output.js';

const EVERY_MS = 250;

export class Screen {
  #drawn = 0;
  #wanted: readonly string[] = [];
  #above: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastMs = -Infinity;

  constructor(
    private readonly terminal: Terminal,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  show(lines: readonly string[]): void {
    this.#wanted = lines;
    this.#soon();
  }

  /** A line that stays. */
  line(text: string): void {
    this.#above.push(text);
    this.#soon();
  }

  /** Draws what is waiting, and leaves it on the screen. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#drawn = 0;
  }

  #soon(): void {
    if (this.#timer !== undefined) return;
    const left = this.#lastMs + EVERY_MS - this.nowMs();
    if (left <= 0) {
      this.#draw();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, left);
  }

  #draw(): void {
    this.#lastMs = this.nowMs();
    const back = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r\u001b[J`;
    const above = this.#above.splice(0);
    this.terminal.write(back + [...above, ...this.#wanted].map((line) => `${line}\n`).join(''));
    this.#drawn = this.#wanted.length;
  }
}
