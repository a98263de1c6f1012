/**
 * What is said between a session and the agent it upgrades (which is the one that drives the session).
 *
 * A frame that begins with 0x00 carries bytes of the bundle and is not answered. Every other frame is one JSON object, a
 * request or its answer, strictly in turn. The form may change with any version: both ends are of the same agent.
 */
import { DrydockError } from '../../errors.js';

export type AgentRequest =
  | { readonly ask: 'who' }
  /** From now on bytes come. Forgets that this bundle fell back before. */
  | { readonly ask: 'stage'; readonly sha256: string; readonly sizeBytes: number }
  /** All bytes came: unpack, check signature and digests, try whether it can be loaded here. */
  | { readonly ask: 'check' }
  /** The next start is on trial, for so long. The agent stops at its next safe point. */
  | { readonly ask: 'activate'; readonly withinMs: number }
  /** The trial is over, without success. */
  | { readonly ask: 'fall-back'; readonly why: string };

export interface AgentWho {
  readonly gateway: string;
  readonly version: string;
  /** Bundle that runs; absent for an agent that was installed by hand. */
  readonly sha256?: string;
  /** `linux-x64` */
  readonly platform: string;
  /** It is on trial: what it still waits for, empty when it is done; absent otherwise. */
  readonly trial?: string;
  /** The last bundle that did not stand its trial. */
  readonly fellBack?: {
    readonly sha256: string;
    readonly why: string;
    /** It was left for want of a connection: whether the version that runs now, which is good, gets one is being looked at. */
    readonly looking?: boolean;
    /** Nor did the good version: the server or the way to it was away. */
    readonly serverAway?: boolean;
  };
}

export type AgentAnswer =
  | ({ readonly ok: true } & { readonly who?: AgentWho })
  | { readonly ok: false; readonly code: string; readonly detail: string };

const DATA_MARK = 0x00;
/** Longest text in an answer that is used. */
const MAX_TEXT = 512;
const encoder = new TextEncoder();

export function encodeRequest(request: AgentRequest): Uint8Array {
  return encoder.encode(JSON.stringify(request));
}

export function encodeData(bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(bytes.length + 1);
  frame[0] = DATA_MARK;
  frame.set(bytes, 1);
  return frame;
}

/** @returns the bytes of a data frame, else undefined. */
export function dataOf(frame: Uint8Array): Uint8Array | undefined {
  return frame[0] === DATA_MARK ? frame.subarray(1) : undefined;
}

/** @throws DrydockError `target.malformed-answer` */
export function decodeAnswer(frame: Uint8Array): AgentAnswer {
  const value = parse(frame);
  if (value?.['ok'] === false) {
    return { ok: false, code: textOf(value['code']) ?? '', detail: textOf(value['detail']) ?? '' };
  }
  if (value?.['ok'] !== true) throw malformed('neither yes nor no');
  return value['who'] === undefined ? { ok: true } : { ok: true, who: whoOf(value['who']) };
}

function whoOf(value: unknown): AgentWho {
  const who = objectOf(value);
  const gateway = textOf(who?.['gateway']);
  const version = textOf(who?.['version']);
  const platform = textOf(who?.['platform']);
  if (!gateway || !version || !platform) throw malformed('it does not say who it is');
  const sha256 = textOf(who?.['sha256']);
  const trial = textOf(who?.['trial']);
  const fell = objectOf(who?.['fellBack']);
  const fellHash = textOf(fell?.['sha256']);
  return {
    gateway,
    version,
    platform,
    ...(sha256 !== undefined && { sha256 }),
    ...(trial !== undefined && { trial }),
    ...(fellHash !== undefined && {
      fellBack: {
        sha256: fellHash,
        why: textOf(fell?.['why']) ?? '',
        ...(fell?.['looking'] === true && { looking: true }),
        ...(fell?.['serverAway'] === true && { serverAway: true }),
      },
    }),
  };
}

function parse(frame: Uint8Array): Record<string, unknown> | undefined {
  try {
    return objectOf(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(frame)));
  } catch {
    throw malformed('no JSON');
  }
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, MAX_TEXT) : undefined;
}

function malformed(detail: string): DrydockError {
  return new DrydockError('target.malformed-answer', { detail: `agent: ${detail}` });
}
