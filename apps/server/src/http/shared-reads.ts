/**
 * Reads of large things that many people ask for at once. Who asks while one runs waits for it; what was slow is shared for
 * a moment, so that watchers cannot cost more the more of them there are, and is read anew behind their backs while they
 * go on asking, so that none of them waits. Small things are read anew every time.
 */

const SLOW_MS = 20;
/** Old enough to be read anew: so many times what it took, at most a second. */
const RENEWED_AFTER = 10;
const RENEWED_AFTER_MS = 1_000;
/** Nothing older is given to anybody. */
const OLDEST_MS = 2_000;
const MAX_SHARED = 500;

interface Shared {
  readonly answer: Promise<unknown>;
  /** Set when the answer is there. */
  tookMs?: number;
  readonly askedAt: number;
  renewal?: Shared;
}

export class SharedReads {
  private readonly shared = new Map<string, Shared>();

  /**
   * @param key names the answer, and all that a person could have changed of it.
   * @param large whether it may be shared at all.
   */
  read<T>(key: string, large: boolean, make: () => Promise<T>): Promise<T> {
    if (!large) return make();
    const known = this.shared.get(key);
    // The key names the kind of answer, too.
    return (known && this.usable(key, known, make) ? known : this.ask(key, make)).answer as Promise<T>;
  }

  private usable(key: string, known: Shared, make: () => Promise<unknown>): boolean {
    if (known.tookMs === undefined) return true;
    const ageMs = performance.now() - known.askedAt - known.tookMs;
    if (ageMs > OLDEST_MS) return false;
    if (ageMs > Math.min(RENEWED_AFTER_MS, known.tookMs * RENEWED_AFTER))
      known.renewal ??= this.renew(key, known, make);
    return true;
  }

  /** The old answer is given until the new one is there; one that fails is asked for by whoever comes next. */
  private renew(key: string, known: Shared, make: () => Promise<unknown>): Shared {
    const renewal = reading(make);
    renewal.answer.then(
      () => {
        if (this.shared.get(key) === known) this.keep(key, renewal);
      },
      () => this.forget(key, known),
    );
    return renewal;
  }

  private ask(key: string, make: () => Promise<unknown>): Shared {
    const asked = reading(make);
    this.shared.delete(key);
    const [oldest] = this.shared.keys();
    if (this.shared.size >= MAX_SHARED && oldest !== undefined) this.shared.delete(oldest);
    this.shared.set(key, asked);
    asked.answer.then(
      () => this.keep(key, asked),
      () => this.forget(key, asked),
    );
    return asked;
  }

  private keep(key: string, read: Shared): void {
    if ((read.tookMs ?? 0) < SLOW_MS) return this.forget(key, this.shared.get(key));
    this.shared.set(key, read);
    setTimeout(() => this.forget(key, read), OLDEST_MS).unref();
  }

  private forget(key: string, read: Shared | undefined): void {
    if (this.shared.get(key) === read) this.shared.delete(key);
  }
}

function reading(make: () => Promise<unknown>): Shared {
  const askedAt = performance.now();
  const shared: Shared = {
    askedAt,
    answer: make().then((answer) => {
      shared.tookMs = performance.now() - askedAt;
      return answer;
    }),
  };
  return shared;
}
