/**
 * Which devices are there and what they run: those of the site file, those that a rule of it discovers,
 * and strays. A unit is identified when that is due, after its update, and never during one.
 */
import type { InventoryBody, InventoryDevice, PresenceBody, Stray } from '@drydock/contracts';
import { DrydockError, applicationAddress, type Identification, type Sighting } from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { SessionDriver } from '../driver/session-driver.js';
import type { Lanes } from '../links/lanes.js';
import { wrongHardware } from '../deployments/unit-checks.js';
import { linkOptionsOf, type LinkFactory } from '../links/link-factory.js';
import { linkLane, parseLinkName } from '../links/parse-link.js';
import type { Signals } from '../links/signals.js';
import type { Logger } from '../logger.js';
import { requireProtocol, type ProtocolRegistry } from '../protocols.js';
import { matchesGlob } from './glob.js';
import { tellChange } from './device-change.js';
import type { Site, SiteDevice } from '../site/site-file.js';

export interface InventoryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly site: Site;
  readonly links: LinkFactory;
  readonly lanes: Lanes;
  /** Told how strongly devices are heard. */
  readonly signals?: Pick<Signals, 'hear'>;
  readonly protocols: ProtocolRegistry;
  /** Number of the newest report of this epoch, and the newest moment of the server's clock that is known. */
  evidence(): { readonly lastSeq: number; readonly heardMs: number | undefined };
  /** Rejects without a connection; then the next occasion comes. */
  publish(body: InventoryBody): Promise<void>;
  /** The state of a link changed. */
  linksChanged(): void;
}

interface Unit {
  readonly device: SiteDevice;
  readonly lane: string;
  /** Named by the site file, not found by a rule of it. */
  readonly listed: boolean;
  triedMs: number;
  dueMs: number;
  failures: number;
  state: 'unknown' | 'up' | 'down';
  note: string | undefined;
  rssiDbm: number | undefined;
  facts: InventoryDevice | undefined;
  reading: boolean;
}

/** A port is there or not; a Bluetooth device has to be heard first. */
const OPEN_MS = { serial: 3000, udp: 3000, agent: 3000, ble: 20_000 } as const;
const IDENTIFY_MS = 60_000;
/** Several units that were read at about the same time go in one message. */
const GATHER_MS = 250;
const RETRY_MS = 30_000;
/** Units read at the same time. */
const MAX_READING = 4;
const MAX_UNITS = 512;
const MAX_DEVICES_PER_MESSAGE = 100;
const MAX_STRAYS = 64;
const MAX_PRESENCE_LINKS = 64;

export class Inventory {
  readonly #options: InventoryOptions;
  readonly #units = new Map<string, Unit>();
  readonly #changed = new Set<Unit>();
  readonly #strays = new Map<string, Stray>();
  readonly #reads = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #stopListening: () => void;
  #sequence = 0;
  #timer: (() => void) | undefined;
  #scanTimer: (() => void) | undefined;
  #publishTimer: (() => void) | undefined;
  #scan: Promise<void> | undefined;
  #isScanning = false;
  /** The adapter came back while a look was under way that may have failed for want of it. */
  #scanAgain = false;
  #adapterNote: string | undefined;

  constructor(options: InventoryOptions) {
    this.#options = options;
    for (const device of options.site.devices) this.#add(device, true);
    this.#stopListening = options.lanes.onFree(() => this.#pump());
  }

  start(): void {
    this.#pump();
    if (this.#options.site.bluetooth) this.#scanNow();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopListening();
    this.#timer?.();
    this.#scanTimer?.();
    this.#publishTimer?.();
    await Promise.allSettled([...this.#reads, this.#scan]);
  }

  /** The connection is there: all that is known is told again. */
  connected(): void {
    for (const unit of this.#units.values()) if (unit.facts) this.#changed.add(unit);
    this.#publishSoon();
  }

  /** Units on these links are worth a look now: their update is over. */
  look(links: readonly string[]): void {
    const lanes = new Set(links.map(linkLane));
    for (const unit of this.#units.values()) if (lanes.has(unit.lane)) unit.dueMs = 0;
    this.#pump();
  }

  /** The adapter was plugged in again: it is used at once, and those behind it are looked at. */
  adapterReturned(): void {
    if (!this.#options.site.bluetooth || this.#stop.signal.aborted) return;
    this.#options.links.adapterReturned?.();
    if (this.#isScanning) this.#scanAgain = true;
    else {
      this.#scanTimer?.();
      this.#scanNow();
    }
  }

  /** The site file is another: units it no longer names are let go, new ones are looked at. */
  siteChanged(): void {
    const listed = new Map(this.#options.site.devices.map((device) => [linkLane(device.link), device]));
    for (const [lane, unit] of this.#units) {
      const next = listed.get(lane);
      const stays = next ? JSON.stringify(next) === JSON.stringify(unit.device) : !unit.listed;
      if (stays) listed.delete(lane);
      else {
        this.#units.delete(lane);
        this.#changed.delete(unit);
      }
    }
    for (const device of listed.values()) this.#add(device, true);
    this.#pump();
  }

  /** What presence says of links. */
  presenceLinks(): PresenceBody['links'] {
    const { links, site } = this.#options;
    const { bluetooth } = site;
    const kept = links.adapterState;
    const isUp = this.#adapterNote === undefined && kept?.state !== 'down';
    const note = (kept?.note ?? this.#adapterNote)?.slice(0, 256);
    const adapter = bluetooth
      ? [
          {
            link: `adapter:${bluetooth.adapter}`,
            state: isUp ? ('up' as const) : ('down' as const),
            ...(note !== undefined && { note }),
          },
        ]
      : [];
    const units = [...this.#units.values()]
      .filter((unit) => unit.state !== 'unknown')
      .map(({ device: { link }, state, note: said }) => {
        // Whatever was seen of them last: without the adapter nobody reaches them, also while an update waits for it.
        const isCutOff = !isUp && link.startsWith('ble:');
        const why = isCutOff ? 'link.ble-unavailable' : said;
        return {
          link,
          state: state === 'up' && !isCutOff ? ('up' as const) : ('down' as const),
          ...(why !== undefined && { note: why }),
        };
      });
    return [...adapter, ...units].slice(0, MAX_PRESENCE_LINKS);
  }

  #add(device: SiteDevice, listed: boolean): Unit {
    const lane = linkLane(device.link);
    const unit: Unit = {
      device,
      lane,
      listed,
      triedMs: Number.NEGATIVE_INFINITY,
      dueMs: 0,
      failures: 0,
      state: 'unknown',
      note: undefined,
      rssiDbm: undefined,
      facts: undefined,
      reading: false,
    };
    this.#units.set(lane, unit);
    return unit;
  }

  #pump(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#stop.signal.aborted) return;
    const now = this.#options.clock.monotonicMs();
    let next = Number.POSITIVE_INFINITY;
    for (const unit of this.#units.values()) {
      if (unit.reading) continue;
      if (unit.dueMs > now) {
        next = Math.min(next, unit.dueMs);
        continue;
      }
      if (this.#reads.size >= MAX_READING) break; // the end of a read looks again
      const yielding = new AbortController();
      const free = this.#options.lanes.tryBorrow(unit.lane, () => yielding.abort());
      if (!free) continue; // it is being updated, or about to be: the end of that looks again
      unit.reading = true;
      const read = this.#read(unit, yielding.signal);
      this.#reads.add(read);
      void read.then(() => {
        unit.reading = false;
        this.#reads.delete(read);
        free(); // looks again
      });
    }
    if (next !== Number.POSITIVE_INFINITY) this.#timer = this.#options.clock.after(next - now, () => this.#pump());
  }

  async #read(unit: Unit, yielding: AbortSignal): Promise<void> {
    const { clock, log, site } = this.#options;
    const evidence = this.#options.evidence();
    const was = `${unit.state} ${unit.note}`;
    unit.triedMs = clock.monotonicMs();
    try {
      const found = await this.#identify(unit.device, yielding);
      if (this.#units.get(unit.lane) !== unit) return; // the site file no longer names it like this
      if (unit.facts) tellChange(log, unit.facts, found);
      unit.facts = this.#describe(unit, found, evidence);
      if (unit.state === 'down') log.info({ link: unit.device.link }, 'identified again');
      unit.state = 'up';
      unit.note = undefined;
      unit.failures = 0;
      unit.dueMs = clock.monotonicMs() + site.identifyEverySeconds * 1000;
      this.#changed.add(unit);
      this.#publishSoon();
    } catch (error) {
      // An update wants the device: it is looked at when that is over.
      if (yielding.aborted || this.#stop.signal.aborted) return;
      const said = error instanceof DrydockError ? error : undefined;
      unit.state = 'down';
      unit.note = (said?.code ?? (error as Error).message).slice(0, 256);
      unit.failures += 1;
      const pauseMs = Math.min(RETRY_MS * 2 ** Math.min(unit.failures - 1, 10), site.identifyEverySeconds * 1000);
      unit.dueMs = clock.monotonicMs() + pauseMs;
      if (was !== `down ${unit.note}`)
        log.info({ link: unit.device.link, detail: (error as Error).message }, 'not identified');
    }
    if (was !== `${unit.state} ${unit.note}`) this.#options.linksChanged();
  }

  async #identify(device: SiteDevice, yielding: AbortSignal): Promise<Identification> {
    const { links, clock, protocols } = this.#options;
    const protocol = requireProtocol(device.protocol, protocols);
    const link = await links.link(device.link, protocol, device.model);
    const driver = new SessionDriver({ clock, link, fences: NO_FENCES });
    const wanted = AbortSignal.any([this.#stop.signal, yielding]);
    const cancel = (): void => driver.abort(this.#stop.signal.aborted ? 'the agent is stopping' : 'an update is due');
    wanted.addEventListener('abort', cancel, { once: true });
    try {
      if (wanted.aborted) throw new DrydockError('link.lost', { detail: 'not begun' });
      return await driver.run((info) => protocol.identify(info, linkOptionsOf(device.link)), {
        openMs: OPEN_MS[parseLinkName(device.link).kind],
        limitMs: IDENTIFY_MS,
      });
    } finally {
      wanted.removeEventListener('abort', cancel);
      await driver.close();
    }
  }

  #describe(
    unit: Unit,
    found: Identification,
    evidence: { lastSeq: number; heardMs: number | undefined },
  ): InventoryDevice {
    const { device } = unit;
    // Another unit than the site file says is told as what it is, without the names of the expected one.
    const expected = device.identity;
    const stranger =
      expected !== undefined &&
      found.mode === 'application' &&
      (expected.kind !== found.identity.kind || expected.value !== found.identity.value);
    if (stranger)
      this.#options.log.warn({ link: device.link, found: found.identity }, 'another unit than the site file says');
    const wrong = found.mode === 'application' ? wrongHardware(found, device.hardware) : undefined;
    if (wrong) this.#options.log.warn({ link: device.link, detail: wrong }, 'other hardware than the site file says');
    const model = found.model ?? (stranger ? undefined : device.model);
    return {
      identity: found.mode === 'bootloader' && expected ? expected : found.identity,
      ...(model !== undefined && { model }),
      ...(device.name !== undefined && !stranger && { name: device.name }),
      links: [{ link: device.link, ...(unit.rssiDbm !== undefined && { rssiDbm: unit.rssiDbm }) }],
      protocol: found.protocol,
      mode: found.mode,
      running: [...found.running].slice(0, 8),
      ...(found.installed && { installed: [...found.installed].slice(0, 8) }),
      hardware: { ...found.hardware },
      readAfterSeq: evidence.lastSeq,
      ...(evidence.heardMs !== undefined && { readHeardMs: evidence.heardMs }),
    };
  }

  #publishSoon(): void {
    if (this.#stop.signal.aborted) return;
    this.#publishTimer ??= this.#options.clock.after(GATHER_MS, () => {
      this.#publishTimer = undefined;
      void this.#publish();
    });
  }

  async #publish(): Promise<void> {
    const units = [...this.#changed].slice(0, MAX_DEVICES_PER_MESSAGE);
    const strays = [...this.#strays.values()];
    if (units.length === 0 && strays.length === 0) return;
    for (const unit of units) this.#changed.delete(unit);
    this.#strays.clear();
    this.#sequence += 1;
    try {
      await this.#options.publish({ sequence: this.#sequence, devices: units.map((unit) => unit.facts!), strays });
      if (this.#changed.size > 0) this.#publishSoon();
    } catch {
      // Told again with the next connection.
      for (const unit of units) this.#changed.add(unit);
    }
  }

  #scanNow(): void {
    const { bluetooth } = this.#options.site;
    if (!bluetooth || this.#stop.signal.aborted) return;
    this.#isScanning = true;
    this.#scan = this.#look(bluetooth.scanSeconds * 1000).finally(() => {
      this.#isScanning = false;
      if (this.#stop.signal.aborted) return;
      if (this.#scanAgain) {
        this.#scanAgain = false;
        return this.#scanNow();
      }
      this.#scanTimer = this.#options.clock.after(bluetooth.everySeconds * 1000, () => this.#scanNow());
    });
  }

  async #look(withinMs: number): Promise<void> {
    const was = this.#adapterNote;
    try {
      const adapter = await this.#options.links.bluetooth();
      await adapter.scan(withinMs, (sighting) => this.#saw(sighting), this.#stop.signal);
      if (was !== undefined) this.#options.log.info({}, 'Bluetooth again');
      this.#adapterNote = undefined;
    } catch (error) {
      this.#adapterNote = (error as Error).message.slice(0, 256);
      if (was !== this.#adapterNote) this.#options.log.warn({ detail: this.#adapterNote }, 'no Bluetooth');
    }
    if (was !== this.#adapterNote) this.#options.linksChanged();
  }

  #saw(sighting: Sighting): void {
    const address = sighting.address.toLowerCase();
    const lane = `ble:${address}`;
    if (sighting.rssiDbm !== undefined) this.#options.signals?.hear(lane, sighting.rssiDbm);
    const known = this.#units.get(lane);
    if (known) {
      known.rssiDbm = sighting.rssiDbm;
      this.#lookSooner(known, sighting);
      return;
    }
    const protocol = [...this.#options.protocols.values()].find((each) => each.recognise(sighting) === 'bootloader');
    if (protocol) {
      // A known device in its bootloader is no stray, nor is one that is being updated.
      const neighbour = `ble:${applicationAddress(address)}`;
      if (this.#units.has(neighbour) || [lane, neighbour].some((each) => this.#options.lanes.isBusy(each))) return;
      if (this.#strays.size >= MAX_STRAYS && !this.#strays.has(lane)) return;
      this.#strays.set(lane, {
        link: `ble:${address.toUpperCase()}`,
        protocol: protocol.name,
        ...(sighting.name !== undefined && { name: sighting.name.slice(0, 128) }),
        ...(sighting.rssiDbm !== undefined && { rssiDbm: sighting.rssiDbm }),
      });
      this.#publishSoon();
      return;
    }
    const rule = this.#options.site.discover.find(
      ({ name }) => sighting.name !== undefined && matchesGlob(name, sighting.name),
    );
    // An address that changes would be a new device every few minutes. A bond tells whose it is, and then it is another one.
    if (!rule || this.#units.size >= MAX_UNITS || sighting.privateAddress) return;
    const link = `ble:${address.toUpperCase()}`;
    parseLinkName(link); // what is advertised becomes a name only if it is an address
    const unit = this.#add(
      {
        name: sighting.name?.slice(0, 128),
        model: rule.model,
        link,
        protocol: rule.protocol,
        identity: undefined,
      },
      false,
    );
    unit.rssiDbm = sighting.rssiDbm;
    this.#pump();
  }

  /** It is heard again, or advertises as another than it was: worth a look before that is due. */
  #lookSooner(unit: Unit, sighting: Sighting): void {
    const recognised = this.#options.protocols.get(unit.device.protocol)?.recognise(sighting);
    const changed = recognised === 'bootloader' && unit.facts?.mode === 'application';
    if (unit.reading || (unit.state !== 'down' && !changed)) return;
    // What advertises and then does not answer is not asked at every advertisement.
    const due = Math.max(this.#options.clock.monotonicMs(), unit.triedMs + RETRY_MS);
    if (due >= unit.dueMs) return;
    unit.dueMs = due;
    this.#pump();
  }
}
