/**
 * Before and after somebody else's tool updates a module through the same port: into DFU mode, where such a tool begins,
 * and back to Melody, whose version is the only proof.
 *
 * Source: BC127_firmware_update_passthrough (ipaq3115) and BC127_Firmware (Tympan): `DFU`, 500 ms, 115200 8E1.
 */
import { DrydockError, InvariantError } from '../../errors.js';
import { decodeBcsp } from '../../framing/bcsp/packet.js';
import { SlipDecoder } from '../../framing/slip.js';
import type { Identification, RawPortAccess, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { LinkTalk } from '../../session/link-talk.js';
import { BcspLine } from './bcsp-line.js';
import { find, findOrFail } from './identify.js';
import { judge } from './judge.js';
import { DFU_LINE } from './lines.js';
import { coldReset } from './loader.js';
import { MelodyCli } from './melody.js';

const AFTER_DFU_MS = 500;
const ESTABLISH_MS = 10_000;
const LOOK_MS = 2_000;
const LOOKS = 10;
/** Header, largest payload, CRC. */
const MAX_FRAME_BYTES = 4 + 0xfff + 2;

/** @returns what ran before; the module is in DFU mode or in its loader afterwards, and nothing else was done to it. */
export function* enterCsrDfuMode(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
  const talk = new LinkTalk(link);
  const { identification, cli } = yield* findOrFail(talk, options);
  // One that is found in DFU mode is told nothing; the tool is what touches it.
  if (cli) {
    const melody = new MelodyCli(talk);
    yield* melody.listenAt(cli.line);
    yield* talk.mark('touched');
    yield* melody.tell('DFU');
    yield* talk.sleep(AFTER_DFU_MS);
  } else yield* talk.mark('touched');
  yield* talk.close();
  return identification;
}

/**
 * Waits for Melody; a module that is still in DFU mode is reset once.
 * @returns who answers in the end: Melody, or a loader without application.
 * @throws DrydockError `target.did-not-return`
 */
export function* returnToMelody(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
  const talk = new LinkTalk(link);
  talk.mayLeave = false;
  let wasReset = false;
  let last: Identification | undefined;
  for (let looks = 0; looks < LOOKS; looks++) {
    const found = yield* find(talk, options);
    last = found?.identification ?? last;
    if (found?.cli) return found.identification;
    if (found && wasReset) return found.identification;
    if (found) {
      wasReset = true;
      yield* talk.configure(DFU_LINE);
      const line = new BcspLine(talk);
      if (yield* line.establish(ESTABLISH_MS)) yield* coldReset(line);
    }
    yield* talk.sleep(LOOK_MS);
  }
  if (last) return last;
  throw new DrydockError('target.did-not-return', { withinMs: LOOKS * LOOK_MS });
}

/** What Melody says after the tool is the only proof. */
function* leave(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const rest = { ...(before && { before }), sentBytes: 0 };
  try {
    const after = yield* returnToMelody(link, request.linkOptions ?? {});
    yield* new LinkTalk(link).close();
    return { ...judge(before, after, request), ...rest, after, needsRescue: after.mode === 'bootloader' };
  } catch (error) {
    const { code, params } =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    // Nobody saw an application, and somebody else had the module.
    return { outcome: 'failed', code, params, ...rest, needsRescue: true };
  }
}

/** A frame of BCSP whose header adds up. */
function listener(): (bytes: Uint8Array) => boolean {
  const frames = new SlipDecoder(MAX_FRAME_BYTES);
  return (bytes) =>
    frames.push(bytes).some((frame) => {
      try {
        decodeBcsp(frame);
        return true;
      } catch {
        return false;
      }
    });
}

export const csrRawPort: RawPortAccess = { line: DFU_LINE, enter: enterCsrDfuMode, listener, leave };
