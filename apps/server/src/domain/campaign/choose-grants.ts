/** Which of the candidates are granted now: by position, while gateway and campaign have room. */
export interface Candidate {
  readonly deploymentId: string;
  readonly deviceId: string;
  readonly gatewayId: string;
  readonly position: number;
}

/**
 * @param candidates devices that no rule stands in the way of, in any order.
 * @param room how many the campaign may start now.
 * @param roomOf how many more updates a gateway takes. Greedy by position is optimal here, as the holders of room are
 *   nested (gateway inside campaign).
 */
export function chooseGrants(
  candidates: readonly Candidate[],
  room: number,
  roomOf: (gatewayId: string) => number,
): Candidate[] {
  const left = new Map<string, number>();
  const chosen: Candidate[] = [];
  const devices = new Set<string>();
  const ordered = [...candidates].sort((a, b) => a.position - b.position || (a.deploymentId < b.deploymentId ? -1 : 1));
  for (const candidate of ordered) {
    if (chosen.length >= room) break;
    const free = left.get(candidate.gatewayId) ?? roomOf(candidate.gatewayId);
    if (free <= 0 || devices.has(candidate.deviceId)) continue;
    left.set(candidate.gatewayId, free - 1);
    devices.add(candidate.deviceId);
    chosen.push(candidate);
  }
  return chosen;
}
