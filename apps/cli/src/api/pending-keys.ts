/**
 * Keys of changes whose answer never came. The same command sends the same key again, so that what was done already is not
 * done twice. Kept for a few minutes only: later the same words may be meant anew.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readPrivate, writePrivate } from '../settings/files.js';

const KEPT_MS = 5 * 60_000;
const MOST_KEPT = 100;
const Kept = z.record(z.string(), z.object({ key: z.string().max(100), at: z.number() }));

export class PendingKeys {
  readonly #path: string;
  /** Sent, and not answered yet. */
  readonly #open = new Map<string, string>();

  constructor(
    folder: string,
    private readonly now: () => number,
  ) {
    this.#path = join(folder, 'pending.json');
  }

  /** @param fresh used unless the same request was left without an answer. */
  begin(request: { readonly token: string; readonly url: string; readonly body: string }, fresh: string): string {
    const id = createHash('sha256')
      .update(JSON.stringify([request.token, request.url, request.body]))
      .digest('hex');
    const key = this.#read()[id]?.key ?? fresh;
    this.#open.set(id, key);
    return key;
  }

  /** An answer came. */
  answered(key: string): void {
    const [id] = [...this.#open].find(([, open]) => open === key) ?? [];
    if (id === undefined) return;
    this.#open.delete(id);
    const { [id]: known, ...others } = this.#read();
    if (known) writePrivate(this.#path, JSON.stringify(others));
  }

  /**
   * This process ends without the answers: the next one may ask again. Never throws: it is called at the end.
   * @returns whether an answer is missing.
   */
  keepOpen(): boolean {
    if (this.#open.size === 0) return false;
    try {
      const kept = { ...this.#read() };
      for (const [id, key] of this.#open) kept[id] = { key, at: this.now() };
      writePrivate(this.#path, JSON.stringify(Object.fromEntries(Object.entries(kept).slice(-MOST_KEPT))));
    } catch {
      // Without a place to write, a repeat is a new request; the server judges it by its own state.
    }
    return true;
  }

  #read(): z.infer<typeof Kept> {
    try {
      const found = Kept.safeParse(JSON.parse(readPrivate(this.#path) ?? '{}'));
      if (!found.success) return {};
      return Object.fromEntries(
        Object.entries(found.data).filter(([, { at }]) => at > this.now() - KEPT_MS && at <= this.now()),
      );
    } catch {
      return {};
    }
  }
}
