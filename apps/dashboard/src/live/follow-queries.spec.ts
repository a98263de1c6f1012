import { describe, expect, it } from '@jest/globals';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { renew } from './follow-queries.js';

describe('what an event makes old', () => {
  it('is read anew, but never while it is being read: a slow server comes to answer, and is asked once more', async () => {
    const client = new QueryClient();
    const answers: ((answer: number) => void)[] = [];
    const signals: AbortSignal[] = [];
    const observer = new QueryObserver(client, {
      queryKey: ['campaign', 'c'],
      queryFn: ({ signal }) => new Promise<number>((resolve) => (signals.push(signal), answers.push(resolve))),
    });
    const seen: unknown[] = [];
    const end = observer.subscribe(({ data }) => data !== undefined && data !== seen.at(-1) && seen.push(data));
    const settled = async () => {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    };
    expect(renew(client, ['campaign', 'c'])).toBe(false);
    expect(renew(client, ['campaign', 'c'])).toBe(false);
    expect(answers).toHaveLength(1);
    answers[0]!(1);
    await settled();
    expect(renew(client, ['campaign', 'c'])).toBe(true);
    expect(answers).toHaveLength(2);
    answers[1]!(2);
    await settled();
    expect(seen).toEqual([1, 2]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    end();
    client.clear();
  });
});
