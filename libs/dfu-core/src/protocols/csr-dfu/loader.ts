/**
 * The DFU machine on the other end: requests one after the other, states and status codes as USB DFU has them. Which bytes
 * they are is up to the `LoaderCodec`.
 *
 * Source: USB Device Firmware Upgrade 1.1; BlueZ, tools/dfutool.c.
 */
import { DrydockError, LinkError, MalformedFrameError, TargetRefusedError } from '../../errors.js';
import { BcspChannel } from '../../framing/bcsp/packet.js';
import type { Session } from '../../session/session.js';
import { BccmdType, BccmdVariable, decodeBccmd, encodeBccmd } from './bccmd.js';
import type { BcspLine } from './bcsp-line.js';
import { decodeStatus, DfuState, type DfuStatus, explainStatus } from './dfu-status.js';
import type { LoaderCodec, LoaderRequest, LoaderResponse } from './loader-codec.js';

const ANSWER_MS = 10_000;
const BCCMD_MS = 1_500;
const SETTLE_MS = 2_000;
const MAX_STRAYS = 32;
/** A loader may announce any time; no longer than this is waited in one go, or in all for one block. */
const MAX_POLL_MS = 15_000;
export const BUSY_MS = 60_000;
/** Between two looks at a loader that announces no time. */
const MIN_POLL_MS = 1;
const MAX_POLLS = 2_000;

/** What can be read of a module that speaks BCSP, whatever runs on it. */
export interface ChipFacts {
  readonly buildId?: number;
  readonly chipVersion?: number;
  readonly loaderBuildId?: number;
}

/** One read. @returns undefined when the module does not answer, or not with a value. */
export function* readVariable(line: BcspLine, variable: number, sequence: number): Session<number | undefined> {
  const bytes = encodeBccmd({ type: BccmdType.Get, sequence, variable, status: 0, words: [] });
  line.send({ channel: BcspChannel.Bccmd, isReliable: true, bytes });
  for (let strays = 0; strays < MAX_STRAYS; strays++) {
    const datagram = yield* line.receive(BcspChannel.Bccmd, BCCMD_MS);
    if (!datagram) return undefined;
    try {
      const answer = decodeBccmd(datagram.bytes);
      if (answer.type !== BccmdType.Response || answer.sequence !== sequence || answer.variable !== variable) continue;
      return answer.status === 0 ? answer.words[0] : undefined;
    } catch (error) {
      if (!(error instanceof MalformedFrameError)) throw error;
    }
  }
  return undefined;
}

/** Changes nothing. */
export function* readChip(line: BcspLine): Session<ChipFacts> {
  const buildId = yield* readVariable(line, BccmdVariable.BuildId, 1);
  // Who does not answer the first does not serve BCCMD.
  if (buildId === undefined) return {};
  const chipVersion = yield* readVariable(line, BccmdVariable.ChipVersion, 2);
  const loaderBuildId = yield* readVariable(line, BccmdVariable.LoaderBuildId, 3);
  return {
    buildId,
    ...(chipVersion !== undefined && { chipVersion }),
    ...(loaderBuildId !== undefined && { loaderBuildId }),
  };
}

/** A reset is not answered: that it is acknowledged is all that can be known, and not even that is certain. */
export function* coldReset(line: BcspLine): Session<void> {
  const bytes = encodeBccmd({
    type: BccmdType.Set,
    sequence: 9,
    variable: BccmdVariable.ColdReset,
    status: 0,
    words: [],
  });
  line.send({ channel: BcspChannel.Bccmd, isReliable: true, bytes });
  try {
    yield* line.settle(SETTLE_MS);
  } catch (error) {
    if (!(error instanceof DrydockError) || error.recovery !== 'resume') throw error;
  }
}

export class Loader {
  constructor(
    readonly line: BcspLine,
    readonly codec: LoaderCodec,
  ) {}

  /** @throws LinkError `link.timeout`; PeerRestartedError */
  *ask(request: LoaderRequest): Session<LoaderResponse> {
    const datagrams = this.codec.encode(request);
    for (const datagram of datagrams) this.line.send(datagram);
    const channel = datagrams[0]?.channel ?? BcspChannel.Dfu;
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      const datagram = yield* this.line.receive(channel, ANSWER_MS);
      if (!datagram) break;
      const response = this.#decode(datagram);
      if (response?.request === request.request) return response;
    }
    throw new LinkError('link.timeout', {
      withinMs: ANSWER_MS,
      detail: `the loader does not answer ${request.request}`,
    });
  }

  /** Sends without an answer: the reset. */
  *tell(request: LoaderRequest): Session<void> {
    for (const datagram of this.codec.encode(request)) this.line.send(datagram);
    try {
      yield* this.line.settle(SETTLE_MS);
    } catch (error) {
      if (!(error instanceof DrydockError) || error.recovery !== 'resume') throw error;
    }
  }

  /** @throws TargetRefusedError when it is refused. */
  *order(request: LoaderRequest): Session<Uint8Array> {
    const response = yield* this.ask(request);
    if (!response.isStalled) return response.data;
    const status = yield* this.status();
    throw refusal(request.request, status);
  }

  *status(): Session<DfuStatus> {
    const response = yield* this.ask({ request: 'get-status' });
    if (response.isStalled)
      throw new TargetRefusedError('get-status', 'stalled', 'the loader does not state its status');
    return decodeStatus(response.data);
  }

  /** @returns the state by its number. */
  *state(): Session<number> {
    const data = yield* this.order({ request: 'get-state' });
    const [state] = data;
    if (state === undefined || data.length !== 1) throw new MalformedFrameError('a DFU state is one byte');
    return state;
  }

  /** Whatever it did before: afterwards it is ready for the first block. @throws TargetRefusedError */
  *becomeIdle(): Session<void> {
    for (let tries = 0; tries < 4; tries++) {
      const { state, status, pollMs } = yield* this.status();
      if (state === DfuState.Idle && status === 0) return;
      if (state === DfuState.Error || status !== 0) yield* this.ask({ request: 'clear-status' });
      else if (state === DfuState.DownloadBusy || state === DfuState.Manifest) yield* this.#pause(pollMs);
      else yield* this.ask({ request: 'abort' });
    }
    throw new TargetRefusedError('abort', 'not idle', 'the loader does not become ready for a file');
  }

  /**
   * One block, until it is taken.
   * @throws TargetRefusedError with what the loader says of it; LinkError `link.timeout` when it stays busy.
   */
  *download(block: number, bytes: Uint8Array): Session<void> {
    yield* this.order({ request: 'dnload', block, bytes });
    yield* this.#until('dnload', [DfuState.DownloadIdle], BUSY_MS);
  }

  /** The empty block: the loader checks what it has. @returns false when it left before it said that it is done. */
  *manifest(block: number): Session<boolean> {
    yield* this.order({ request: 'dnload', block, bytes: new Uint8Array() });
    try {
      yield* this.#until('manifest', [DfuState.Idle, DfuState.ManifestWaitReset], BUSY_MS);
      return true;
    } catch (error) {
      // Started by itself, or silent for it: what runs is looked at next.
      if (error instanceof DrydockError && error.recovery === 'resume') return false;
      throw error;
    }
  }

  *#until(request: string, wanted: readonly number[], withinMs: number): Session<void> {
    let leftMs = withinMs;
    for (let polls = 0; polls < MAX_POLLS && leftMs > 0; polls++) {
      const { state, status, pollMs } = yield* this.status();
      if (status !== 0 || state === DfuState.Error) throw refusal(request, { state, status, pollMs });
      if (wanted.includes(state)) return;
      leftMs -= yield* this.#pause(pollMs);
    }
    throw new LinkError('link.timeout', { withinMs, detail: `the loader stays busy after ${request}` });
  }

  *#pause(announcedMs: number): Session<number> {
    const ms = Math.min(Math.max(announcedMs, MIN_POLL_MS), MAX_POLL_MS);
    // The other end waits for its acknowledgement, not for our pause.
    yield* this.line.flush();
    yield* this.line.talk.sleep(ms);
    return ms;
  }

  #decode(datagram: Parameters<LoaderCodec['decode']>[0]): LoaderResponse | undefined {
    try {
      return this.codec.decode(datagram);
    } catch (error) {
      if (error instanceof MalformedFrameError) return undefined;
      throw error;
    }
  }
}

function refusal(request: string, { status }: DfuStatus): TargetRefusedError {
  const { name, code, meaning } = explainStatus(status);
  return new TargetRefusedError(request, name, meaning, code);
}
