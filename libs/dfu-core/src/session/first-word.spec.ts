import { describe, expect, it } from '@jest/globals';
import { DrydockError, LinkError } from '../errors.js';
import { untilFirstWord } from './first-word.js';
import type { Effect, Input, Session } from './session.js';

const CHANNEL = 'serial';
const frame: Input = { kind: 'frame', channel: CHANNEL, bytes: Uint8Array.of(1) };

/** Asks `tries` times and listens a second each; says goodbye when it is told to leave. */
function* asking(tries: number): Session<string> {
  for (let count = 0; count < tries; count++) {
    yield { kind: 'send', channel: CHANNEL, bytes: Uint8Array.of(count), withinMs: 100 };
    const input = yield { kind: 'await', channels: [CHANNEL], withinMs: 1000 };
    if (input.kind === 'frame') return `answered ${count}`;
    if (input.kind === 'cancel') {
      yield { kind: 'configure', line: { baud: 9600 }, withinMs: 100 };
      throw new DrydockError('order.cancelled');
    }
  }
  return 'silence';
}

/** @returns what was asked of the link: effects with how long they may take. */
function play(session: Session<string>, answers: readonly Input[]): { effects: string[]; ended: unknown } {
  const effects: string[] = [];
  const left = [...answers];
  const answerTo = (effect: Effect): Input =>
    effect.kind === 'await' ? (left.shift() ?? { kind: 'timeout' }) : { kind: 'done' };
  try {
    let step = session.next();
    while (!step.done) {
      effects.push(`${step.value.kind} ${step.value.withinMs}`);
      step = session.next(answerTo(step.value));
    }
    return { effects, ended: step.value };
  } catch (error) {
    return { effects, ended: error };
  }
}

describe('a session that is given until the first word', () => {
  it('is sent away from silence, says goodbye, and sends nothing more', () => {
    const { effects, ended } = play(untilFirstWord(asking(5), 1500), []);
    expect(effects).toEqual(['send 100', 'await 1000', 'send 100', 'await 500', 'configure 100']);
    expect(ended).toBeInstanceOf(LinkError);
    expect(ended).toMatchObject({ code: 'link.timeout', params: { withinMs: 1500 } });
  });

  it('does not wait for one that first finishes its wait', () => {
    function* noting(): Session<string> {
      for (let count = 0; count < 3; count++) {
        const input = yield { kind: 'await', channels: [CHANNEL], withinMs: 5000 };
        if (input.kind === 'timeout') break;
      }
      throw new DrydockError('order.cancelled');
    }
    const { effects, ended } = play(untilFirstWord(noting(), 300), []);
    expect(effects).toEqual(['await 300', 'await 20']);
    expect(ended).toMatchObject({ code: 'link.timeout' });
  });

  it('has its own patience once anything was heard', () => {
    function* talkative(): Session<string> {
      const first = yield { kind: 'await', channels: [CHANNEL], withinMs: 1000 };
      const second = yield { kind: 'await', channels: [CHANNEL], withinMs: 9000 };
      return `${first.kind} ${second.kind}`;
    }
    const { effects, ended } = play(untilFirstWord(talkative(), 300), [frame]);
    expect(effects).toEqual(['await 300', 'await 9000']);
    expect(ended).toBe('frame timeout');
  });

  it('ends as it would by itself where the answer comes, or its own patience is shorter', () => {
    expect(play(untilFirstWord(asking(5), 1500), [{ kind: 'timeout' }, frame]).ended).toBe('answered 1');
    expect(play(untilFirstWord(asking(1), 1500), []).ended).toBe('silence');
  });

  it('hands on what the session throws by itself', () => {
    function* broken(): Session<string> {
      yield { kind: 'sleep', withinMs: 1 };
      throw new DrydockError('target.wrong-kind', { expected: 'x', detail: 'y' });
    }
    expect(play(untilFirstWord(broken(), 100), []).ended).toMatchObject({ code: 'target.wrong-kind' });
  });
});
