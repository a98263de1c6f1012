import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseGrants, type Candidate } from './choose-grants.js';

interface Place {
  readonly deploymentId: string;
  readonly deviceId: string;
  readonly gateway: string;
  readonly group: string | null;
  readonly stage: number;
  readonly position: number;
}
const place = fc.record<Place>({
  deploymentId: fc.uuid(),
  deviceId: fc.constantFrom(...'abcdefghijklmnop'),
  gateway: fc.constantFrom('g1', 'g2', 'g3', 'g4'),
  group: fc.constantFrom(null, null, 'r1', 'r2'),
  stage: fc.nat(1),
  position: fc.nat(50),
});
const siteOf = (gateway: string) => (gateway < 'g3' ? 's1' : 's2');
/** Sites hold gateways: the holders nest. */
const candidateOf = ({ deploymentId, deviceId, gateway, group, stage, position }: Place): Candidate => ({
  deploymentId,
  deviceId,
  gatewayId: gateway,
  stage,
  position,
  holders: [gateway, siteOf(gateway), ...(group === null ? [] : [group])],
});
const roomsOf = (caps: { gateway: number; site: number; group: number }) => (holder: string) =>
  holder.startsWith('g') ? caps.gateway : holder.startsWith('s') ? caps.site : caps.group;

describe('choosing grants', () => {
  it('keeps every cap, never a device twice, and does not depend on the order of candidates', () => {
    const caps = fc.record({ gateway: fc.nat(5), site: fc.nat(8), group: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.uniqueArray(place, { maxLength: 40, selector: (one) => one.deploymentId }),
        fc.nat(20),
        caps,
        (list, most, rooms) => {
          const candidates = list.map(candidateOf);
          const chosen = chooseGrants(candidates, most, roomsOf(rooms));
          expect(chosen.length).toBeLessThanOrEqual(most);
          expect(new Set(chosen.map((one) => one.deviceId)).size).toBe(chosen.length);
          const counts = new Map<string, number>();
          for (const holder of chosen.flatMap((one) => one.holders)) counts.set(holder, (counts.get(holder) ?? 0) + 1);
          for (const [holder, count] of counts) expect(count).toBeLessThanOrEqual(roomsOf(rooms)(holder));
          expect(chooseGrants([...candidates].reverse(), most, roomsOf(rooms))).toEqual(chosen);
        },
      ),
    );
  });

  it('grants as many as possible under nested caps', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(place, { maxLength: 16, selector: (one) => one.deviceId }),
        fc.nat(12),
        fc.nat(4),
        fc.nat(6),
        (list, most, gateway, site) => {
          const candidates = list.map((one, index) => candidateOf({ ...one, group: null, deploymentId: `d${index}` }));
          const at = (id: string) => Math.min(gateway, candidates.filter((one) => one.gatewayId === id).length);
          const possible = Math.min(site, at('g1') + at('g2')) + Math.min(site, at('g3') + at('g4'));
          const chosen = chooseGrants(candidates, most, roomsOf({ gateway, site, group: 0 }));
          expect(chosen).toHaveLength(Math.min(most, possible));
        },
      ),
    );
  });

  it('goes round the gateways, and gives nothing on a number that is none (P11)', () => {
    const at = (gateway: string, position: number): Candidate =>
      candidateOf({ deploymentId: `d${position}`, deviceId: `v${position}`, gateway, group: null, stage: 0, position });
    const list = [at('g1', 1), at('g1', 2), at('g1', 3), at('g2', 4), at('g3', 5)];
    expect(chooseGrants(list, 4, () => 9).map((one) => one.position)).toEqual([1, 4, 5, 2]);
    expect(chooseGrants(list, 4, (holder) => (holder === 's1' ? NaN : 9)).map((one) => one.position)).toEqual([5]);
  });
});
