/** `identify` and `update`: what a person at the gateway does without any server. */
import { DrydockError, describeArtifact } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { PayloadStore, payloadsOf } from '../driver/payload-store.js';
import { SessionDriver } from '../driver/session-driver.js';
import { createLinkFactory, linkOptionsOf, type LinkFactory } from '../links/link-factory.js';
import { createLogger } from '../logger.js';
import { exitStatusOfOutcome, imageInAWord, printJson, printLines, tellError } from './console-output.js';
import { candidateProtocols } from './candidate-protocols.js';
import { openFirmware, requireSignature, type OpenFirmware } from './read-input.js';
import { PROTOCOLS } from '../protocols.js';
import { loadLoaderCodec, protocolsWith } from '../site/loader-codec.js';
import { findUnit, OPEN_MS } from './find-unit.js';
import { holdToProof, type HeldOutcome } from './hold-to-proof.js';
import { openProgress } from './progress.js';

const RETURN_MS = 120_000;
const UPDATE_MS = 4 * 3_600_000;

export interface CommonOptions {
  readonly json?: boolean;
  readonly adapter?: string;
  readonly verbose?: boolean;
  /** Folder with the bonds of this gateway. */
  readonly state?: string;
}

export function linksFor(options: CommonOptions): LinkFactory {
  return createLinkFactory({
    clock: realClock,
    log: createLogger(options.verbose ? 'debug' : 'warn'),
    adapter: options.adapter,
    stateDir: options.state,
  });
}

export async function identify(options: CommonOptions & { link: string; protocol?: string }): Promise<number> {
  const json = options.json ?? false;
  const links = linksFor(options);
  try {
    const candidates = candidateProtocols(options.link, options.protocol);
    const { found, details } = await findUnit(links, options.link, candidates, true);
    if (json) printJson({ ...found, ...(details.length > 0 && { details }) });
    else {
      printLines([
        `protocol    ${found.protocol}`,
        `mode        ${found.mode}`,
        `identity    ${found.identity.kind} ${found.identity.value}`,
        ...found.running.map(
          (image) =>
            `runs        image ${image.image}: ${[image.version, image.hash].filter(Boolean).join(' ')}${image.confirmed === false ? ' (on trial)' : ''}`,
        ),
        ...(found.installed ?? []).map(
          (image) => `installed   image ${image.image}: ${[image.version, image.hash].filter(Boolean).join(' ')}`,
        ),
        ...Object.entries(found.hardware).map(([name, value]) => `hardware    ${name}=${value}`),
        ...details.map((line) => `slot        ${line}`),
      ]);
    }
    return 0;
  } catch (error) {
    return tellError(error, json);
  } finally {
    await links.close();
  }
}

export interface UpdateOptions extends CommonOptions {
  readonly file: string;
  readonly link: string;
  readonly protocol?: string;
  /** Init packet that belongs to a bare `.hex` or `.bin`. */
  readonly init?: string;
  readonly expectVersion?: string;
  readonly allowDowngrade?: boolean;
  readonly key?: string;
  /** Module with the loader codec for BC127. */
  readonly loaderCodec?: string;
}

/** What a person may do about it, or has to know. */
const WHY_UNPROVEN: Readonly<Record<string, string>> = {
  'version-not-readable': 'Nobody on this link says what runs now.',
  'version-unchanged': 'The application called itself the same before, so its version proves nothing.',
  'version-ambiguous': 'Say what the application calls itself when this file runs: --expect-version.',
  'image-not-readable': 'Not every image of the file can be read back from the device.',
  'identity-not-readable': 'The device that answers no longer says which unit it is.',
  'did-not-see-it-leave': 'Nobody saw the device restart into it.',
  'identity-differs': 'What answers now calls itself another unit than what was read before.',
  'image-differs': 'What it names is not what this file holds.',
  'not-confirmed': 'It runs on trial and was not confirmed.',
};

const NOTHING = { code: null, before: null, after: null, bytes: 0, seconds: 0, bytesPerSecond: 0 };

export async function update(options: UpdateOptions): Promise<number> {
  const json = options.json ?? false;
  const links = linksFor(options);
  let file: OpenFirmware | undefined;
  try {
    file = await openFirmware(options.file, options.init);
    const artifact = describeArtifact(file);
    if (options.key !== undefined) await requireSignature(file, artifact.format, options.key);
    const protocols =
      options.loaderCodec === undefined
        ? PROTOCOLS
        : protocolsWith(await loadLoaderCodec(options.loaderCodec, process.cwd()));
    const candidates = candidateProtocols(options.link, options.protocol, artifact.format).map(
      (candidate) => protocols.get(candidate.name) ?? candidate,
    );
    const unfit = candidates.find((protocol) => !protocol.formats.includes(artifact.format));
    if (unfit)
      throw new DrydockError('request.invalid', { detail: `${unfit.name} does not deliver ${artifact.format}` });
    const { found, protocol } = await findUnit(links, options.link, candidates);
    const fit = protocol.fit(found, artifact, { allowDowngrade: options.allowDowngrade ?? false });
    if (!fit.fits) throw new DrydockError(fit.code, fit.params);
    const payload = new PayloadStore(file, artifact.sha256, payloadsOf(protocol, file));
    const driver = new SessionDriver({
      clock: realClock,
      link: await links.link(options.link, protocol),
      fences: NO_FENCES,
      payload,
      hooks: { progress: (sent, total) => progress.update(sent, total) },
    });
    const progress = await openProgress(payload.totalBytes);
    const stop = cancelOnSignals(driver);
    const began = performance.now();
    try {
      const outcome = await driver.run(
        (info) =>
          protocol.update(info, {
            artifact,
            // A bootloader may have an address of its own; what it then is the bootloader of, the session knows.
            ...(!(found.mode === 'bootloader' && found.identity.kind === 'ble-address') && {
              expectIdentity: found.identity,
            }),
            allowDowngrade: options.allowDowngrade ?? false,
            confirm: 'after-proof',
            versionProves: options.expectVersion !== undefined,
            ...(options.expectVersion !== undefined && { expectVersion: options.expectVersion }),
            returnWithinMs: RETURN_MS,
            linkOptions: linkOptionsOf(options.link),
          }),
        { openMs: OPEN_MS, limitMs: UPDATE_MS },
      );
      progress.close();
      const held = holdToProof(outcome, found, driver.touched, artifact, options.expectVersion);
      return tellOutcome(held, driver.touched, (performance.now() - began) / 1000, json);
    } finally {
      stop();
      progress.close();
      await driver.close();
    }
  } catch (error) {
    return tellError(error, json, NOTHING);
  } finally {
    file?.close();
    await links.close();
  }
}

/** The first signal asks the session to leave at a safe point; the second does not wait for it. */
function cancelOnSignals(driver: SessionDriver): () => void {
  let asked = false;
  const ask = (): void => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write('\nLeaving at the next safe point; once more to leave at once.\n');
    driver.cancel();
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  return () => {
    process.off('SIGINT', ask);
    process.off('SIGTERM', ask);
  };
}

function tellOutcome(outcome: HeldOutcome, touched: boolean, seconds: number, json: boolean): number {
  const code = outcome.outcome === 'failed' ? outcome.code : outcome.outcome === 'unproven' ? outcome.reason : null;
  // A person is told why it was skipped in one word; there is one reason.
  const word = outcome.outcome === 'skipped' ? outcome.reason : outcome.outcome;
  const before = imageInAWord(outcome.before?.running);
  const after = imageInAWord(outcome.after?.running);
  const bytes = outcome.sentBytes;
  const bytesPerSecond = seconds > 0 ? Math.round(bytes / seconds) : 0;
  if (json) {
    printJson({
      outcome: word,
      code,
      before,
      after,
      bytes,
      seconds: Math.round(seconds * 1000) / 1000,
      bytesPerSecond,
    });
  } else {
    printLines([
      `${word}${code === null ? '' : ` (${code})`}: ${before ?? 'unknown'} -> ${after ?? 'unknown'}, ${bytes} bytes in ${seconds.toFixed(1)} s`,
    ]);
    if (outcome.outcome === 'failed')
      process.stderr.write(`${new DrydockError(outcome.code, outcome.params).message}\n`);
    if (outcome.outcome === 'unproven')
      process.stderr.write(`Delivered. ${WHY_UNPROVEN[outcome.reason] ?? outcome.reason}\n`);
    if (outcome.needsRescue)
      process.stderr.write('The device is without a running application: run the update again.\n');
  }
  return exitStatusOfOutcome(outcome, touched);
}
