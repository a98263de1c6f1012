/**
 * Who uses which link: a port or a device is spoken to by one conversation at a time. Attempts come before
 * looks: what an attempt has claimed is lent to nobody, and what was lent before is asked back.
 */

export class Lanes {
  /** Lanes in use; for one that is lent, how its holder is asked to give way. */
  readonly #busy = new Map<string, (() => void) | undefined>();
  readonly #claims = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  /**
   * Takes all or none. Holders that only borrowed one of them are asked to give way.
   * @returns a function that frees them; undefined when one of them is in use.
   */
  tryTake(lanes: readonly string[]): (() => void) | undefined {
    const busy = lanes.filter((lane) => this.#busy.has(lane));
    for (const lane of busy) this.#busy.get(lane)?.();
    return busy.length > 0 ? undefined : this.#take(lanes, undefined);
  }

  /**
   * For a look that can wait.
   * @param giveWay called, perhaps more than once, when an attempt wants the lane: it is to be freed soon.
   * @returns a function that frees it; undefined when it is in use or claimed.
   */
  tryBorrow(lane: string, giveWay: () => void): (() => void) | undefined {
    return this.#busy.has(lane) || this.#claims.has(lane) ? undefined : this.#take([lane], giveWay);
  }

  /** From now on these are not lent. Claims of several attempts add up. @returns a function that ends this one. */
  claim(lanes: readonly string[]): () => void {
    for (const lane of lanes) this.#claims.set(lane, (this.#claims.get(lane) ?? 0) + 1);
    let claimed = true;
    return () => {
      if (!claimed) return;
      claimed = false;
      for (const lane of lanes) {
        const others = this.#claims.get(lane)! - 1;
        if (others > 0) this.#claims.set(lane, others);
        else this.#claims.delete(lane);
      }
      this.#tell();
    };
  }

  isBusy(lane: string): boolean {
    return this.#busy.has(lane);
  }

  /** Calls back whenever lanes became free. @returns a function that ends it. */
  onFree(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #take(lanes: readonly string[], giveWay: (() => void) | undefined): () => void {
    for (const lane of lanes) this.#busy.set(lane, giveWay);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      for (const lane of lanes) this.#busy.delete(lane);
      this.#tell();
    };
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
