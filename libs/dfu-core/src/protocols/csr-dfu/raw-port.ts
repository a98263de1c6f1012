/**
 * Before and after somebody else's tool updates a module through the same port: into DFU mode, where such a tool begins,
 * and back to Melody, whose version is the only proof.
 *
 * Source: BC127_firmware_update_passthrough (ipaq3115) and BC127_Firmware (Tympan): `DFU`, 500 ms, 115200 8E1.
 */
import { DrydockError, InvariantError, TargetRefusedError } from '../../errors.js';
import { decodeBcsp } from '../../framing/bcsp/packet.js';
import { SlipDecoder } from '../../framing/slip.js';
import type {
  Identification,
  RawPortAccess,
  RawPortEntry,
  UpdateOutcome,
  UpdateRequest,
} from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { LinkTalk } from '../../session/link-talk.js';
import { BcspLine } from './bcsp-line.js';
import { find, findOrFail, type Found } from './identify.js';
import { judge } from './judge.js';
import { DFU_LINE } from './lines.js';
import { coldReset } from './loader.js';
import { MelodyCli } from './melody.js';
import { type Mended, mendedFacts, mendSettings, settingsLost } from './mend-settings.js';
import { type MelodySettings, readSettings } from './settings.js';

const AFTER_DFU_MS = 500;
const ESTABLISH_MS = 10_000;
const LOOK_MS = 2_000;
const LOOKS = 10;
/** Header, largest payload, CRC. */
const MAX_FRAME_BYTES = 4 + 0xfff + 2;

/** A module as it was before the tool. */
export interface BeforeTool {
  readonly identification: Identification;
  /** Absent where no command line answered, or it showed none. */
  readonly settings?: MelodySettings;
}

/** A module after the tool. */
export interface AfterTool {
  readonly identification: Identification;
  /** What became of its settings, where they were known before. */
  readonly mended?: Mended;
  /** What kept its settings from being put back, though Melody answered. */
  readonly trouble?: DrydockError;
}

/** @returns what ran before; the module is in DFU mode or in its loader afterwards, and nothing else was done to it. */
export function* enterCsrDfuMode(link: LinkInfo, options: Readonly<Record<string, string>>): Session<BeforeTool> {
  const talk = new LinkTalk(link);
  const { identification, cli } = yield* findOrFail(talk, options);
  let settings: MelodySettings | undefined;
  // One that is found in DFU mode is told nothing; the tool is what touches it.
  if (cli) {
    const melody = new MelodyCli(talk);
    yield* melody.listenAt(cli.line);
    settings = yield* shownSettings(melody);
    yield* talk.mark('touched');
    yield* melody.tell('DFU');
    yield* talk.sleep(AFTER_DFU_MS);
  } else yield* talk.mark('touched');
  yield* talk.close();
  return { identification, ...(settings && { settings }) };
}

/** A module that shows no settings can be updated all the same: it is the person's tool. */
function* shownSettings(cli: MelodyCli): Session<MelodySettings | undefined> {
  try {
    return yield* readSettings(cli);
  } catch (error) {
    if (error instanceof TargetRefusedError) return undefined;
    throw error;
  }
}

/**
 * Waits for Melody; a module that is still in DFU mode is reset once. What it lost of its settings is put back.
 * @returns who answers in the end: Melody, or a loader without application.
 * @throws DrydockError `target.did-not-return` when nobody answers; LinkError
 */
export function* returnToMelody(
  link: LinkInfo,
  options: Readonly<Record<string, string>>,
  settings?: MelodySettings,
): Session<AfterTool> {
  const talk = new LinkTalk(link);
  talk.mayLeave = false;
  const found = yield* awaitMelody(talk, options);
  if (!settings || !found.cli) return { identification: found.identification };
  try {
    const cli = new MelodyCli(talk);
    yield* cli.listenAt(found.cli.line);
    const mended = yield* mendSettings(cli, settings, options);
    const { hardware } = found.identification;
    return {
      identification: { ...found.identification, hardware: { ...hardware, ...mendedFacts(mended) } },
      mended,
    };
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error;
    return { identification: found.identification, trouble: error };
  }
}

function* awaitMelody(talk: LinkTalk, options: Readonly<Record<string, string>>): Session<Found> {
  let wasReset = false;
  let last: Found | undefined;
  for (let looks = 0; looks < LOOKS; looks++) {
    const found = yield* find(talk, options);
    last = found ?? last;
    if (found?.cli) return found;
    if (found && wasReset) return found;
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
function* leave(
  link: LinkInfo,
  request: UpdateRequest,
  before: Identification | undefined,
  settings?: MelodySettings,
): Session<UpdateOutcome> {
  const rest = { ...(before && { before }), sentBytes: 0 };
  try {
    const options = request.linkOptions ?? {};
    const { identification, mended, trouble } = yield* returnToMelody(link, options, settings);
    yield* new LinkTalk(link).close();
    const isUnknown = !settings && before?.mode === 'application';
    const hardware = { ...identification.hardware, ...(isUnknown && { settingsUnknownBefore: 1 }) };
    const after = { ...identification, hardware };
    const isGone = after.mode === 'bootloader' || trouble?.code === 'target.did-not-return';
    const ending = { ...rest, after, needsRescue: isGone };
    const verdict = judge(before, after, request);
    const lost = trouble ?? (mended && settingsLost(mended));
    // That another version runs than the one that was meant says more than what it forgot.
    if (lost && verdict.outcome !== 'failed') {
      return { outcome: 'failed', code: lost.code, params: lost.params, ...ending };
    }
    return { ...verdict, ...ending };
  } catch (error) {
    const { code, params } =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    // Nobody saw an application, and somebody else had the module.
    return { outcome: 'failed', code, params, ...rest, needsRescue: true };
  }
}

function* enter(link: LinkInfo, options: Readonly<Record<string, string>>): Session<RawPortEntry> {
  const { identification, settings } = yield* enterCsrDfuMode(link, options);
  return { found: identification, leave: (to, request, before) => leave(to, request, before, settings) };
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

export const csrRawPort: RawPortAccess = { line: DFU_LINE, enter, listener, leave };
