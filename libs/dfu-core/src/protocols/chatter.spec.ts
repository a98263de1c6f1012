/** A serial line is shared with logs: whoever waits for an answer on one that talks of other things gives up in time. */
import { describe, expect, it } from '@jest/globals';
import { LinkError } from '../errors.js';
import type { Protocol } from '../session/protocol.js';
import type { Input, LinkInfo } from '../session/session.js';
import { legacySerial } from './legacy-serial/index.js';
import { secureDfu } from './secure-dfu/index.js';
import { smp } from './smp/index.js';

const LINK: LinkInfo = {
  kind: 'serial',
  maxWriteBytes: 4096,
  channels: ['serial'],
  identity: { kind: 'port-path', value: '/dev/ttyX' },
};
const LOG_LINE = new TextEncoder().encode('[00:00:01.000] <inf> app: tick\r\n');
const MAX_EFFECTS = 100_000;

/** Identifies on a line on which a log line comes every so often, and never an answer. @returns ms until it gave up. */
function givesUpAfterMs(protocol: Protocol, everyMs: number): number {
  const session = protocol.identify(LINK, {});
  let nowMs = 0;
  let nextLineMs = everyMs;
  let input: Input = { kind: 'done' };
  for (let count = 0; count < MAX_EFFECTS; count++) {
    let effect;
    try {
      const next = session.next(input);
      if (next.done) throw new Error('it identified a log');
      effect = next.value;
    } catch (error) {
      expect(error).toHaveProperty('code', expect.stringMatching(/^(link\.timeout|target\.wrong-kind)$/));
      return nowMs;
    }
    input = { kind: 'done' };
    if (effect.kind === 'sleep') nowMs += effect.withinMs;
    if (effect.kind !== 'await') continue;
    while (nextLineMs <= nowMs) nextLineMs += everyMs;
    const waitedMs = nextLineMs - nowMs;
    const comes = waitedMs < effect.withinMs;
    nowMs += comes ? waitedMs : effect.withinMs;
    input = comes ? { kind: 'frame', channel: 'serial', bytes: LOG_LINE, waitedMs } : { kind: 'timeout' };
  }
  throw new LinkError('link.timeout', { withinMs: nowMs, detail: 'the session waits on' });
}

describe.each([smp, secureDfu, legacySerial])('$name on a line with a log', (protocol) => {
  const silenceMs = givesUpAfterMs(protocol, Number.MAX_SAFE_INTEGER);

  it.each([20, 100, 400, 1000])('gives up as on a silent one, whatever is logged every %i ms', (everyMs) => {
    expect(silenceMs).toBeGreaterThan(0);
    expect(givesUpAfterMs(protocol, everyMs)).toBeLessThanOrEqual(2 * silenceMs + 20_000);
  });
});
