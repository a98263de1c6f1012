/**
 * Are the ports and the adapter still there? An unplugged adapter says nothing until somebody wants to use it, so the
 * places are looked at now and then: what went and what came back is told, and looked at again at once.
 */
import { stat } from 'node:fs/promises';
import type { Clock } from '../clock.js';
import { parseLinkName } from '../links/parse-link.js';
import type { Logger } from '../logger.js';
import type { Site } from '../site/site-file.js';

const EVERY_MS = 5000;
/** While one is missing: somebody may be standing there with it in the hand. */
const MISSING_MS = 1000;

export interface PlaceWatchOptions {
  readonly site: Pick<Site, 'devices' | 'bluetooth'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Logger;
  /** A place is there again, and the links behind it: `serial:PATH`, `adapter:NAME`. */
  back(links: readonly string[], what: string): void;
}

interface Place {
  readonly path: string;
  readonly what: string;
  readonly links: string[];
  there: boolean | undefined;
  sinceMs: number;
}

export class PlaceWatch {
  readonly #options: PlaceWatchOptions;
  #places: Place[];
  #timer: (() => void) | undefined;
  #look: Promise<void> | undefined;
  #stopped = false;

  constructor(options: PlaceWatchOptions) {
    this.#options = options;
    this.#places = placesOf(options.site);
  }

  start(): void {
    this.#look = undefined;
    if (this.#places.length === 0 || this.#stopped) return;
    this.#look = this.#lookAtAll().then(() => {
      if (!this.#stopped)
        this.#timer = this.#options.clock.after(this.missing.length > 0 ? MISSING_MS : EVERY_MS, () => this.start());
    });
  }

  /** The site file is another. What is known of a place that stays is kept. */
  siteChanged(): void {
    const known = new Map(this.#places.map((place) => [place.path, place]));
    this.#places = placesOf(this.#options.site).map((place) => {
      const { there, sinceMs } = known.get(place.path) ?? place;
      return { ...place, there, sinceMs };
    });
    if (this.#look === undefined) this.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    await this.#look;
  }

  /** Places that are missing now. */
  get missing(): readonly { readonly what: string; readonly links: readonly string[]; readonly sinceMs: number }[] {
    return this.#places.filter(({ there }) => there === false);
  }

  async #lookAtAll(): Promise<void> {
    for (const place of this.#places) {
      const there = await stat(place.path).then(
        () => true,
        () => false,
      );
      if (this.#stopped || there === place.there) continue;
      const first = place.there === undefined;
      const awayMs = Math.round(performance.now() - place.sinceMs);
      place.there = there;
      place.sinceMs = performance.now();
      const { log } = this.#options;
      if (!there) log.warn({ link: place.what, path: place.path }, first ? 'not there' : 'went away');
      else if (!first) {
        log.info({ link: place.what, path: place.path, awayMs }, 'came back');
        this.#options.back(place.links, place.what);
      }
    }
  }
}

function placesOf(site: Pick<Site, 'devices' | 'bluetooth'>): Place[] {
  const places = new Map<string, Place>();
  const add = (path: string, what: string, link?: string): void => {
    const place = places.get(path) ?? { path, what, links: [], there: undefined, sinceMs: performance.now() };
    if (link !== undefined) place.links.push(link);
    places.set(path, place);
  };
  for (const { link } of site.devices) {
    const parsed = parseLinkName(link);
    if (parsed.kind === 'serial') add(parsed.path, `serial:${parsed.path}`, link);
  }
  const adapter = site.bluetooth?.adapter;
  const path = adapter === undefined ? undefined : adapterPath(adapter);
  if (path !== undefined) {
    add(path, `adapter:${adapter}`);
    // Behind it.
    for (const { link } of site.devices) if (link.startsWith('ble:')) add(path, `adapter:${adapter}`, link);
  }
  return [...places.values()];
}

/** Where an adapter shows in the file system; undefined for one behind a network. */
export function adapterPath(adapter: string): string | undefined {
  const h4 = /^h4:(serial|unix):([^,]+)/.exec(adapter);
  if (h4) return h4[2];
  return /^hci\d+$/.test(adapter) ? `/sys/class/bluetooth/${adapter}` : undefined;
}
