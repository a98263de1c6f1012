/** What one gateway shall do now: grants, cancellations, artifacts to fetch ahead, within the size of an order. */
import { MAX_ORDER_BYTES, type ArtifactRef, type Cancellation, type Grant, type OrdersBody } from '@drydock/contracts';

type Settle = NonNullable<OrdersBody['settle']>[number];

/** A live deployment at the gateway. */
export interface LiveAtGateway {
  readonly grant: Grant;
  readonly epoch: string;
  readonly touched: boolean;
  /**
   * The epoch of the grant said that it held the order with it, or a later one, or reported the attempt, which it does
   * before it touches anything. Its journal knows of the grant then, and a restarted agent withdraws it unasked; whoever
   * had to be asked may be a copy of the card from before the grant.
   */
  readonly heardOf: boolean;
  /** The campaign is running, or the device waits for its application. */
  readonly granting: boolean;
  readonly cancel: 'before-start' | 'safe-point' | null;
}

export interface GatewayNow {
  readonly epoch: string | null;
  /** Active and not held. */
  readonly usable: boolean;
}

export interface ComposedOrder {
  readonly grants: Grant[];
  readonly cancellations: Cancellation[];
  readonly settle: Settle[];
  readonly prefetch: ArtifactRef[];
}

const MAX_GRANTS = 256;
const MAX_CANCELLATIONS = 512;
const MAX_PREFETCH = 32;
const MAX_SETTLE = 256;
/** Room for the envelope, the header and the signature; the payload grows by a third in base64url. */
const PAYLOAD_BYTES = Math.floor(((MAX_ORDER_BYTES - 1024) * 3) / 4);

/**
 * A grant is in the order while its attempt is not known to have ended and it belongs to the gateway's present epoch:
 * one that may not start any more (paused, cancelled, past `startBy`) is left out, which withdraws it. What runs
 * already is named as long as there is room. What is neither granted nor known to have started, and was never heard of
 * by its epoch, is asked for (`settle`): only the gateway can say that it will never start.
 * @param live in the order of granting.
 */
export function composeOrder(
  gateway: GatewayNow,
  live: readonly LiveAtGateway[],
  prefetch: readonly ArtifactRef[],
  nowMs: number,
): ComposedOrder {
  const order: ComposedOrder = { grants: [], cancellations: [], settle: [], prefetch: [] };
  let left = PAYLOAD_BYTES;
  const take = <T>(list: T[], item: T, most: number): void => {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (list.length >= most || bytes > left) return;
    left -= bytes;
    list.push(item);
  };
  for (const { grant, cancel } of live) {
    if (cancel === null) continue;
    const { deployment, reign, attempt } = grant;
    take(order.cancellations, { deployment, reign, attempt, mode: cancel }, MAX_CANCELLATIONS);
  }
  const named = live.filter((item) => item.epoch === gateway.epoch);
  for (const item of named) {
    const mayStart = item.granting && item.cancel === null && gateway.usable && item.grant.startBy > nowMs;
    if (!item.touched && mayStart) take(order.grants, item.grant, MAX_GRANTS);
  }
  const granted = new Set(order.grants);
  for (const { grant, epoch, touched, heardOf } of live) {
    if (touched || heardOf || granted.has(grant)) continue;
    const { deployment, reign, attempt } = grant;
    take(order.settle, { deployment, reign, attempt, epoch: epoch as Settle['epoch'] }, MAX_SETTLE);
  }
  for (const item of named) if (item.touched) take(order.grants, item.grant, MAX_GRANTS);
  for (const artifact of prefetch) take(order.prefetch, artifact, MAX_PREFETCH);
  return order;
}
