/**
 * A random fleet and the firmware that meets it. Everything a rule could see is drawn beforehand, so that all rules
 * are judged on the same devices with the same fates.
 */
import { normal, seededRandom } from './random.js';

export const FLEET_SIZE = 5_000;
export const GATEWAYS = 125;
/** Whole try, start to result: lognormal, alike for good and bad ends. */
const MEDIAN_MINUTES = 5;
const LOG_SD = 0.6;
/** The new image is activated after this share of the try. */
export const ACTIVATION_SHARE = 0.8;
/** 99th percentile of activation to proof. */
export const PROOF_99_MINUTES = (1 - ACTIVATION_SHARE) * MEDIAN_MINUTES * Math.exp(2.326 * LOG_SD);

export interface Device {
  readonly gateway: number;
  /** Uniform: it fails where this is below the firmware's rate. */
  readonly fate: number;
  readonly minutes: number;
}

/** In the order of selection. */
export type Fleet = readonly Device[];

/** @param seed one fleet a seed. Devices of a gateway lie anywhere in the order. */
export function drawFleet(seed: number): Fleet {
  const random = seededRandom(seed);
  const gateways = Array.from({ length: FLEET_SIZE }, (_, index) => index % GATEWAYS);
  for (let at = gateways.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [gateways[at], gateways[other]] = [gateways[other]!, gateways[at]!];
  }
  return gateways.map((gateway) => ({
    gateway,
    fate: random(),
    minutes: MEDIAN_MINUTES * Math.exp(LOG_SD * normal(random)),
  }));
}

export interface World {
  /** Probability that the firmware fails on a device. */
  readonly failureRate: number;
  /** A failed device says nothing any more, and nobody says it for it. */
  readonly mute: boolean;
  /** One gateway (number 0) fails this share of its devices, whatever the firmware. */
  readonly sickGatewayRate: number;
}

export const fails = (device: Device, world: World): boolean =>
  device.fate < (device.gateway === 0 ? Math.max(world.failureRate, world.sickGatewayRate) : world.failureRate);

/** What became of a campaign. */
export interface Outcome {
  readonly halted: boolean;
  readonly started: number;
  /** Of all that were started: those in flight at the halt meet their fate, too. */
  readonly failed: number;
  /** Until the last result, or the halt. */
  readonly minutes: number;
}

/** Failed devices among those started. */
export function countFailed(fleet: Fleet, started: Iterable<number>, world: World): number {
  let failed = 0;
  for (const index of started) if (fails(fleet[index]!, world)) failed += 1;
  return failed;
}
