import { describe, expect, it, jest } from '@jest/globals';
import { ProblemError } from '../../http/problem-error.js';
import { LoginGate } from './login-gate.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

describe('LoginGate', () => {
  it('lets in what it can answer in time, and gives each of the others a turn of its own', async () => {
    let now = 0;
    const gate = new LoginGate(() => now);
    const answers: (() => void)[] = [];
    let worked = 0;
    const rush = Array.from({ length: 1_000 }, () =>
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
    // A few at once; five seconds' work, at the first guess of 25 ms each, waits.
    expect(worked).toBe(16);
    for (let answer = answers.shift(); answer; answer = answers.shift()) {
      now += 50;
      answer();
      for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    }
    const turns = await Promise.all(rush);
    const away = turns.slice(216);
    expect(away[0]).toBe(5_000);
    for (let at = 1; at < away.length; at += 1) expect(away[at]! - away[at - 1]!).toBe(25);
    // It was slower than the guess: whose agent has given up by the time is not worked for.
    expect(worked).toBeLessThanOrEqual(16 + 5_000 / 50 + 1);
    expect(worked).toBeGreaterThan(80);
    expect(turns.slice(0, worked)).toEqual(Array.from({ length: worked }, () => 0));
    expect(Math.min(...turns.slice(worked))).toBeGreaterThan(0);
  });

  it('gives the place back when a login is refused', async () => {
    const gate = new LoginGate(() => 0);
    for (let count = 0; count < 300; count += 1)
      await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('works for nobody who has hung up while waiting', async () => {
    const gate = new LoginGate(() => 0);
    const answers: (() => void)[] = [];
    const busy = Array.from({ length: 16 }, () =>
      gate.run(() => new Promise<void>((resolve) => answers.push(resolve))),
    );
    let worked = 0;
    const work = (): Promise<void> => {
      worked += 1;
      return Promise.resolve();
    };
    const gone = gate.run(work, () => true).catch((error: unknown) => error);
    const here = gate.run(work, () => false);
    for (const answer of answers) answer();
    expect(await gone).toBeInstanceOf(ProblemError);
    await Promise.all([...busy, here]);
    expect(worked).toBe(1);
  });
});
