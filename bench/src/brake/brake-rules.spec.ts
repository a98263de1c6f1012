import { describe, expect, it } from '@jest/globals';
import { runDrydock } from './drydock.js';
import { drawFleet, fails, FLEET_SIZE, GATEWAYS, type World } from './fleet.js';
import { runAws, runHawkbit } from './other-products.js';

const world = (fields: Partial<World> = {}): World => ({ failureRate: 0, mute: false, sickGatewayRate: 0, ...fields });
const fleets = [1, 2, 3].map(drawFleet);

describe('the fleets of the brake bench', () => {
  it('are the same for the same seed, and fail as often as they are told', () => {
    expect(drawFleet(1)).toEqual(fleets[0]);
    expect(fleets[0]).not.toEqual(fleets[1]);
    for (const fleet of fleets) {
      expect(fleet).toHaveLength(FLEET_SIZE);
      expect(fleet.filter((device) => device.gateway === 7)).toHaveLength(FLEET_SIZE / GATEWAYS);
      const failed = fleet.filter((device) => fails(device, world({ failureRate: 0.2 }))).length;
      expect(failed / FLEET_SIZE).toBeCloseTo(0.2, 1);
    }
  });
});

describe('our policy over a simulated fleet', () => {
  it('finishes a healthy campaign', () => {
    expect(runDrydock(fleets[0]!, world({ failureRate: 0.005 }), 0.02)).toMatchObject({
      halted: false,
      started: FLEET_SIZE,
      quarantined: 0,
    });
  });

  it('loses about a dozen devices to a brick, loud or mute', () => {
    for (const fleet of fleets) {
      for (const mute of [false, true]) {
        const outcome = runDrydock(fleet, world({ failureRate: 1, mute }), 0.02);
        expect(outcome.halted).toBe(true);
        expect(outcome.failed).toBeLessThanOrEqual(15);
        // Long before the deadline of any device's state.
        expect(outcome.minutes).toBeLessThan(25);
      }
    }
  });

  it('quarantines a sick gateway and goes on', () => {
    const outcome = runDrydock(fleets[1]!, world({ failureRate: 0.005, sickGatewayRate: 0.8 }), 0.02);
    expect(outcome).toMatchObject({ halted: false, quarantined: 1 });
    expect(outcome.started).toBeGreaterThan(FLEET_SIZE - FLEET_SIZE / GATEWAYS);
  });
});

describe('the rules of other products', () => {
  it('hawkBit releases whole groups, pauses on errors by the size of the group, and waits for ever on silence', () => {
    for (const fleet of fleets) {
      expect(runHawkbit(fleet, world({ failureRate: 1 }), 0.02, 1_000)).toMatchObject({ halted: true, failed: 1_000 });
      expect(runHawkbit(fleet, world({ failureRate: 1, mute: true }), 0.02, 1_000)).toMatchObject({
        halted: false,
        started: 1_000,
      });
      expect(runHawkbit(fleet, world(), 0.02, 1_000)).toMatchObject({ halted: false, started: FLEET_SIZE, failed: 0 });
    }
  });

  it('AWS looks once so many have finished, and never at silence', () => {
    for (const fleet of fleets) {
      const brick = runAws(fleet, world({ failureRate: 1 }), 0.02, 100);
      expect(brick).toMatchObject({ halted: true, failed: brick.started });
      // As many as were notified until the hundredth result.
      const hundredth = runAws(fleet, world({ failureRate: 1 }), 0.02, 200);
      expect(brick.started).toBeGreaterThan(100);
      expect(hundredth.started).toBeGreaterThan(brick.started);
      expect(runAws(fleet, world({ failureRate: 1, mute: true }), 0.02, 100)).toMatchObject({
        halted: false,
        started: FLEET_SIZE,
      });
      expect(runAws(fleet, world(), 0.02, 100)).toMatchObject({ halted: false, started: FLEET_SIZE, failed: 0 });
    }
  });
});
