/**
 * When windows are open, when they close, and whether something fits. Several windows are one: where they meet or overlap
 * they are one opening. No window at all is never open; who has no windows does not ask.
 */
import type { MaintenanceWindow } from '@drydock/contracts';
import { openingsOf, type Openings } from './maintenance-window.js';

/** An opening that is longer counts as open so long at least: enough to let anything start. */
const LOOK_AHEAD_MS = 31 * 86_400_000;
/** Openings looked at for one that is long enough. */
const MAX_OPENINGS = 100;

export function isOpen(windows: readonly MaintenanceWindow[], zone: string, atMs: number): boolean {
  return closeOf(openingsIn(windows, zone), atMs) !== undefined;
}

/** @returns when the opening at this moment ends (at least 31 days on, where it is longer); undefined when it is closed. */
export function closesAt(windows: readonly MaintenanceWindow[], zone: string, atMs: number): number | undefined {
  return closeOf(openingsIn(windows, zone), atMs);
}

/** @returns when it opens next, after the present opening if there is one; undefined when never, or not within reach. */
export function nextOpening(windows: readonly MaintenanceWindow[], zone: string, atMs: number): number | undefined {
  const openings = openingsIn(windows, zone);
  return firstOpen(openings, closeOf(openings, atMs) ?? atMs);
}

/** Whether something that takes so long, started now, ends before the opening does. */
export function fits(windows: readonly MaintenanceWindow[], zone: string, nowMs: number, durationMs: number): boolean {
  return fitsBefore(closeOf(openingsIn(windows, zone), nowMs), nowMs, durationMs);
}

export interface OpenZones {
  /** Zones in which something may start now, and when their opening ends. */
  readonly open: ReadonlyMap<string, number>;
  /** Zones in which nothing may start now, and when it may again; null: never, not within reach, or the zone is unknown. */
  readonly closed: ReadonlyMap<string, number | null>;
  /** Nothing of this changes before; null: never. */
  readonly validUntilMs: number | null;
}

/**
 * The windows in every zone, once per tick: the answer goes into SQL by zone.
 * @param p90Ms how long an update takes in nine of ten cases: what would not end in time does not start.
 */
export function openZones(
  windows: readonly MaintenanceWindow[],
  zones: Iterable<string>,
  nowMs: number,
  p90Ms: number,
): OpenZones {
  const open = new Map<string, number>();
  const closed = new Map<string, number | null>();
  let validUntilMs: number | null = null;
  const changes = (atMs: number): void => {
    validUntilMs = Math.min(validUntilMs ?? atMs, atMs);
  };
  for (const zone of new Set(zones)) {
    const openings = openingsOrNone(windows, zone);
    const closeMs = closeOf(openings, nowMs);
    if (closeMs !== undefined && fitsBefore(closeMs, nowMs, p90Ms)) {
      open.set(zone, closeMs);
      // The last moment at which it still fits is one of the opening.
      changes(closeMs - p90Ms + 1);
    } else {
      const opensMs = firstThatFits(openings, closeMs ?? nowMs, p90Ms);
      closed.set(zone, opensMs ?? null);
      if (opensMs !== undefined) changes(opensMs);
    }
  }
  return { open, closed, validUntilMs };
}

function openingsIn(windows: readonly MaintenanceWindow[], zone: string): Openings[] {
  return windows.map((window) => openingsOf(window, zone));
}

/** Unknown means closed: a zone that this machine does not know lets nothing start. */
function openingsOrNone(windows: readonly MaintenanceWindow[], zone: string): Openings[] {
  try {
    return openingsIn(windows, zone);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function closeOf(openings: readonly Openings[], atMs: number): number | undefined {
  let closeMs = atMs;
  for (let grown = true; grown && closeMs < atMs + LOOK_AHEAD_MS;) {
    grown = false;
    for (const { durationMs, lastUntil } of openings) {
      const endMs = (lastUntil(closeMs) ?? -Infinity) + durationMs;
      if (endMs > closeMs) {
        closeMs = endMs;
        grown = true;
      }
    }
  }
  return closeMs > atMs ? closeMs : undefined;
}

function firstOpen(openings: readonly Openings[], atMs: number): number | undefined {
  const starts = openings.flatMap(({ firstAfter }) => firstAfter(atMs) ?? []);
  return starts.length === 0 ? undefined : Math.min(...starts);
}

function firstThatFits(openings: readonly Openings[], atMs: number, durationMs: number): number | undefined {
  let fromMs = atMs;
  for (let count = 0; count < MAX_OPENINGS; count++) {
    const opensMs = firstOpen(openings, fromMs);
    if (opensMs === undefined) return undefined;
    const closeMs = closeOf(openings, opensMs);
    if (fitsBefore(closeMs, opensMs, durationMs)) return opensMs;
    fromMs = closeMs ?? opensMs;
  }
  return undefined;
}

function fitsBefore(closeMs: number | undefined, nowMs: number, durationMs: number): boolean {
  return closeMs !== undefined && nowMs + durationMs <= closeMs;
}
