/**
 * In which order the messages of a gateway belong, whatever order they arrive in; and how two agents that share one
 * key (a cloned card) are told from one agent that was restarted.
 *
 * An epoch is one run of an agent. Epochs are random, so nothing in them says which is newer, and brokers may deliver
 * late, twice, and after a restart of the server in any order. What can be known for certain:
 *
 * - an epoch had begun by `firstSeenMs`, when its first message was handled;
 * - it was not over at `heardMs`, the newest moment of the servers' clock that one of its signed messages knows of
 *   (a stamp the server gave out, or the making of the order it holds).
 *
 * So its life covers [firstSeenMs, heardMs] whenever that is an interval. The lives of one gateway's own epochs
 * follow each other; where two certain intervals overlap, two agents were alive at the same moment. A restart, a late
 * redelivery and a last will cannot cause that: they never make an interval longer than the life it stands for.
 */

/** All times in milliseconds of the servers' clock. */
export interface EpochLife {
  readonly epoch: string;
  readonly firstSeenMs: number;
  readonly heardMs: number | null;
  /** It counted as the live one at some time; otherwise only traces of it are known: a login, a last will. */
  readonly wasLive: boolean;
  /** Newest presence that was applied: connection within the epoch, message within the connection. */
  readonly connection: number;
  readonly sequence: number;
}

/** The part of a presence message that says where it belongs. */
export interface PresenceStamp {
  readonly epoch: string;
  readonly connection: number;
  readonly sequence: number;
  readonly online: boolean;
  readonly heardMs: number | null;
}

export type PresenceVerdict =
  /** It is the newest word of the gateway. */
  | { readonly kind: 'apply'; readonly epochChanged: boolean }
  /** Handled before, overtaken, or of an epoch that is over: changes nothing. */
  | { readonly kind: 'late' }
  /** `other` lived while this one did: two agents use one key. */
  | { readonly kind: 'two-lives'; readonly other: string };

/** Lives must overlap by more than this: room for a step of the database's clock. */
export const OVERLAP_MARGIN_MS = 5_000;

/**
 * @param lives all known epochs of the gateway, that of the message included if it is known.
 * @param current the epoch that counts as live, null before any.
 */
export function judgePresence(
  lives: readonly EpochLife[],
  current: string | null,
  stamp: PresenceStamp,
  nowMs: number,
): PresenceVerdict {
  const own = lives.find(({ epoch }) => epoch === stamp.epoch);
  const life = withWitness(own, stamp.epoch, stamp.heardMs, nowMs);
  const other = overlapping(lives, life);
  if (other !== undefined) return { kind: 'two-lives', other };

  if (own && !isNewer(stamp, own)) return { kind: 'late' };
  if (stamp.epoch === current) return { kind: 'apply', epochChanged: false };
  // A last will says that an agent is gone, never that it has come.
  if (!stamp.online) return { kind: 'late' };
  if (!own?.wasLive) return { kind: 'apply', epochChanged: true };
  // An epoch that another has followed comes back only when it proves that it outlived the other's first message:
  // then that one was the older, handled late.
  const rival = lives.find(({ epoch }) => epoch === current);
  const outlived = rival === undefined || (life.heardMs !== null && life.heardMs > rival.firstSeenMs);
  return outlived ? { kind: 'apply', epochChanged: true } : { kind: 'late' };
}

/** The life as it is known once a message of it was handled at `nowMs`. A stamp from the future counts as now. */
export function withWitness(
  own: EpochLife | undefined,
  epoch: string,
  heardMs: number | null,
  nowMs: number,
): EpochLife {
  const heard = heardMs === null ? null : Math.min(heardMs, nowMs);
  if (!own) return { epoch, firstSeenMs: nowMs, heardMs: heard, wasLive: false, connection: 0, sequence: -1 };
  return { ...own, heardMs: heard === null ? own.heardMs : Math.max(own.heardMs ?? heard, heard) };
}

/** @returns an epoch that was certainly alive while `life` certainly was; undefined when there is none. */
export function overlapping(lives: readonly EpochLife[], life: EpochLife): string | undefined {
  if (life.heardMs === null) return undefined;
  for (const other of lives) {
    if (other.epoch === life.epoch || other.heardMs === null) continue;
    const from = Math.max(life.firstSeenMs, other.firstSeenMs);
    const to = Math.min(life.heardMs, other.heardMs);
    if (to - from > OVERLAP_MARGIN_MS) return other.epoch;
  }
  return undefined;
}

/** @returns whether the message was sent later than the newest one applied of the same epoch. */
export function isNewer(
  stamp: Pick<PresenceStamp, 'connection' | 'sequence'>,
  than: Pick<EpochLife, 'connection' | 'sequence'>,
): boolean {
  return stamp.connection > than.connection || (stamp.connection === than.connection && stamp.sequence > than.sequence);
}

export type InventoryVerdict = { readonly kind: 'apply'; readonly epochChanged: boolean } | { readonly kind: 'late' };

/**
 * Inventories count within an epoch. One of an epoch never heard of begins it, like a presence does; one of an epoch
 * that another has followed is late.
 */
export function judgeInventory(
  lives: readonly Pick<EpochLife, 'epoch' | 'wasLive'>[],
  current: string | null,
  last: { readonly epoch: string | null; readonly sequence: number },
  stamp: { readonly epoch: string; readonly sequence: number },
): InventoryVerdict {
  if (stamp.epoch !== current) {
    const over = lives.some(({ epoch, wasLive }) => wasLive && epoch === stamp.epoch);
    return over ? { kind: 'late' } : { kind: 'apply', epochChanged: true };
  }
  if (last.epoch === stamp.epoch && stamp.sequence <= last.sequence) return { kind: 'late' };
  return { kind: 'apply', epochChanged: false };
}
