/** Flow control of commands: Bluetooth Core 5.2, Vol 4 Part E, 4.4. */
import { describe, expect, it, jest } from '@jest/globals';
import { CommandQueue } from './command-queue.js';

const command = (n: number): Buffer => Buffer.from([0x01, n, 0x0c, 0]);
/** Command Complete / Command Status that allow so many more. */
const complete = (allowed: number): Buffer => Buffer.from([0x04, 0x0e, 4, allowed, 3, 0x0c, 0]);
const status = (allowed: number): Buffer => Buffer.from([0x04, 0x0f, 4, 0, allowed, 3, 0x0c]);

function setUp(): { queue: CommandQueue; sent: number[]; deaths: string[] } {
  const sent: number[] = [];
  const deaths: string[] = [];
  const queue = new CommandQueue(
    (packet) => sent.push(packet.readUInt8(1)),
    (detail) => deaths.push(detail),
  );
  return { queue, sent, deaths };
}

describe('the command queue', () => {
  it('sends one command, and the next when the controller allows it', () => {
    const { queue, sent } = setUp();
    for (const n of [1, 2, 3, 4, 5]) queue.send(command(n));
    expect(sent).toEqual([1]);
    queue.observe(complete(1));
    expect(sent).toEqual([1, 2]);
    queue.observe(status(0));
    expect(sent).toEqual([1, 2]);
    queue.observe(status(2));
    expect(sent).toEqual([1, 2, 3, 4]);
    queue.close();
  });

  it('goes on after an answer that never comes, and gives a silent controller up', () => {
    jest.useFakeTimers();
    try {
      const { queue, sent, deaths } = setUp();
      for (const n of [1, 2, 3, 4, 5]) queue.send(command(n));
      jest.advanceTimersByTime(2000);
      expect(sent).toEqual([1, 2]);
      queue.observe(complete(1));
      expect(sent).toEqual([1, 2, 3]);
      jest.advanceTimersByTime(6000);
      expect(deaths).toEqual(['the controller answers no command']);
      queue.close();
    } finally {
      jest.useRealTimers();
    }
  });

  it('takes no more than it can remember', () => {
    const { queue, sent } = setUp();
    for (let n = 0; n < 10_000; n++) queue.send(command(n & 0xff));
    for (let n = 0; n < 10_000; n++) queue.observe(complete(1));
    expect(sent.length).toBeLessThan(300);
    queue.close();
  });
});
