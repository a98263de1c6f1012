import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { type BcspEvent, BcspEngine, type BcspOptions, MAX_REPEATS } from './engine.js';
import { encodeBcsp } from './packet.js';

const SYNC = 'c0404100 7edadced eda97ac0';
const SYNC_RESPONSE = 'C0 40 41 00 7E AC AF EF EE BB 84 C0';
const CONF = 'C0 40 41 00 7E AD EF AC ED A1 A6 C0';
const CONF_RESPONSE = 'C0 40 41 00 7E DE AD D0 D0 83 58 C0';
const hex = (text: string): string => toHex(fromHex(text));
const said = (engine: BcspEngine): string[] => engine.takeOutput().map(toHex);
const hear = (engine: BcspEngine, line: string): BcspEvent[] => engine.push(fromHex(line));

function talkative(options: BcspOptions = {}): BcspEngine {
  const engine = new BcspEngine(options);
  hear(engine, SYNC_RESPONSE);
  hear(engine, CONF_RESPONSE);
  engine.takeOutput();
  return engine;
}

const reliable = (sequence: number, payload: number[], acknowledge = 0): Uint8Array =>
  encodeBcsp({ sequence, acknowledge, isReliable: true, channel: 12, payload: Uint8Array.from(payload) }, true);
const ack = (number: number): Uint8Array =>
  encodeBcsp({ sequence: 0, acknowledge: number, isReliable: false, channel: 0, payload: new Uint8Array() }, true);

describe('establishing', () => {
  it('goes from shy over curious to garrulous', () => {
    const engine = new BcspEngine();
    expect([engine.state, engine.timerMs, said(engine)]).toEqual(['shy', 1000, [hex(SYNC)]]);
    engine.expire();
    expect(said(engine)).toEqual([hex(SYNC)]);
    expect(hear(engine, CONF)).toEqual([]);
    expect(said(engine)).toEqual([]);
    hear(engine, SYNC);
    expect(said(engine)).toEqual([hex(SYNC_RESPONSE)]);
    hear(engine, SYNC_RESPONSE);
    expect([engine.state, said(engine)]).toEqual(['curious', [hex(CONF)]]);
    engine.expire();
    expect(said(engine)).toEqual([hex(CONF)]);
    hear(engine, CONF);
    expect(said(engine)).toEqual([hex(CONF_RESPONSE)]);
    expect(hear(engine, CONF_RESPONSE)).toEqual([{ kind: 'link-up' }]);
    expect([engine.state, engine.timerMs]).toEqual(['garrulous', undefined]);
    hear(engine, CONF);
    expect(said(engine)).toEqual([hex(CONF_RESPONSE)]);
  });

  it('says and hears nothing else before', () => {
    const engine = new BcspEngine();
    engine.takeOutput();
    engine.send(12, Uint8Array.of(1));
    engine.send(12, Uint8Array.of(2), false);
    expect(engine.takeOutput()).toEqual([]);
    expect(engine.push(reliable(0, [9]))).toEqual([]);
    expect(engine.takeOutput()).toEqual([]);
  });

  it('a SYNC in the middle says that the other end began anew', () => {
    const engine = talkative();
    engine.send(12, Uint8Array.of(1));
    engine.takeOutput();
    expect(hear(engine, SYNC)).toEqual([{ kind: 'peer-reset' }]);
    expect([engine.state, engine.isIdle]).toEqual(['shy', true]);
    expect(said(engine)).toEqual([hex(SYNC), hex(SYNC_RESPONSE)]);
  });

  it.each(['DA DC ED', 'DA DC ED ED 00', 'DA DC ED EC', ''])('ignores the message %p', (payload) => {
    const engine = talkative();
    const line = encodeBcsp(
      { sequence: 0, acknowledge: 0, isReliable: false, channel: 1, payload: fromHex(payload) },
      false,
    );
    expect(engine.push(line)).toEqual([]);
    expect([engine.state, said(engine)]).toEqual(['garrulous', []]);
  });
});

describe('order and repetition', () => {
  it('keeps four packets under way, and one as uBCSP', () => {
    for (const [options, expected] of [
      [{}, 4],
      [{ window: 2 }, 2],
      [{ form: 'ubcsp' }, 1],
    ] as const) {
      const engine = talkative(options);
      for (let count = 0; count < 6; count++) engine.send(12, Uint8Array.of(count));
      expect(engine.takeOutput()).toHaveLength(expected);
      expect(engine.takeOutput()).toHaveLength(0);
      engine.push(ack(1));
      expect(engine.takeOutput()).toHaveLength(1);
    }
  });

  it('repeats all that is under way, with the same numbers, and gives up in the end', () => {
    const engine = talkative();
    engine.send(12, Uint8Array.of(1));
    engine.send(12, Uint8Array.of(2));
    const first = said(engine);
    expect(engine.timerMs).toBe(250);
    for (let count = 0; count < MAX_REPEATS; count++) {
      expect(engine.expire()).toEqual([]);
      expect(said(engine)).toEqual(first);
    }
    expect(engine.expire()).toEqual([{ kind: 'peer-lost' }]);
    expect([engine.state, said(engine)]).toEqual(['shy', [hex(SYNC)]]);
  });

  it('acknowledges also what comes again or out of order, and takes it once', () => {
    const engine = talkative();
    expect(engine.push(reliable(0, [7]))).toMatchObject([{ kind: 'datagram', channel: 12, isReliable: true }]);
    expect(said(engine)).toEqual([toHex(ack(1))]);
    expect(engine.push(reliable(0, [7]))).toEqual([]);
    expect(said(engine)).toEqual([toHex(ack(1))]);
    expect(engine.push(reliable(3, [7]))).toEqual([]);
    expect(said(engine)).toEqual([toHex(ack(1))]);
  });

  it('tells where it is after a damaged frame', () => {
    const engine = talkative();
    engine.push(fromHex('C0 01 02 03 04 05 C0'));
    expect(said(engine)).toEqual([toHex(ack(0))]);
  });

  it('ignores an acknowledgement of what was never sent, except as uBCSP', () => {
    const engine = talkative();
    engine.send(12, Uint8Array.of(1));
    engine.takeOutput();
    engine.push(ack(5));
    expect(engine.isIdle).toBe(false);
    const small = talkative({ form: 'ubcsp' });
    small.send(12, Uint8Array.of(1));
    small.takeOutput();
    small.push(ack(5));
    expect(small.isIdle).toBe(true);
  });

  it('any noise leaves it answering', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (pieces) => {
        const engine = talkative();
        for (const piece of pieces) {
          engine.push(piece);
          expect(engine.takeOutput().length).toBeLessThan(64);
          engine.expire();
        }
      }),
    );
  });
});

describe('two ends', () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 12 });
  const options = fc.record({
    form: fc.constantFrom('bcsp' as const, 'ubcsp' as const),
    crc: fc.constant(true),
  });

  it('deliver everything, once and in order, over a line that loses, doubles and damages', () => {
    fc.assert(
      fc.property(
        options,
        options,
        payloads,
        payloads,
        fc.array(fc.constantFrom('ok', 'ok', 'ok', 'lost', 'twice', 'damaged'), { minLength: 1, maxLength: 40 }),
        (left, right, fromLeft, fromRight, fates) => {
          const ends = [new BcspEngine(left), new BcspEngine(right)] as const;
          const wanted = [fromRight.map(toHex), fromLeft.map(toHex)] as const;
          const heard: [string[], string[]] = [[], []];
          const isUp = [false, false];
          let fate = 0;
          for (let round = 0; round < 400; round++) {
            ends.forEach((end, index) => {
              const other = index === 0 ? 1 : 0;
              for (const frame of end.takeOutput()) {
                // Fewer troubles in a row than repetitions before the link is given up.
                const what = isUp[0] && isUp[1] && fate < MAX_REPEATS - 2 ? fates[fate++ % fates.length] : 'ok';
                if (what === 'lost') continue;
                const sent =
                  what === 'damaged' ? frame.with(frame.length >> 1, frame[frame.length >> 1]! ^ 0x11) : frame;
                for (let times = what === 'twice' ? 2 : 1; times > 0; times--) {
                  for (const event of ends[other].push(sent)) {
                    if (event.kind === 'link-up') {
                      isUp[other] = true;
                      for (const payload of other === 0 ? fromLeft : fromRight) ends[other].send(12, payload);
                    }
                    if (event.kind === 'datagram') heard[other].push(toHex(event.bytes));
                  }
                }
              }
            });
            for (const end of ends) end.expire();
            if (heard[0].length >= wanted[0].length && heard[1].length >= wanted[1].length) break;
          }
          expect(heard).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });
});
