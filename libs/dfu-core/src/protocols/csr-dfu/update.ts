/**
 * One update of one module: command line, DFU mode, loader, all blocks, back to the command line, settings, proof. What the
 * loader is told is up to the `LoaderCodec`; everything else is public.
 *
 * There is no resuming: after any loss the whole file is sent again.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError, DrydockError, InvariantError, LinkError, TargetRefusedError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { ForbiddenStepError, isLinkTrouble, LeaveError, LinkTalk } from '../../session/link-talk.js';
import { BcspLine } from './bcsp-line.js';
import { chooseCodec } from './choose-codec.js';
import { DfuState } from './dfu-status.js';
import { fit } from './fit.js';
import { findCommandLine, findOrFail, identificationOf } from './identify.js';
import { expectedVersion, judge } from './judge.js';
import { commandLines, DFU_LINE } from './lines.js';
import { DEFAULT_BLOCK_BYTES, type LoaderCodec } from './loader-codec.js';
import { type ChipFacts, coldReset, Loader, readChip } from './loader.js';
import { MelodyCli } from './melody.js';
import { mendedFacts, mendSettings, settingsLost } from './mend-settings.js';
import { type MelodySettings, readSettings } from './settings.js';

/** After `DFU`, as the open tools wait before they set the line. */
const AFTER_DFU_MS = 500;
const ESTABLISH_MS = 10_000;
const READ_MS = 30_000;
const READ_BYTES = 4_092;
const DETACH_MS = 5_000;
const MAX_RESTARTS = 3;
const BEFORE_RESTART_MS = 1_000;
const PROGRESS_BYTES = 8_184;
/** Between two looks at a module that starts. */
const LOOK_MS = 2_000;
/** What one look takes that comes to nothing: its tries at each speed. */
const LOOK_TAKES_MS = 1_500;

export interface CsrDfuSettings {
  /** From a plug-in package; without it only simulated modules can be updated. */
  readonly codec?: LoaderCodec | undefined;
}

export class CsrUpdate {
  readonly #talk: LinkTalk;
  readonly #line: BcspLine;
  readonly #cli: MelodyCli;
  readonly #options: Readonly<Record<string, string>>;
  #codec: LoaderCodec | undefined;
  #before: Identification | undefined;
  #after: Identification | undefined;
  #settings: MelodySettings | undefined;
  #chip: ChipFacts = {};
  #touched = false;
  #erased = false;
  #complete = false;
  /** In DFU mode or in the loader, as far as known: no application runs. */
  #isAway = false;
  /** Its firmware was whole when it was found: Melody before `DFU`, or the firmware that runs in DFU mode. */
  #hadFirmware = false;
  #sentBytes = 0;

  constructor(
    link: LinkInfo,
    private readonly request: UpdateRequest,
    private readonly extras: CsrDfuSettings,
  ) {
    this.#talk = new LinkTalk(link);
    this.#line = new BcspLine(this.#talk, { window: Math.min(Math.max(request.tuning?.window ?? 4, 1), 7) });
    this.#cli = new MelodyCli(this.#talk);
    this.#options = request.linkOptions ?? {};
  }

  /** Never throws. */
  *run(): Session<UpdateOutcome> {
    try {
      if (yield* this.#prepare()) {
        yield* this.#leaveLine();
        return { outcome: 'skipped', reason: 'already-running', ...this.#ending(false) };
      }
      if (this.#before?.mode === 'application') yield* this.#enterDfu();
      yield* this.#transferAll();
      const facts = yield* this.#awaitMelody();
      this.#after = facts;
      yield* this.#mendSettings();
      yield* this.#leaveLine();
      return { ...judge(this.#before, this.#after, this.request), ...this.#ending(false) };
    } catch (error) {
      return yield* this.#end(error);
    }
  }

  /** Everything that can be known before the module is touched. @returns whether the file runs already. */
  *#prepare(): Session<boolean> {
    const { request } = this;
    const found = yield* findOrFail(this.#talk, this.#options);
    this.#before = found.identification;
    this.#isAway = found.identification.mode === 'bootloader';
    this.#hadFirmware = !this.#isAway;
    this.#checkIdentity(found.identification);
    const fitting = fit(found.identification, request.artifact, { allowDowngrade: request.allowDowngrade });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
    const runs = found.identification.running[0]?.version;
    if (request.versionProves && runs !== undefined && runs === expectedVersion(request)) return true;
    this.#codec = chooseCodec(this.extras.codec, this.#options, this.#talk.link);
    yield* this.#checkPayload();
    if (found.cli) {
      yield* this.#cli.listenAt(found.cli.line);
      this.#settings = yield* readSettings(this.#cli);
    }
    return false;
  }

  #checkIdentity(found: Identification): void {
    const expected = this.request.expectIdentity;
    // A loader cannot say who it is: Melody is asked afterwards.
    if (!expected || expected.kind !== found.identity.kind || expected.value === found.identity.value) return;
    throw new DrydockError('target.wrong-identity', {
      expected: `${expected.kind} ${expected.value}`,
      actual: `${found.identity.kind} ${found.identity.value}`,
    });
  }

  *#checkPayload(): Session<void> {
    const image = this.request.artifact.images[0];
    if (!image) throw new ArtifactError('artifact.unsupported', { detail: 'it holds no image' });
    const hash = sha256.create();
    for (let at = 0; at < image.sizeBytes; at += READ_BYTES) {
      hash.update(yield* this.#talk.read('image:0', at, Math.min(READ_BYTES, image.sizeBytes - at), READ_MS));
    }
    if (toHex(hash.digest()) !== image.sha256) throw new ArtifactError('artifact.digest', { field: 'image:0' });
  }

  /** From Melody into DFU mode. Nothing answers `DFU`: that BCSP comes up is the answer. */
  *#enterDfu(): Session<void> {
    yield* this.#talk.mark('touched');
    this.#touched = true;
    this.#isAway = true;
    yield* this.#cli.tell('DFU');
    yield* this.#talk.sleep(AFTER_DFU_MS);
    yield* this.#talk.configure(DFU_LINE);
    if (yield* this.#line.establish(ESTABLISH_MS)) return;
    const line = yield* findCommandLine(this.#cli, commandLines(this.#options));
    if (line) {
      this.#isAway = false;
      throw new TargetRefusedError('DFU', 'no BCSP', 'its command line still answers');
    }
    throw new LinkError('link.timeout', {
      withinMs: ESTABLISH_MS,
      detail: 'no BCSP after DFU: does the adapter know 115200 baud with even parity?',
    });
  }

  *#transferAll(): Session<void> {
    for (let restarts = 0; ; restarts++) {
      try {
        yield* this.#enterLoader();
        yield* this.#transfer();
        return;
      } catch (error) {
        const mayHelp =
          isLinkTrouble(error) || (error instanceof TargetRefusedError && error.recovery === 'retry' && this.#erased);
        if (!mayHelp || restarts >= MAX_RESTARTS) throw error;
        if (!this.#talk.isOpen) yield* this.#talk.reconnect({ line: DFU_LINE }, this.request.returnWithinMs);
        yield* this.#talk.sleep(BEFORE_RESTART_MS);
      }
    }
  }

  /** To the loader, ready for the first block, wherever the module is; it is in DFU mode or in its loader. */
  *#enterLoader(): Session<void> {
    const codec = this.#requireCodec();
    if (!this.#line.isUp) {
      yield* this.#talk.configure(DFU_LINE);
      if (!(yield* this.#line.establish(ESTABLISH_MS))) {
        throw new LinkError('link.timeout', { withinMs: ESTABLISH_MS, detail: 'BCSP does not come up' });
      }
    }
    this.#chip = yield* readChip(this.#line);
    const loader = new Loader(this.#line, codec);
    if ((yield* loader.state()) === DfuState.AppIdle) {
      this.#hadFirmware = true;
      // The firmware leaves for its loader: the first thing that a unit found in DFU mode is told.
      if (!this.#touched) yield* this.#talk.mark('touched');
      this.#touched = true;
      yield* loader.order({ request: 'detach', timeoutMs: DETACH_MS });
      yield* this.#line.flush();
      if (codec.handover.isNewLink) {
        yield* this.#talk.configure(codec.handover.line ?? DFU_LINE);
        if (!(yield* this.#line.establish(codec.handover.timeoutMs))) {
          const { timeoutMs } = codec.handover;
          throw new LinkError('link.timeout', { withinMs: timeoutMs, detail: 'the boot loader does not come up' });
        }
      }
    }
    yield* loader.becomeIdle();
  }

  *#transfer(): Session<void> {
    const codec = this.#requireCodec();
    const loader = new Loader(this.#line, codec);
    const { sizeBytes } = this.request.artifact.images[0]!;
    const blockBytes = Math.min(
      codec.maxBlockBytes ?? DEFAULT_BLOCK_BYTES,
      this.request.tuning?.maxWriteBytes ?? 4_000,
    );
    if (!this.#touched) yield* this.#talk.mark('touched');
    this.#touched = true;
    if (!this.#erased) yield* this.#talk.mark('erased');
    this.#erased = true;
    // From here on the only way out is through.
    this.#talk.mayLeave = false;
    yield* this.#talk.progress(0, sizeBytes);
    let block = 0;
    for (let at = 0, told = 0; at < sizeBytes; block++) {
      const length = Math.min(blockBytes, sizeBytes - at);
      const bytes = yield* this.#talk.read('image:0', at, length, READ_MS);
      yield* loader.download(block, bytes);
      at += length;
      this.#sentBytes += length;
      if (at - told >= PROGRESS_BYTES || at === sizeBytes) {
        told = at;
        yield* this.#talk.progress(at, sizeBytes);
      }
    }
    if (!this.#complete) {
      yield* this.#talk.mark('complete');
      yield* this.#talk.mark('activating');
    }
    this.#complete = true;
    const isThere = yield* loader.manifest(block);
    if (isThere) yield* this.#leaveLoader(loader);
  }

  *#leaveLoader(loader: Loader): Session<void> {
    if (loader.codec.exit === 'request') yield* loader.tell({ request: 'reset' });
    else if (loader.codec.exit === 'bccmd-cold-reset') yield* coldReset(this.#line);
  }

  /** Melody, at the factory's speed or the one before; else whatever answers instead. */
  *#awaitMelody(): Session<Identification> {
    const withinMs = this.request.returnWithinMs;
    const lines = [...commandLines(this.#options)].reverse();
    for (let leftMs = withinMs; leftMs > 0; leftMs -= lines.length * LOOK_TAKES_MS + LOOK_MS) {
      const line = yield* findCommandLine(this.#cli, lines);
      if (line) {
        this.#isAway = false;
        return identificationOf(this.#talk, yield* this.#cli.version(), this.#options);
      }
      yield* this.#talk.sleep(LOOK_MS);
    }
    yield* this.#talk.configure(DFU_LINE);
    if (yield* this.#line.establish(ESTABLISH_MS)) {
      const isByHand = this.#codec?.exit === 'hardware-reset';
      throw new DrydockError('target.in-bootloader', {
        detail: isByHand ? 'its codec knows no way to leave the loader: reset it by its pin' : 'it still speaks BCSP',
      });
    }
    throw new DrydockError('target.did-not-return', { withinMs });
  }

  /** What the update took away is put back. */
  *#mendSettings(): Session<void> {
    if (!this.#settings) return;
    const mended = yield* mendSettings(this.#cli, this.#settings, this.#options);
    if (this.#after) {
      this.#after = { ...this.#after, hardware: { ...this.#after.hardware, ...mendedFacts(mended) } };
    }
    const error = settingsLost(mended);
    if (error) throw error;
  }

  #requireCodec(): LoaderCodec {
    if (!this.#codec) throw new InvariantError('no loader codec was chosen');
    return this.#codec;
  }

  // Endings

  #ending(needsRescue: boolean): Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before' | 'after'> {
    const before = this.#before && { ...this.#before, hardware: { ...this.#before.hardware, ...this.#chip } };
    return {
      sentBytes: this.#sentBytes,
      needsRescue,
      ...(before && { before }),
      ...(this.#after && { after: this.#after }),
    };
  }

  /** Our end of the line is left as it was found, whatever happened. */
  *#leaveLine(): Session<void> {
    yield* this.#talk.configure(commandLines(this.#options)[0]!);
    yield* this.#talk.close();
  }

  *#end(error: unknown): Session<UpdateOutcome> {
    this.#talk.mayLeave = false;
    if (!(error instanceof ForbiddenStepError)) yield* this.#goBack();
    try {
      if (this.#talk.isOpen) yield* this.#leaveLine();
    } catch {
      // It is the end that counts.
    }
    const ending = this.#ending(this.#isAway);
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...ending };
    const known =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    return { outcome: 'failed', code: known.code, params: known.params, ...ending };
  }

  /**
   * Found with its firmware, and no block of another was taken: a reset brings its application back. One that was erased
   * all the same stays in its loader, and is seen there.
   */
  *#goBack(): Session<void> {
    if (!this.#isAway || !this.#touched || !this.#hadFirmware || this.#sentBytes > 0) return;
    try {
      yield* this.#talk.configure(DFU_LINE);
      if (!this.#line.isUp && !(yield* this.#line.establish(ESTABLISH_MS))) return;
      yield* coldReset(this.#line);
      this.#after = yield* this.#awaitMelody();
    } catch {
      // It stays where it is, and needs a rescue.
    }
  }
}
