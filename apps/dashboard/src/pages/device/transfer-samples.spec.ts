import { describe, expect, it } from '@jest/globals';
import { linkLine, MOST_SAMPLES, withHeard, type ByteSample } from './transfer-samples.js';

const at = (seconds: number, sentBytes: number): ByteSample => ({ atMs: seconds * 1000, sentBytes });

describe('bytes over time', () => {
  it('take the longer series of the server, then grow with what its answers add', () => {
    const server = [at(0, 0), at(10, 100), at(20, 200)];
    const opened = withHeard([], server, undefined, undefined);
    expect(opened).toEqual(server);
    const thinned = [at(0, 0), at(20, 200), at(21, 210)];
    expect(withHeard(opened, thinned, undefined, undefined)).toEqual([...server, at(21, 210)]);
  });

  it('are the server’s where it knows more of the beginning', () => {
    const server = [at(0, 0), at(20, 200)];
    expect(withHeard([at(20, 200)], server, undefined, undefined)).toEqual(server);
  });

  it('begin anew with another attempt, and do not repeat a moment', () => {
    const kept = [at(0, 0), at(10, 500)];
    expect(withHeard(kept, [at(12, 0)], undefined, undefined)).toEqual([at(12, 0)]);
    expect(withHeard(kept, [at(0, 0), at(10, 500)], undefined, undefined)).toEqual(kept);
  });

  it('live on the stream where the server keeps no series, within bounds', () => {
    let samples: readonly ByteSample[] = [];
    for (let second = 0; second < 3 * MOST_SAMPLES; second++) {
      samples = withHeard(samples, [], undefined, at(second, second));
    }
    expect(samples.length).toBeLessThanOrEqual(MOST_SAMPLES);
    expect([samples[0], samples.at(-1)]).toEqual([at(0, 0), at(3 * MOST_SAMPLES - 1, 3 * MOST_SAMPLES - 1)]);
  });

  it('have a line for what the link can do, up to the whole file', () => {
    expect(linkLine([at(5, 100), at(6, 110), at(60, 120)], 50, 1_000)).toEqual([100, 150, 1_000]);
    expect(linkLine([], 50, 1_000)).toEqual([]);
  });
});
