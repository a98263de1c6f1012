import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '../../http/problem-error.js';
import { LoginGate } from './login-gate.js';

describe('LoginGate', () => {
  it('lets in what it can answer in time, and gives each of the others a turn of its own', async () => {
    let now = 0;
    const gate = new LoginGate(() => now);
    const answers: (() => void)[] = [];
    let worked = 0;
    const rush = Array.from({ length: 5_000 }, () =>
      gate
        .run(() => {
          worked += 1;
          return new Promise<void>((resolve) => answers.push(resolve));
        })
        .then(
          () => 0,
          (error: unknown) => {
            expect(error).toBeInstanceOf(ProblemError);
            return (error as ProblemError).params.retryAfterMs as number;
          },
        ),
    );
    // Five seconds' work at the first guess of 5 ms each; nothing was begun for the others.
    expect([worked, answers.length]).toEqual([1_000, 1_000]);
    for (const answer of answers) {
      now += 10;
      answer();
      await Promise.resolve();
    }
    const turns = (await Promise.all(rush)).slice(1_000);
    expect(turns[0]).toBe(5_000);
    for (let at = 1; at < turns.length; at += 1) expect(turns[at]! - turns[at - 1]!).toBe(5);
    // It has learned that each takes twice as long.
    let again = 0;
    const slower = Array.from({ length: 2_000 }, () =>
      gate
        .run(() => {
          again += 1;
          return Promise.resolve();
        })
        .catch(() => undefined),
    );
    expect(again).toBeGreaterThan(400);
    expect(again).toBeLessThan(700);
    await Promise.all(slower);
  });

  it('gives the place back when a login is refused', async () => {
    const gate = new LoginGate(() => 0);
    for (let count = 0; count < 3_000; count += 1)
      await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
