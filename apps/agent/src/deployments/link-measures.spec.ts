import { describe, expect, it } from '@jest/globals';
import { LinkMeasures } from './link-measures.js';

describe('what a link was like', () => {
  it('is unknown before anything was measured', () => {
    const measures = new LinkMeasures();
    measures.sent(500, 1000);
    expect(measures.facts).toEqual({});
  });

  it('counts what was sent between the first word and the last, and again what had to be sent again', () => {
    const measures = new LinkMeasures();
    // 4 KiB lay there from before; then 2 KiB in a second, back by 1 KiB, and 2 KiB in two more.
    measures.sent(4096, 10_000);
    measures.sent(6144, 11_000);
    measures.sent(5120, 11_500);
    measures.sent(7168, 13_000);
    // The end of the session is no time on the link.
    measures.sent(7168, 60_000);
    expect(measures.facts).toEqual({ bytesPerSecond: 1365.3 });
  });

  it('keeps the first signal and the weakest, as whole numbers that the wire takes', () => {
    const measures = new LinkMeasures();
    for (const dbm of [-70.4, -90.6, -60]) measures.heard(dbm);
    expect(measures.facts).toEqual({ rssiDbm: -70, lowestRssiDbm: -91 });
    measures.heard(-4000);
    expect(measures.facts.lowestRssiDbm).toBe(-128);
  });
});
