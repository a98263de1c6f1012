/**
 * The site file while the agent runs: looked at every few seconds, checked as at the start, and taken as a whole or not at
 * all. A file that is wrong changes nothing: what was good last stays, and what is wrong with the new one is said.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.js';
import type { Logger } from '../logger.js';
import { readSiteFile, type Site } from './site-file.js';

export interface SiteWatchOptions {
  /** As it was read at the start. */
  readonly site: Site;
  /** Undefined: there is none, and nothing is watched. */
  readonly path: string | undefined;
  /** What is added to each reading of the file. */
  readonly dress?: (site: Site) => Site;
  readonly knownProtocols: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs?: number;
}

const EVERY_MS = 5000;
/** What is built once at the start: a change of it is said, and waits for the next start. */
const AT_START: readonly (keyof Site)[] = ['name', 'loaderCodec', 'bluetooth'];

export class LiveSite {
  /** Always what is good now: read a field when it is needed, and do not keep it. */
  readonly site: Site;
  #current: Site;
  #note: string | undefined;
  #seen: string | undefined;
  #callOff: (() => void) | undefined;
  #look: Promise<void> = Promise.resolve();
  #stopped = false;
  /** The site, or what is wrong with its file, is another than before. */
  onChange: () => void = () => undefined;

  constructor(private readonly options: SiteWatchOptions) {
    this.#current = options.site;
    this.site = new Proxy({} as Site, { get: (_, name) => Reflect.get(this.#current, name) as unknown });
  }

  /** What is wrong with the file as it lies there now; undefined while it is the one in use. */
  get note(): string | undefined {
    return this.#note;
  }

  start(): void {
    if (this.options.path === undefined) return;
    this.#callOff = this.options.clock.after(this.options.everyMs ?? EVERY_MS, () => {
      void this.look().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#callOff?.();
    await this.#look;
  }

  /** Looks now. Never rejects. */
  look(): Promise<void> {
    this.#look = this.#look.then(() => this.#once());
    return this.#look;
  }

  async #once(): Promise<void> {
    const { path, knownProtocols, log, dress = (site: Site) => site } = this.options;
    if (path === undefined || this.#stopped) return;
    const was = this.#note;
    try {
      const bytes = await readFile(path);
      const seen = createHash('sha256').update(bytes).digest('hex');
      if (seen === this.#seen && was === undefined) return;
      const first = this.#seen === undefined;
      // Read once more by its own reader: what is half written now will be another file at the next look.
      const next = dress(await readSiteFile(path, knownProtocols));
      this.#seen = seen;
      this.#note = undefined;
      const before = this.#current;
      this.#current = next;
      if (first && was === undefined && same(before, next)) return;
      const later = AT_START.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(next[field]));
      log.info({ devices: next.devices.length, ...(later.length > 0 && { atNextStart: later }) }, 'site file taken');
    } catch (error) {
      this.#note = (error as Error).message.slice(0, 256);
      if (was === this.#note) return;
      log.error({ detail: this.#note }, 'the site file is wrong: the last good one stays');
    }
    this.onChange();
  }
}

function same(a: Site, b: Site): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
