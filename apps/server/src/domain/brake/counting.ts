/**
 * What an event of a deployment means to the tests of the brake and to the gate. The brake reads an unknown as
 * "not failed", the gate as "not good": each is pessimistic in its own direction.
 */
import { ERROR_CODES, type Blame, type ErrorCode } from '@drydock/contracts';

/** Families of the brake: which test a failure feeds. Gateway and site tests hear of every blame but the server's. */
export type BrakeFamily = 'firmware' | 'transport' | 'site';

/** A bad radio must not stop good firmware, nor a full disk. */
export const FAMILY_OF_BLAME: Readonly<Record<Blame, BrakeFamily>> = {
  firmware: 'firmware',
  device: 'firmware',
  link: 'transport',
  gateway: 'site',
  server: 'site',
  operator: 'site',
};

export function familyOf(code: ErrorCode): BrakeFamily {
  return FAMILY_OF_BLAME[ERROR_CODES[code].blame];
}

export type TrialEvent =
  | { readonly kind: 'proven' }
  | { readonly kind: 'failed'; readonly blame: Blame; readonly attemptsLeft: boolean }
  | { readonly kind: 'lost'; readonly gatewayHeard: boolean; readonly activationBegan: boolean }
  | { readonly kind: 'unproven' }
  /** Cancelled before the start, skipped, or a grant that ended unused. */
  | { readonly kind: 'never-started' }
  /** Stopped at a safe point. */
  | { readonly kind: 'cancelled-after-start' }
  /** A success that fell back later. */
  | { readonly kind: 'reverted' };

export interface EventCounts {
  /** False: the grant was no trial; its ordinal is taken out of every test. */
  readonly trial: boolean;
  /** x of the firmware tests (campaign, model, previous version): entered at the deployment's ordinal, for good. */
  readonly firmware: number;
  /** x of the transport test. */
  readonly transport: number;
  /** x of the gateway and site tests. */
  readonly place: number;
  /** No further attempt follows: the frontier may pass this ordinal. */
  readonly final: boolean;
  readonly gate: 'good' | 'bad' | 'not-finished' | 'not-tried' | 'own-counter';
}

const TRIAL: EventCounts = { trial: true, firmware: 0, transport: 0, place: 0, final: false, gate: 'not-finished' };

/**
 * @param transportWeight what a device whose links used up its attempts counts in the firmware test, in [0, 1].
 *   Fixed for a campaign.
 */
export function countEvent(event: TrialEvent, transportWeight = 0): EventCounts {
  switch (event.kind) {
    case 'proven':
      return { ...TRIAL, final: true, gate: 'good' };
    case 'failed':
      return countFailure(event, transportWeight);
    case 'lost':
      // Silence alone says nothing about the firmware: only a device that vanished while its gateway was heard does.
      if (event.gatewayHeard && event.activationBegan)
        return { ...TRIAL, firmware: 1, place: 1, final: true, gate: 'bad' };
      return TRIAL;
    case 'unproven':
      return { ...TRIAL, final: true, gate: 'own-counter' };
    case 'never-started':
      return { ...TRIAL, trial: false, final: true, gate: 'not-tried' };
    case 'cancelled-after-start':
      return { ...TRIAL, final: true };
    case 'reverted':
      return { ...TRIAL, firmware: 1, place: 1, final: true, gate: 'bad' };
  }
}

function countFailure(event: { blame: Blame; attemptsLeft: boolean }, transportWeight: number): EventCounts {
  // A server that was away says nothing of the gateways behind it.
  const failed = { ...TRIAL, place: event.blame === 'server' ? 0 : 1, final: !event.attemptsLeft };
  switch (FAMILY_OF_BLAME[event.blame]) {
    case 'firmware':
      // At once and for good, even if a retry succeeds.
      return { ...failed, firmware: 1, gate: 'bad' };
    case 'transport':
      return event.attemptsLeft ? failed : { ...failed, transport: 1, firmware: transportWeight, gate: 'bad' };
    case 'site':
      return event.attemptsLeft ? failed : { ...failed, gate: 'own-counter' };
  }
}
