/** Which of the candidates are granted now: by position, while everything that has room for them has some left. */
export interface Candidate {
  readonly deploymentId: string;
  readonly deviceId: string;
  readonly gatewayId: string;
  readonly stage: number;
  readonly position: number;
  /** What must have room: its gateway, its site, its redundancy group, its stratum. Keys are the caller's. */
  readonly holders: readonly string[];
}

/**
 * Goes round the gateways: each gets its first candidate before any gets a second, so that one full site does not take
 * all starts; within a gateway by the order of the campaign. Greedy is optimal for nested holders (gateway inside site).
 *
 * @param candidates devices that no rule stands in the way of, in any order.
 * @param room how many the campaign may start now.
 * @param roomOf how many more a holder takes.
 * @returns in the order in which ordinals are given out.
 */
export function chooseGrants(
  candidates: readonly Candidate[],
  room: number,
  roomOf: (holder: string) => number,
): Candidate[] {
  const left = new Map<string, number>();
  const devices = new Set<string>();
  const chosen: Candidate[] = [];
  let waiting = byGateway(candidates);
  while (chosen.length < room && waiting.length > 0) {
    const next: Candidate[][] = [];
    for (const queue of waiting) {
      if (chosen.length >= room) break;
      const candidate = takeFirstThatFits(queue, devices, left, roomOf);
      if (!candidate) continue;
      chosen.push(candidate);
      next.push(queue);
    }
    waiting = next;
  }
  return chosen;
}

/** Queues with the best candidate first, in the order of their best; turned round, so that taking one is cheap. */
function byGateway(candidates: readonly Candidate[]): Candidate[][] {
  const queues = new Map<string, Candidate[]>();
  for (const candidate of [...candidates].sort(byOrder)) {
    const queue = queues.get(candidate.gatewayId);
    if (queue) queue.push(candidate);
    else queues.set(candidate.gatewayId, [candidate]);
  }
  return [...queues.values()].map((queue) => queue.reverse());
}

/** Room only falls while grants are handed out, so a candidate once passed over stays so. */
function takeFirstThatFits(
  queue: Candidate[],
  devices: Set<string>,
  left: Map<string, number>,
  roomOf: (holder: string) => number,
): Candidate | undefined {
  for (let candidate = queue.pop(); candidate; candidate = queue.pop()) {
    if (devices.has(candidate.deviceId)) continue;
    const free = candidate.holders.map((holder) => left.get(holder) ?? roomOf(holder));
    // Not `<= 0`: a number that cannot be computed gives no room (P11).
    if (!free.every((places) => places > 0)) continue;
    candidate.holders.forEach((holder, index) => left.set(holder, free[index]! - 1));
    devices.add(candidate.deviceId);
    return candidate;
  }
  return undefined;
}

function byOrder(a: Candidate, b: Candidate): number {
  return a.stage - b.stage || a.position - b.position || (a.deploymentId < b.deploymentId ? -1 : 1);
}
