/**
 * The upgrade of the gateway's own agent, in the shape of every other update.
 *
 *     who                          which bundle runs; refused for another gateway
 *     mark touched
 *     stage, bytes, check          written beside what runs; signature, digests, and whether it loads on this machine
 *     mark complete, activating
 *     activate                     the agent stops, as for a signal; the attempt stays open in its journal
 *     ── the launcher starts the new bundle on trial ──
 *     who, again and again         connected, acknowledged, links open: then it is the good one, and this is the proof
 *
 * A bundle that does not stand its trial is left for the last good one by the launcher; the session then finds that one
 * running, which says why. Nothing is erased on the way: until `activating` the way back is to stop.
 */
import { ERROR_CODES, isErrorCode, type ErrorCode } from '@drydock/contracts';
import { AGENT_BUNDLE_FORMAT, AGENT_MODEL } from '../../image/agent-bundle/index.js';
import { sourceOf } from '../../bytes/byte-source.js';
import { DrydockError } from '../../errors.js';
import type { FitResult, Identification, Protocol, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import { AGENT_CHANNEL, type Effect, type Input, type LinkInfo, type Session } from '../../session/session.js';
import { decodeAnswer, encodeData, encodeRequest, type AgentRequest, type AgentWho } from './messages.js';

const ANSWER_MS = 10_000;
/** Unpacking and a first load on a slow card. */
const CHECK_MS = 120_000;
const MARK_MS = 30_000;
const PIECE_BYTES = 64 * 1024;
const LOOK_MS = 500;
/** Beyond the session's own patience: then the launcher decides alone. */
const TRIAL_GRACE_MS = 60_000;

class LeaveError extends DrydockError {
  constructor() {
    super('order.cancelled');
  }
}

interface End {
  sentBytes: number;
  readonly needsRescue: boolean;
  before?: Identification;
  after?: Identification;
}

export const drydockAgent: Protocol = {
  name: AGENT_MODEL,
  links: ['agent'],
  services: [],
  formats: [AGENT_BUNDLE_FORMAT],
  recognise: () => undefined,
  *identify() {
    return describe(yield* askWho());
  },
  fit,
  payloads: (file) => new Map([['image:0', file]]),
  sources: (file) => new Map([['image:0', sourceOf(file)]]),
  update,
  prove,
  // An agent that can be asked is running: there is nothing to bring back.
  rescue: update,
};

function fit(
  found: Identification,
  artifact: UpdateRequest['artifact'],
  options: { allowDowngrade: boolean },
): FitResult {
  const [image] = artifact.images;
  if (artifact.format !== AGENT_BUNDLE_FORMAT || !image) {
    return {
      fits: false,
      code: 'artifact.wrong-model',
      params: { actual: artifact.format, expected: AGENT_BUNDLE_FORMAT },
    };
  }
  const runs = found.running[0]?.version ?? '';
  const brings = image.version ?? '';
  if (!options.allowDowngrade && compareVersions(brings, runs) < 0) {
    return { fits: false, code: 'artifact.downgrade', params: { actual: brings, expected: runs } };
  }
  return { fits: true };
}

function* update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome> {
  const end: End = { sentBytes: 0, needsRescue: false };
  try {
    const who = yield* askWho();
    const before = describe(who);
    end.before = before;
    checkGateway(before, link, request);
    const [image] = request.artifact.images;
    if (!image?.runningHash) throw new DrydockError('artifact.unsupported', { detail: 'no image' });
    if (who.sha256 === image.runningHash && who.trial === undefined) {
      return { outcome: 'skipped', reason: 'already-running', ...end };
    }
    yield* mark('touched');
    yield* say({ ask: 'stage', sha256: image.runningHash, sizeBytes: image.sizeBytes });
    for (let at = 0; at < image.sizeBytes; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, image.sizeBytes - at);
      const piece = yield* perform({ kind: 'read', source: 'image:0', offset: at, length, withinMs: ANSWER_MS });
      if (piece.kind !== 'data') throw new DrydockError('link.lost', { detail: piece.kind });
      yield* perform({
        kind: 'send',
        channel: AGENT_CHANNEL,
        bytes: encodeData(piece.bytes),
        acknowledged: true,
        withinMs: ANSWER_MS,
      });
      end.sentBytes = at + length;
      yield* perform({ kind: 'progress', sentBytes: end.sentBytes, totalBytes: image.sizeBytes, withinMs: ANSWER_MS });
    }
    yield* say({ ask: 'check' }, CHECK_MS);
    yield* mark('complete');
    yield* mark('activating');
    yield* say({ ask: 'activate', withinMs: request.returnWithinMs + TRIAL_GRACE_MS });
    // It stops now, and cancels what runs: what follows is the next start's.
    yield* pauseUntilStopped(request.returnWithinMs);
    throw new DrydockError('target.did-not-return', { withinMs: request.returnWithinMs });
  } catch (error) {
    return ending(error, end);
  }
}

function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const end: End = { sentBytes: 0, needsRescue: false, ...(before && { before }) };
  try {
    const wanted = request.artifact.images[0]?.runningHash;
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const who = yield* askWho();
      const after = describe(who);
      end.after = after;
      checkGateway(after, link, request);
      if (who.sha256 !== wanted) {
        const fell: AgentWho['fellBack'] = who.fellBack;
        if (fell && fell.sha256 === wanted) {
          if (fell.looking && waitedMs < request.returnWithinMs) {
            yield* perform({ kind: 'sleep', withinMs: LOOK_MS });
            continue;
          }
          // That a version got no connection where the good one gets none either says nothing of it.
          if (fell.serverAway) throw new DrydockError('gateway.offline', { detail: fell.why });
          throw new DrydockError('target.reverted', { detail: fell.why });
        }
        throw new DrydockError('target.wrong-image-runs', { actual: who.version, expected: wanted ?? '' });
      }
      if (who.trial === undefined) return { outcome: 'proven', ...end };
      if (waitedMs >= request.returnWithinMs) {
        yield* say({ ask: 'fall-back', why: who.trial });
        yield* pauseUntilStopped(ANSWER_MS);
        throw new DrydockError('target.not-confirmed', { detail: who.trial });
      }
      yield* perform({ kind: 'sleep', withinMs: LOOK_MS });
    }
  } catch (error) {
    return ending(error, end);
  }
}

/** Only a cancellation ends this wait early: a stop gives one. */
function* pauseUntilStopped(withinMs: number): Session<void> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += LOOK_MS) yield* perform({ kind: 'sleep', withinMs: LOOK_MS });
}

function ending(error: unknown, end: End): UpdateOutcome {
  if (error instanceof LeaveError) return { outcome: 'cancelled', ...end };
  if (error instanceof DrydockError) return { outcome: 'failed', code: error.code, params: error.params, ...end };
  throw error;
}

function checkGateway(found: Identification, link: LinkInfo, request: UpdateRequest): void {
  const expected = request.expectIdentity ?? link.identity;
  if (found.identity.value === expected.value) return;
  throw new DrydockError('target.wrong-identity', { expected: expected.value, actual: found.identity.value });
}

function describe(who: AgentWho): Identification {
  return {
    protocol: AGENT_MODEL,
    mode: 'application',
    identity: { kind: 'serial-number', value: who.gateway },
    hardware: { platform: who.platform },
    running: [
      {
        image: 0,
        version: who.version,
        ...(who.sha256 !== undefined && { hash: who.sha256, confirmed: who.trial === undefined }),
      },
    ],
    model: AGENT_MODEL,
  };
}

function* askWho(): Session<AgentWho> {
  const answer = yield* say({ ask: 'who' });
  if (!answer) throw new DrydockError('target.malformed-answer', { detail: 'agent: it does not say who it is' });
  return answer;
}

/** @throws DrydockError with the code of the refusal, where it is one of ours. */
function* say(request: AgentRequest, withinMs = ANSWER_MS): Session<AgentWho | undefined> {
  yield* perform({ kind: 'send', channel: AGENT_CHANNEL, bytes: encodeRequest(request), acknowledged: true, withinMs });
  const input = yield* perform({ kind: 'await', channels: [AGENT_CHANNEL], withinMs });
  if (input.kind !== 'frame') throw new DrydockError('target.malformed-answer', { detail: `agent: ${input.kind}` });
  const answer = decodeAnswer(input.bytes);
  if (answer.ok) return answer.who;
  if (isErrorCode(answer.code)) throw new DrydockError(answer.code, paramsOf(answer.code, answer.detail));
  throw new DrydockError('target.refused', { request: request.ask, result: answer.code, detail: answer.detail });
}

/** The one parameter that an answer carries stands where the code's sentence wants one. */
function paramsOf(code: ErrorCode, detail: string): Record<string, string> {
  const [, name = 'detail'] = /\{(\w+)\}/.exec(ERROR_CODES[code].sentence) ?? [];
  return { [name]: detail };
}

function* mark(step: 'touched' | 'complete' | 'activating'): Session<void> {
  yield* perform({ kind: 'mark', step, withinMs: MARK_MS });
}

/** @throws LeaveError, DrydockError for every input that is no answer. */
function* perform(effect: Effect): Session<Exclude<Input, { kind: 'cancel' | 'closed' | 'timeout' | 'failed' }>> {
  const input = yield effect;
  switch (input.kind) {
    case 'cancel':
      throw new LeaveError();
    case 'closed':
      throw new DrydockError('link.lost', { detail: 'the agent hung up' });
    case 'timeout':
      throw new DrydockError('link.timeout', { withinMs: effect.withinMs, detail: effect.kind });
    case 'failed':
      throw new DrydockError(input.code, input.params ?? {});
    default:
      return input;
  }
}

/** Semantic versioning 2.0.0, section 11, as far as the numbers; a pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const read = (text: string): number[] => {
    const match = /^(\d+)\.(\d+)\.(\d+)(-)?/.exec(text);
    return match ? [Number(match[1]), Number(match[2]), Number(match[3]), match[4] ? 0 : 1] : [];
  };
  const [left, right] = [read(a), read(b)];
  if (left.length === 0 || right.length === 0) return 0;
  for (let at = 0; at < left.length; at += 1) if (left[at] !== right[at]) return left[at]! - right[at]!;
  return 0;
}
