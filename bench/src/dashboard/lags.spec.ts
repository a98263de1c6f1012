import { describe, expect, it } from '@jest/globals';
import { lagsOf } from './live-lag.js';

describe('lags', () => {
  it('run from the acknowledgement to the first event that shows the device', () => {
    const committed = [
      { proven: 2, sentAt: 0, ackedAt: 10 },
      { proven: 0, sentAt: 5, ackedAt: 20 },
      { proven: 1, sentAt: 90, ackedAt: 100 },
      { proven: 1, sentAt: 400, ackedAt: 410 },
    ];
    const shown = [
      { at: 50, proven: 101 },
      { at: 95, proven: 103 },
      { at: 300, proven: 103 },
    ];
    expect(lagsOf(committed, shown, 100)).toEqual({ fromCommitMs: [85, 0], fromSendMs: [95, 5] });
  });
});
