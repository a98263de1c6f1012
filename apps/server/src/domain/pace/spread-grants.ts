/**
 * Which candidates are granted now: greedily by selection rank while every holder has room. Holders nest (device in
 * gateway in site in campaign), for which greedy gives the most grants; a redundancy group is one more holder.
 * Among gateways it goes round: each gets its best-ranked candidate before any gets a second.
 */
export interface GrantCandidate {
  readonly deploymentId: string;
  readonly deviceId: string;
  readonly gatewayId: string;
  readonly siteId: string;
  /** Devices of it are not all out of service at once; null for none. */
  readonly redundancyGroupId: string | null;
  /** Place in the selection; smaller goes first. */
  readonly position: number;
}

export interface GrantRoom {
  readonly tokens: number;
  readonly inFlightMax: number;
  /** Started and not ended. */
  readonly running: number;
  /** Granted and not known to have started or ended: takes up room as a running one does. */
  readonly liveGrants: number;
  readonly placesLeft: number;
}

/** floor(min(tokens, in flight, places)); never below 0, and 0 where a number is none (P11). */
export function grantsNow(room: GrantRoom): number {
  const least = Math.min(room.tokens, room.inFlightMax - room.running - room.liveGrants, room.placesLeft);
  return Number.isNaN(least) || least === Infinity ? 0 : Math.max(0, Math.floor(least));
}

/** Free places of the holders; a holder that is not known has none. */
export interface HolderRooms {
  readonly gateway: (gatewayId: string) => number;
  readonly site: (siteId: string) => number;
  readonly redundancyGroup: (groupId: string) => number;
}

/** A redundancy group's room: at most k of it out of service, whoever did it; unknown counts as out. */
export function redundancyRoom(group: {
  readonly mostOut: number;
  readonly running: number;
  readonly liveGrants: number;
  readonly notInService: number;
}): number {
  return Math.max(0, group.mostOut - group.running - group.liveGrants - group.notInService);
}

/**
 * @param candidates devices that no rule stands in the way of, in any order; a device may be listed once a gateway.
 * @param most as of {@link grantsNow}. @returns in the order in which ordinals are to be given out.
 */
export function spreadGrants(
  candidates: readonly GrantCandidate[],
  most: number,
  rooms: HolderRooms,
): GrantCandidate[] {
  const room = new RoomsLeft(rooms);
  const queues = byGateway(candidates);
  const devices = new Set<string>();
  const chosen: GrantCandidate[] = [];
  let waiting = queues;
  while (chosen.length < most && waiting.length > 0) {
    const next: Queue[] = [];
    for (const queue of waiting) {
      if (chosen.length >= most) break;
      const candidate = firstThatFits(queue, devices, room);
      if (!candidate) continue;
      room.take(candidate);
      devices.add(candidate.deviceId);
      chosen.push(candidate);
      next.push(queue);
    }
    waiting = next;
  }
  return chosen;
}

interface Queue {
  readonly candidates: readonly GrantCandidate[];
  at: number;
}

/** Room only falls while grants are handed out, so a candidate once passed over stays so. */
function firstThatFits(queue: Queue, devices: ReadonlySet<string>, room: RoomsLeft): GrantCandidate | undefined {
  while (queue.at < queue.candidates.length) {
    const candidate = queue.candidates[queue.at++]!;
    if (!devices.has(candidate.deviceId) && room.has(candidate)) return candidate;
  }
  return undefined;
}

/** Gateways by their best candidate; inside, by position. */
function byGateway(candidates: readonly GrantCandidate[]): Queue[] {
  const queues = new Map<string, { candidates: GrantCandidate[]; at: number }>();
  for (const candidate of [...candidates].sort(byPosition)) {
    const queue = queues.get(candidate.gatewayId);
    if (queue) queue.candidates.push(candidate);
    else queues.set(candidate.gatewayId, { candidates: [candidate], at: 0 });
  }
  return [...queues.values()];
}

function byPosition(a: GrantCandidate, b: GrantCandidate): number {
  return a.position - b.position || (a.deploymentId < b.deploymentId ? -1 : 1);
}

class RoomsLeft {
  private readonly left = new Map<string, number>();

  constructor(private readonly rooms: HolderRooms) {}

  has(candidate: GrantCandidate): boolean {
    return this.holders(candidate).every(([key, room]) => (this.left.get(key) ?? this.first(key, room)) > 0);
  }

  take(candidate: GrantCandidate): void {
    for (const [key, room] of this.holders(candidate))
      this.left.set(key, (this.left.get(key) ?? this.first(key, room)) - 1);
  }

  private first(key: string, room: () => number): number {
    const given = room();
    const free = Number.isNaN(given) ? 0 : given;
    this.left.set(key, free);
    return free;
  }

  private holders(candidate: GrantCandidate): [string, () => number][] {
    const { gatewayId, siteId, redundancyGroupId: group } = candidate;
    return [
      [`g:${gatewayId}`, () => this.rooms.gateway(gatewayId)],
      [`s:${siteId}`, () => this.rooms.site(siteId)],
      ...(group === null ? [] : [[`r:${group}`, () => this.rooms.redundancyGroup(group)] as [string, () => number]]),
    ];
  }
}
