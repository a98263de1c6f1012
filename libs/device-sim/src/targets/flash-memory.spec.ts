import { describe, expect, it } from '@jest/globals';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import { FlashMemory } from './flash-memory.js';

const TIMING = { pageBytes: 4096, eraseMsPerPage: 80, writeUsPerWord: 40 };

function make(slow = 1): { scheduler: VirtualScheduler; flash: FlashMemory } {
  const scheduler = new VirtualScheduler();
  return { scheduler, flash: new FlashMemory(scheduler, { a: 16_384 }, TIMING, slow) };
}

describe('flash', () => {
  it('can only clear bits until it is erased', () => {
    const { scheduler, flash } = make();
    flash.write('a', 0, Uint8Array.of(0xf0, 0x0f, 0xff, 0xff));
    flash.write('a', 0, Uint8Array.of(0x3c, 0x3c, 0xff, 0x00));
    scheduler.runUntilIdle();
    expect([...flash.bytes('a').slice(0, 4)]).toEqual([0x30, 0x0c, 0xff, 0x00]);
    flash.erase('a', 0, 1);
    scheduler.runUntilIdle();
    expect([...flash.bytes('a').slice(0, 4)]).toEqual([0xff, 0xff, 0xff, 0xff]);
  });

  it('does one thing after the other and takes its time', () => {
    const { scheduler, flash } = make(2);
    const done: [string, number][] = [];
    flash.erase('a', 0, 8192, () => done.push(['erased', scheduler.now()]));
    flash.write('a', 0, new Uint8Array(4000), () => done.push(['written', scheduler.now()]));
    flash.whenIdle(() => done.push(['idle', scheduler.now()]));
    scheduler.runUntilIdle();
    expect(done).toEqual([
      ['erased', 320],
      ['written', 400],
      ['idle', 400],
    ]);
  });

  it('is torn where it was when power goes, and forgets what waited', () => {
    const { scheduler, flash } = make();
    flash.write('a', 0, new Uint8Array(4000));
    flash.write('a', 4096, new Uint8Array(4));
    scheduler.advance(10);
    flash.interrupt();
    scheduler.runUntilIdle();
    expect(flash.bytes('a').indexOf(0xff)).toBe(1000);
    expect(flash.bytes('a')[4096]).toBe(0xff);
    expect(flash.isIdle).toBe(true);
    flash.erase('a', 0, 4096);
    scheduler.advance(10);
    flash.interrupt();
    // An eighth of the page was erased; the rest holds what was written before.
    expect([flash.bytes('a')[511], flash.bytes('a')[512], flash.bytes('a')[999]]).toEqual([0xff, 0, 0]);
  });

  it('a commit is all or nothing', () => {
    const { scheduler, flash } = make();
    let value = 'old';
    flash.commit(100, () => (value = 'new'));
    scheduler.advance(99);
    flash.interrupt();
    scheduler.runUntilIdle();
    expect(value).toBe('old');
  });

  it('refuses what is outside', () => {
    const { flash } = make();
    expect(() => flash.erase('a', 100, 1)).toThrow(RangeError);
    expect(() => flash.write('a', 16_380, new Uint8Array(8))).toThrow(RangeError);
    expect(() => flash.bytes('b')).toThrow(RangeError);
  });
});
