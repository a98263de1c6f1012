/**
 * One session of a forecast: bytes / rate + what does not depend on size. The log of the rate is model + gateway +
 * what is left of the single session. Slots of a gateway share its airtime: `rate_i = min(link_i, C_g/active)`.
 */
import { drawExponential, drawNormal, drawOne, type Random } from './draws.js';
import type { RunParameters } from './parameters.js';

export interface SessionInput {
  readonly bytes: number;
  readonly model: string;
  readonly gatewayId: string;
  /** From 1. */
  readonly attempt: number;
  /** C_g, bytes per second that the gateway's air carries; null: links are independent. */
  readonly gatewayBytesPerSecond: number | null;
  /** Sessions of the gateway at once, this one included. */
  readonly active: number;
  /** How long the agent waits for a device that does not come back. */
  readonly proveTimeoutMs: number;
}

export interface SessionResult {
  readonly outcome: 'proven' | 'transport' | 'firmware';
  /** With `active` sessions all along; a loop that knows better uses the parts. */
  readonly durationMs: number;
  /** Bytes that go over the link until the end: fewer where the link is lost on the way. */
  readonly transferBytes: number;
  /** Of this session alone on the air. */
  readonly linkBytesPerSecond: number;
  /** Besides the transfer. */
  readonly fixedMs: number;
}

/** From so many sessions on, what is left of them is resampled instead of taken as lognormal. */
export const LEAST_RESIDUALS = 20;

export function simulateSession(input: SessionInput, parameters: RunParameters, random: Random): SessionResult {
  const failure = parameters.failure(input.model, input.attempt);
  const residual =
    parameters.residuals.length >= LEAST_RESIDUALS
      ? drawOne(parameters.residuals, random)
      : parameters.residualSd * drawNormal(random);
  const linkBytesPerSecond = Math.exp(parameters.logRate(input.model, input.gatewayId) + residual - parameters.shock);
  const bytes = Math.max(0, input.bytes);
  const fate = random();
  const outcome = fate < failure.transport ? 'transport' : random() < failure.firmware ? 'firmware' : 'proven';
  // A link is lost anywhere on the way; bad firmware shows only when the device does not come back.
  const transferBytes = outcome === 'transport' ? bytes * random() : bytes;
  const usual = parameters.fixedMs(input.model) * Math.exp(parameters.shock);
  const fixedMs = outcome === 'firmware' ? usual + Math.max(0, input.proveTimeoutMs) : usual;
  const rate = sharedRate(linkBytesPerSecond, input.gatewayBytesPerSecond, input.active);
  const durationMs = (transferBytes / rate) * 1000 + fixedMs;
  return { outcome, durationMs, transferBytes, linkBytesPerSecond, fixedMs };
}

/** Bytes per second of one of so many sessions of a gateway. */
export function sharedRate(linkBytesPerSecond: number, gatewayBytesPerSecond: number | null, active: number): number {
  if (gatewayBytesPerSecond === null) return linkBytesPerSecond;
  return Math.min(linkBytesPerSecond, gatewayBytesPerSecond / Math.max(1, active));
}

export interface RunningTransfer {
  readonly bytesLeft: number;
  readonly linkBytesPerSecond: number;
}

/**
 * The next transfer of a gateway to end if nothing else changes, for a loop that shares the air exactly; undefined
 * without any. After it, take the bytes that {@link afterSharing} gives and ask again.
 */
export function nextToEnd(
  transfers: readonly RunningTransfer[],
  gatewayBytesPerSecond: number | null,
): { readonly index: number; readonly afterMs: number } | undefined {
  let next: { index: number; afterMs: number } | undefined;
  transfers.forEach((transfer, index) => {
    const rate = sharedRate(transfer.linkBytesPerSecond, gatewayBytesPerSecond, transfers.length);
    const afterMs = (Math.max(0, transfer.bytesLeft) / rate) * 1000;
    if (!next || afterMs < next.afterMs) next = { index, afterMs };
  });
  return next;
}

/** All transfers of a gateway some time later. */
export function afterSharing<T extends RunningTransfer>(
  transfers: readonly T[],
  gatewayBytesPerSecond: number | null,
  elapsedMs: number,
): T[] {
  return transfers.map((transfer) => {
    const rate = sharedRate(transfer.linkBytesPerSecond, gatewayBytesPerSecond, transfers.length);
    return { ...transfer, bytesLeft: Math.max(0, transfer.bytesLeft - (rate * elapsedMs) / 1000) };
  });
}

/** Alternating on and off, of a gateway's uplink or a device's link. */
export interface OnOffRule {
  readonly onShare: number;
  readonly meanOnMs: number;
  /** Lengths that were seen, resampled from 20 of each on; otherwise exponential. */
  readonly seenOnMs: readonly number[];
  readonly seenOffMs: readonly number[];
}

export interface OnOffState {
  readonly on: boolean;
  readonly untilMs: number;
}

/** Before so many switches in one step, chance starts anew: the state is long forgotten by then. */
const MOST_SWITCHES = 1_000;

/** The state at a moment of which nothing is known. */
export function drawOnOff(rule: OnOffRule, nowMs: number, random: Random): OnOffState {
  const on = random() < rule.onShare;
  return { on, untilMs: nowMs + drawLength(rule, on, random) };
}

/** The state at a later moment. */
export function advanceOnOff(rule: OnOffRule, state: OnOffState, nowMs: number, random: Random): OnOffState {
  let { on, untilMs } = state;
  for (let switches = 0; untilMs <= nowMs; switches++) {
    if (switches >= MOST_SWITCHES) return drawOnOff(rule, nowMs, random);
    on = !on;
    untilMs += drawLength(rule, on, random);
  }
  return { on, untilMs };
}

function drawLength(rule: OnOffRule, on: boolean, random: Random): number {
  const seen = on ? rule.seenOnMs : rule.seenOffMs;
  if (seen.length >= LEAST_RESIDUALS) return Math.max(1, drawOne(seen, random));
  const share = Math.min(1 - 1e-6, Math.max(1e-6, rule.onShare));
  const mean = on ? rule.meanOnMs : (rule.meanOnMs * (1 - share)) / share;
  return Math.max(1, drawExponential(mean, random));
}
