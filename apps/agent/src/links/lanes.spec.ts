import { describe, expect, it } from '@jest/globals';
import { Lanes } from './lanes.js';

describe('lanes', () => {
  it('are taken all or none, and tell when they are free', () => {
    const lanes = new Lanes();
    let told = 0;
    lanes.onFree(() => (told += 1));
    const free = lanes.tryTake(['a', 'b']);
    expect(lanes.tryTake(['b', 'c'])).toBeUndefined();
    expect(lanes.isBusy('c')).toBe(false);
    free?.();
    free?.();
    expect(told).toBe(1);
    expect(lanes.tryTake(['b', 'c'])).toBeDefined();
  });

  it('are lent only while nobody claims them, and asked back when an attempt takes them', () => {
    const lanes = new Lanes();
    let asked = 0;
    const free = lanes.tryBorrow('a', () => (asked += 1));
    const ends = [lanes.claim(['a', 'b']), lanes.claim(['a'])];
    expect(asked).toBe(0); // a claim can wait, an attempt that is ready cannot
    expect(lanes.tryTake(['a'])).toBeUndefined();
    expect(asked).toBe(1);
    free?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeUndefined();
    const take = lanes.tryTake(['a', 'b']);
    expect(take).toBeDefined();
    take?.();
    ends[0]?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeUndefined();
    expect(lanes.tryBorrow('b', () => undefined)).toBeDefined();
    ends[1]?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeDefined();
  });
});

describe('a lane with several places', () => {
  const adapter = 'adapter:hci0';
  const open = (places: number): Lanes => {
    const lanes = new Lanes({ behind: (lane) => (lane.startsWith('ble:') ? [adapter] : []) });
    lanes.setCapacity(adapter, places);
    return lanes;
  };

  it('is used by whoever takes one of the lanes before it, and is full when its places are', () => {
    const lanes = open(2);
    const first = lanes.tryTake(['ble:1', 'ble:1b', 'device:1']); // two links of one device need one connection
    const second = lanes.tryTake(['ble:2']);
    expect([first, second]).not.toContain(undefined);
    expect(lanes.hasRoom(['ble:3'])).toBe(false);
    expect(lanes.tryTake(['ble:3'])).toBeUndefined();
    expect(lanes.tryTake(['serial:/dev/ttyS0'])).toBeDefined();
    first?.();
    expect(lanes.hasRoom(['ble:3'])).toBe(true);
    expect(lanes.tryTake(['ble:3'])).toBeDefined();
  });

  it('asks back one place that was lent, and counts lent ones as room', () => {
    const lanes = open(2);
    const asked: string[] = [];
    const looks = [lanes.tryBorrow('ble:1', () => asked.push('1')), lanes.tryBorrow('ble:2', () => asked.push('2'))];
    expect(lanes.tryBorrow('ble:3', () => undefined)).toBeUndefined();
    expect(lanes.hasRoom(['ble:3'])).toBe(true);
    expect(lanes.tryTake(['ble:3'])).toBeUndefined();
    expect(asked).toEqual(['1']);
    looks[0]?.();
    expect(lanes.tryTake(['ble:3'])).toBeDefined();
  });

  it('lets nobody in while it is closed, sends nobody away, and tells when it is open again', () => {
    const lanes = open(2);
    const free = lanes.tryTake(['ble:1']);
    let told = 0;
    lanes.onFree(() => (told += 1));
    lanes.setCapacity(adapter, 0);
    expect(told).toBe(0);
    expect(lanes.isBusy('ble:1')).toBe(true);
    free?.();
    expect(told).toBe(1);
    expect(lanes.tryTake(['ble:1'])).toBeUndefined();
    lanes.setCapacity(adapter, 1);
    expect(told).toBe(2);
    expect(lanes.tryTake(['ble:1'])).toBeDefined();
  });
});
