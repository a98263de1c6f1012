import type { GatewayHealth } from '@drydock/contracts';
import type { GatewayDetail } from '../../data/shapes.js';
import { count, counted } from '../../format/numbers.js';

/** The first line: can it work, and if not, why? */
export function gatewaySentence(gateway: GatewayDetail, health: GatewayHealth | undefined): string {
  const devices = health?.devices ?? gateway.devices;
  const behind = `${counted(devices, 'device')} ${devices === 1 ? 'is' : 'are'} behind it`;
  const down = gateway.links.filter((link) => link.state === 'down');
  const because = obstacle(gateway, health, down.length);
  const work = health ? `, ${count(health.inFlight)} in flight` : '';
  return because === undefined ? `It can work: ${behind}${work}.` : `${because} ${behind}${work}.`;
}

function obstacle(gateway: GatewayDetail, health: GatewayHealth | undefined, down: number): string | undefined {
  if (gateway.state === 'decommissioned') return 'It is decommissioned and cannot log in.';
  if (gateway.state === 'quarantined') return 'It is set aside: nothing new starts.';
  if (!gateway.online) return 'It is away: nothing new reaches it.';
  if (health?.journal) return 'It cannot write its journal: nothing new starts.';
  if (gateway.holdNote !== null) return 'It is on hold: nothing new starts.';
  if (down > 0 && down === gateway.links.length) return 'All of its links are down.';
  if (down > 0) return `${count(down)} of its ${count(gateway.links.length)} links are down.`;
  return undefined;
}
