/**
 * Reads of large things that many people ask for at once. Who asks while one runs waits for it; what was slow is shared for a
 * few times what it took, so that watchers cannot cost more the more of them there are. Small things are read anew every time.
 */

const SLOW_MS = 20;
const SHARED_FOR = 10;
const LONGEST_MS = 2_000;
const MAX_SHARED = 500;

export class SharedReads {
  private readonly shared = new Map<string, Promise<unknown>>();

  /**
   * @param key names the answer, and all that a person could have changed of it.
   * @param large whether it may be shared at all.
   */
  read<T>(key: string, large: boolean, make: () => Promise<T>): Promise<T> {
    if (!large) return make();
    const known = this.shared.get(key);
    // The key names the kind of answer, too.
    if (known) return known as Promise<T>;
    const startedAt = performance.now();
    const reading = make();
    const forget = (): void => {
      if (this.shared.get(key) === reading) this.shared.delete(key);
    };
    reading.then(() => {
      const tookMs = performance.now() - startedAt;
      if (tookMs < SLOW_MS) forget();
      else setTimeout(forget, Math.min(LONGEST_MS, tookMs * SHARED_FOR)).unref();
    }, forget);
    const [oldest] = this.shared.keys();
    if (this.shared.size >= MAX_SHARED && oldest !== undefined) this.shared.delete(oldest);
    this.shared.set(key, reading);
    return reading;
  }
}
