/** Which attempt a bootloader that answers to no known identity may belong to. */

export interface StraySeen {
  readonly link: string;
  readonly protocol: string;
}

/** A running attempt, or one that failed and left its device without an application. */
export interface StrayCandidate {
  readonly deploymentId: string;
  readonly protocol: string | null;
  /** Links at which the device was known. */
  readonly links: readonly string[];
  /** The gateway that saw the stray is the one that runs or ran the attempt. */
  readonly sameGateway: boolean;
}

/**
 * In this order: the device's own link; its Bluetooth address plus one (Nordic's buttonless bootloader advertises so;
 * nRF5 SDK 17, `nrf_dfu_ble.c`); the only candidate of the same gateway and protocol. Two that fit equally: none.
 */
export function matchStray(stray: StraySeen, candidates: readonly StrayCandidate[]): string | undefined {
  const fitting = candidates.filter(({ protocol }) => protocol === null || protocol === stray.protocol);
  const place = linkPlace(stray.link);
  const rules: ((candidate: StrayCandidate) => boolean)[] = [
    ({ links }) => links.some((link) => linkPlace(link) === place),
    ({ links }) => links.some((link) => nextBlePlace(link) === place),
    ({ sameGateway, protocol }) => sameGateway && protocol === stray.protocol,
  ];
  for (const rule of rules) {
    const found = fitting.filter(rule);
    if (found.length > 0) return found.length === 1 ? found[0]!.deploymentId : undefined;
  }
  return undefined;
}

/** The link without its options, Bluetooth addresses in capitals. */
export function linkPlace(link: string): string {
  const bare = link.split('?')[0]!;
  return bare.startsWith('ble:') ? bare.toUpperCase().replace('BLE:', 'ble:') : bare;
}

/** The place with the Bluetooth address one higher, its last byte wrapping; undefined for other links. */
export function nextBlePlace(link: string): string | undefined {
  const match = /^ble:((?:[0-9A-F]{2}:){5})([0-9A-F]{2})$/.exec(linkPlace(link));
  if (!match) return undefined;
  const next = (Number.parseInt(match[2]!, 16) + 1) & 0xff;
  return `ble:${match[1]!}${next.toString(16).toUpperCase().padStart(2, '0')}`;
}
