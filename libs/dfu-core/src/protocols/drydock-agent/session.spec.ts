import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DrydockError } from '../../errors.js';
import { describeArtifact } from '../../image/describe.js';
import { makeAgentBundle } from '../../image/agent-bundle/index.js';
import type { UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import { AGENT_CHANNEL, type Effect, type Input, type LinkInfo, type Session } from '../../session/session.js';
import { dataOf, decodeAnswer, type AgentWho } from './messages.js';
import { compareVersions, drydockAgent } from './session.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const FILE = makeAgentBundle({
  version: '0.2.0',
  platforms: ['linux-x64'],
  files: new Map([
    ['agent.mjs', text('// agent')],
    // Long enough for several pieces, and not compressible.
    ['blob', Uint8Array.from({ length: 150_000 }, (_, at) => (Math.imul(at, 2_654_435_761) >>> 13) & 0xff)],
  ]),
});
const artifact = describeArtifact(FILE);
const HASH = artifact.sha256;
const link: LinkInfo = {
  kind: 'agent',
  maxWriteBytes: 65_537,
  channels: [AGENT_CHANNEL],
  identity: { kind: 'serial-number', value: 'gw-1' },
};
const request: UpdateRequest = {
  artifact,
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: false,
  returnWithinMs: 5000,
};
const OLD: AgentWho = { gateway: 'gw-1', version: '0.1.0', platform: 'linux-x64' };
const NEW: AgentWho = { ...OLD, version: '0.2.0', sha256: HASH };

interface Played {
  readonly outcome: UpdateOutcome;
  readonly said: string[];
  readonly bytes: Uint8Array;
}
/** Plays the agent: `who` by turn (the last one for ever), refusals by request, a cancellation after so many sleeps. */
function play(
  session: Session<UpdateOutcome>,
  agent: { who: readonly AgentWho[]; refuse?: Record<string, string>; cancelAtSleep?: number },
): Played {
  const said: string[] = [];
  const chunks: Uint8Array[] = [];
  let turn = 0;
  let sleeps = 0;
  let answer: unknown;
  const perform = (effect: Effect): Input => {
    switch (effect.kind) {
      case 'send': {
        const data = dataOf(effect.bytes);
        if (data) {
          chunks.push(data);
          return { kind: 'done' };
        }
        const { ask } = JSON.parse(new TextDecoder().decode(effect.bytes)) as { ask: string };
        said.push(ask);
        const detail = agent.refuse?.[ask];
        if (detail !== undefined) answer = { ok: false, code: 'artifact.signature', detail };
        else if (ask === 'who') answer = { ok: true, who: agent.who[Math.min(turn++, agent.who.length - 1)] };
        else answer = { ok: true };
        return { kind: 'done' };
      }
      case 'await':
        return { kind: 'frame', channel: AGENT_CHANNEL, bytes: text(JSON.stringify(answer)) };
      case 'read':
        return { kind: 'data', bytes: FILE.subarray(effect.offset, effect.offset + effect.length) };
      case 'mark':
        said.push(`mark ${effect.step}`);
        return { kind: 'done' };
      case 'sleep':
        sleeps += 1;
        return sleeps === agent.cancelAtSleep ? { kind: 'cancel' } : { kind: 'done' };
      default:
        return { kind: 'done' };
    }
  };
  let step = session.next();
  for (let count = 0; !step.done; count += 1) {
    if (count > 10_000) throw new Error('it has no end');
    step = session.next(perform(step.value));
  }
  return { outcome: step.value, said, bytes: Buffer.concat(chunks) };
}

describe('the upgrade of the agent', () => {
  it('stages every byte, marks before it activates, and leaves the rest to the next start', () => {
    const { outcome, said, bytes } = play(drydockAgent.update(link, request), { who: [OLD], cancelAtSleep: 2 });
    expect(said).toEqual(['who', 'mark touched', 'stage', 'check', 'mark complete', 'mark activating', 'activate']);
    expect(Buffer.from(bytes).equals(FILE)).toBe(true);
    expect(outcome).toMatchObject({ outcome: 'cancelled', sentBytes: FILE.length, needsRescue: false });
  });

  it('touches nothing when that bundle runs, or another gateway answers', () => {
    expect(play(drydockAgent.update(link, request), { who: [NEW] })).toMatchObject({
      outcome: { outcome: 'skipped' },
      said: ['who'],
    });
    const other = play(drydockAgent.update(link, request), { who: [{ ...OLD, gateway: 'gw-2' }] });
    expect(other).toMatchObject({ outcome: { outcome: 'failed', code: 'target.wrong-identity' }, said: ['who'] });
  });

  it('activates nothing that was refused', () => {
    const { outcome, said } = play(drydockAgent.update(link, request), { who: [OLD], refuse: { check: 'not ours' } });
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'artifact.signature', params: { detail: 'not ours' } });
    expect(said).not.toContain('mark activating');
  });

  it('that never stops has not come back', () => {
    expect(play(drydockAgent.update(link, request), { who: [OLD] }).outcome).toMatchObject({
      code: 'target.did-not-return',
    });
  });

  it('is proven only when the bundle itself says that its trial is over', () => {
    const who = [{ ...NEW, trial: 'no ack yet' }, { ...NEW, trial: '' }, NEW];
    const proven = play(drydockAgent.prove(link, request, undefined), { who });
    expect(proven.outcome).toMatchObject({ outcome: 'proven', after: { running: [{ hash: HASH, confirmed: true }] } });
    expect(proven.said).toEqual(['who', 'who', 'who']);
  });

  it('gives up a trial that takes too long, and leaves that to the launcher', () => {
    const stuck = { who: [{ ...NEW, trial: 'no ack yet' }] };
    const { outcome, said } = play(drydockAgent.prove(link, request, undefined), { ...stuck, cancelAtSleep: 12 });
    expect(said.at(-1)).toBe('fall-back');
    expect(outcome.outcome).toBe('cancelled');
  });

  it('tells a fall back from a start that never happened', () => {
    const fell = { ...OLD, fellBack: { sha256: HASH, why: 'it crashed' } };
    expect(play(drydockAgent.prove(link, request, undefined), { who: [fell] }).outcome).toMatchObject({
      outcome: 'failed',
      code: 'target.reverted',
      params: { detail: 'it crashed' },
    });
    expect(play(drydockAgent.prove(link, request, undefined), { who: [OLD] }).outcome).toMatchObject({
      code: 'target.wrong-image-runs',
    });
  });

  it('does not blame a version for a server that the good one cannot reach either', () => {
    const fell = { sha256: HASH, why: 'not connected to the server' };
    const looking = { ...OLD, fellBack: { ...fell, looking: true } };
    const ended = (who: readonly AgentWho[]): UpdateOutcome =>
      play(drydockAgent.prove(link, request, undefined), { who }).outcome;
    expect(ended([looking, looking, { ...OLD, fellBack: { ...fell, serverAway: true } }])).toMatchObject({
      outcome: 'failed',
      code: 'gateway.offline',
      params: { detail: fell.why },
    });
    expect(ended([looking, { ...OLD, fellBack: fell }])).toMatchObject({ code: 'target.reverted' });
    // A look that never ends is no excuse.
    expect(ended([looking])).toMatchObject({ code: 'target.reverted' });
  });

  it('fits what is not older, unless that is allowed', () => {
    const found = (version: string) => ({
      protocol: 'drydock-agent',
      mode: 'application' as const,
      identity: link.identity,
      hardware: {},
      running: [{ image: 0, version }],
    });
    expect(drydockAgent.fit(found('0.1.9'), artifact, { allowDowngrade: false }).fits).toBe(true);
    expect(drydockAgent.fit(found('0.2.1'), artifact, { allowDowngrade: false })).toMatchObject({
      code: 'artifact.downgrade',
    });
    expect(drydockAgent.fit(found('0.2.1'), artifact, { allowDowngrade: true }).fits).toBe(true);
    expect(compareVersions('0.10.0', '0.9.0')).toBeGreaterThan(0);
    expect(compareVersions('1.0.0-rc.1', '1.0.0')).toBeLessThan(0);
  });

  it('reads any bytes as an answer, or as a malformed one', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(text)), (bytes) => {
        try {
          decodeAnswer(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DrydockError);
        }
      }),
    );
  });
});
