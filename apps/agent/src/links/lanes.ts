/**
 * Who uses which link: a port or a device is spoken to by one conversation at a time, an adapter carries as many
 * connections as it has room for. Attempts come before looks: what an attempt has claimed is lent to nobody, and what
 * was lent before is asked back.
 *
 * A lane takes one holder unless it was given another capacity. A lane may lie behind others (`behind`): whoever takes
 * one of those takes a place of the lane behind as well, without naming it. Capacity 0 closes a lane: nobody gets a
 * place until it is opened again; who has one keeps it.
 */

/** All connections of the Bluetooth adapter together. */
export const ADAPTER_LANE = 'adapter';

/** A Bluetooth device is reached through the adapter. */
export function lanesBehind(lane: string): readonly string[] {
  return lane.startsWith('ble:') ? [ADAPTER_LANE] : [];
}

interface Holder {
  /** Set for one that only borrowed: how it is asked to give way. */
  readonly giveWay: (() => void) | undefined;
}

export interface LanesOptions {
  /** Lanes whose places are used by whoever takes this one, such as the adapter of a Bluetooth device. */
  readonly behind?: (lane: string) => readonly string[];
}

export class Lanes {
  readonly #holders = new Map<string, Set<Holder>>();
  readonly #capacities = new Map<string, number>();
  readonly #claims = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #behind: (lane: string) => readonly string[];

  constructor(options: LanesOptions = {}) {
    this.#behind = options.behind ?? (() => []);
  }

  /** How many may hold the lane at the same time. Those who hold it now are not sent away. */
  setCapacity(lane: string, places: number): void {
    const was = this.capacity(lane);
    this.#capacities.set(lane, Math.max(0, Math.floor(places)));
    if (this.capacity(lane) > was) this.#tell();
  }

  capacity(lane: string): number {
    return this.#capacities.get(lane) ?? 1;
  }

  /**
   * Takes all or none. Holders that only borrowed what is missing are asked to give way.
   * @returns a function that frees them; undefined when one of them is full.
   */
  tryTake(lanes: readonly string[]): (() => void) | undefined {
    const all = this.#withBehind(lanes);
    const full = all.filter((lane) => this.#used(lane) >= this.capacity(lane));
    for (const lane of full) this.#askBack(lane);
    return full.length > 0 ? undefined : this.#take(all, undefined);
  }

  /**
   * For a look that can wait.
   * @param giveWay called, perhaps more than once, when an attempt wants the place: it is to be freed soon.
   * @returns a function that frees it; undefined when it is in use, full or claimed.
   */
  tryBorrow(lane: string, giveWay: () => void): (() => void) | undefined {
    const all = this.#withBehind([lane]);
    if (this.#claims.has(lane) || all.some((each) => this.#used(each) >= this.capacity(each))) return undefined;
    return this.#take(all, giveWay);
  }

  /** Places of these lanes that no attempt holds: what is lent counts as free, it will be given back. */
  hasRoom(lanes: readonly string[]): boolean {
    return this.#withBehind(lanes).every((lane) => this.#taken(lane) < this.capacity(lane));
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
    return this.#used(lane) > 0;
  }

  /** Calls back whenever lanes became free. @returns a function that ends it. */
  onFree(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #withBehind(lanes: readonly string[]): string[] {
    return [...new Set(lanes.flatMap((lane) => [lane, ...this.#behind(lane)]))];
  }

  #used(lane: string): number {
    return this.#holders.get(lane)?.size ?? 0;
  }

  #taken(lane: string): number {
    return [...(this.#holders.get(lane) ?? [])].filter(({ giveWay }) => giveWay === undefined).length;
  }

  #askBack(lane: string): void {
    for (const { giveWay } of this.#holders.get(lane) ?? []) {
      if (!giveWay) continue;
      giveWay();
      // One place is wanted; where a lane has one, that is all of them.
      return;
    }
  }

  #take(lanes: readonly string[], giveWay: (() => void) | undefined): () => void {
    const holder: Holder = { giveWay };
    for (const lane of lanes) {
      const holders = this.#holders.get(lane) ?? new Set();
      this.#holders.set(lane, holders.add(holder));
    }
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      for (const lane of lanes) {
        const holders = this.#holders.get(lane)!;
        holders.delete(holder);
        if (holders.size === 0) this.#holders.delete(lane);
      }
      this.#tell();
    };
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
