import { describe, expect, it } from '@jest/globals';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import type { FaultPlan } from '../target.js';
import { makeDemoFirmware, readDemoMarker } from './demo-firmware.js';
import { FaultInjector } from './fault-injector.js';

const make = (plan: FaultPlan): FaultInjector => new FaultInjector(plan, new VirtualScheduler());

describe('a fault plan', () => {
  it('drops and damages the frames that it names, counted from 1', () => {
    const faults = make({ dropToDevice: [2], corruptToDevice: [3], dropToHost: [1] });
    const frame = Uint8Array.of(1, 2, 3);
    const seen = [1, 2, 3, 4].map(() => faults.toDevice(frame));
    expect(seen[0]).toEqual(frame);
    expect(seen[1]).toBeUndefined();
    expect(seen[2]).not.toEqual(frame);
    expect(seen[3]).toEqual(frame);
    expect(faults.toHost(frame)).toBeUndefined();
    expect(frame).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('repeats itself for the same seed', () => {
    const pattern = (seed: number): string => {
      const faults = make({ lossRate: 0.3, seed });
      return Array.from({ length: 64 }, () => (faults.toHost(Uint8Array.of(0)) ? '.' : 'x')).join('');
    };
    expect(pattern(5)).toBe(pattern(5));
    expect(pattern(5)).not.toBe(pattern(6));
  });

  it('strikes at each byte count once, in order', () => {
    const faults = make({ rebootAtByte: 300, disconnectAtByte: [100, 400], powerCutAtByte: 200 });
    const struck = [99, 1, 100, 100, 100, 100].map((count) => faults.imageBytes(count));
    expect(struck).toEqual([undefined, 'disconnect', 'power-cut', 'reboot', 'disconnect', undefined]);
  });
});

describe('demo firmware', () => {
  it('carries its name, is repeatable, and differs by seed', () => {
    const options = { model: 'a-1', version: '2.3.4+5', sizeBytes: 1001, seed: 9 };
    const image = makeDemoFirmware(options);
    expect(image).toHaveLength(1004);
    expect(readDemoMarker(image)).toEqual({ model: 'a-1', version: '2.3.4+5' });
    expect(makeDemoFirmware(options)).toEqual(image);
    expect(makeDemoFirmware({ ...options, seed: 10 })).not.toEqual(image);
    expect(readDemoMarker(new Uint8Array(1000))).toBeUndefined();
    expect(() => makeDemoFirmware({ model: 'a b', version: '1' })).toThrow(RangeError);
  });
});
