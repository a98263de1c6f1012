/** Who uses which link: a port or a device is spoken to by one conversation at a time. */

export class Lanes {
  readonly #busy = new Set<string>();
  readonly #listeners = new Set<() => void>();

  /** @returns a function that frees them; undefined when one of them is in use. Takes all or none. */
  tryTake(lanes: readonly string[]): (() => void) | undefined {
    if (lanes.some((lane) => this.#busy.has(lane))) return undefined;
    for (const lane of lanes) this.#busy.add(lane);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      for (const lane of lanes) this.#busy.delete(lane);
      for (const listener of this.#listeners) listener();
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
}
