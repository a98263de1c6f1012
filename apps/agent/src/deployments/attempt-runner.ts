/**
 * Performs one attempt: the artifact from the cache, the unit identified, checked and updated, every point
 * of no return written down before it is passed.
 */
import type { KeyObject } from 'node:crypto';
import type { AttemptRef, ErrorCode, ErrorParams } from '@drydock/contracts';
import {
  DrydockError,
  bootloaderAddress,
  type ByteSource,
  type Identification,
  type MarkStep,
  type Protocol,
  type ReconnectHint,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import { PayloadStore, payloadsOf } from '../driver/payload-store.js';
import { SessionDriver, type DriverHooks } from '../driver/session-driver.js';
import type { Journal } from '../journal/journal.js';
import type { ReportDraft } from '../journal/records.js';
import { linkOptionsOf, type LinkFactory } from '../links/link-factory.js';
import { linkLane, parseLinkName } from '../links/parse-link.js';
import type { Logger } from '../logger.js';
import { requireProtocol, type ProtocolRegistry } from '../protocols.js';
import type { Site } from '../site/site-file.js';
import type { ArtifactCache } from '../uplink/artifact-cache.js';
import type { RawPortEnd } from '../uplink/raw-port-end.js';
import type { TrustedTime } from '../uplink/trusted-time.js';
import type { Attempt } from './attempt.js';
import { isWithoutApplication } from './ended-report.js';
import { watchSignal } from './link-measures.js';
import { giveRawPort, requireRawPort } from './raw-port-attempt.js';
import { verifyReleaseSignature } from './release-keys.js';
import { checkIdentity, checkModel, readArtifact } from './unit-checks.js';

export interface RunnerPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly time: TrustedTime;
  readonly journal: Pick<Journal, 'append'>;
  readonly cache: Pick<ArtifactCache, 'open' | 'discard'>;
  readonly links: Pick<LinkFactory, 'link'>;
  readonly protocols: ProtocolRegistry;
  readonly site: Site;
  /** Release keys of a model, from the site file and from enrolment. */
  releaseKeys(model: string): readonly KeyObject[];
  progress(attempt: Attempt, sentBytes: number, totalBytes: number): void;
  /** @returns undefined while no tool waits at the server for the port of this attempt. */
  openRawPort(ref: AttemptRef, signal: AbortSignal): Promise<RawPortEnd | undefined>;
}

const OPEN_MS = 30_000;
const IDENTIFY_MS = 60_000;
/** Beyond the time a device may stay away, for finding and opening it. */
const RETURN_GRACE_MS = 30_000;
/** The session ends itself by the limits of its phases; this is behind them. */
const SESSION_GRACE_MS = 120_000;

/** What an attempt came to. `after` and the other facts are the session's. */
export type AttemptResult = UpdateOutcome;

export async function runAttempt(attempt: Attempt, ports: RunnerPorts): Promise<AttemptResult> {
  const { grant } = attempt;
  const protocol = requireProtocol(grant.protocol, ports.protocols);
  checkModel(undefined, grant, ports.site);
  if (grant.rawPort) requireRawPort(grant, protocol, ports.site);
  const file = await ports.cache.open(grant.artifact.sha256);
  try {
    return await runWithFile(attempt, ports, protocol, file);
  } finally {
    file.close();
  }
}

async function runWithFile(
  attempt: Attempt,
  ports: RunnerPorts,
  protocol: Protocol,
  file: ByteSource,
): Promise<AttemptResult> {
  const { grant } = attempt;
  let payload: PayloadStore;
  try {
    payload = new PayloadStore(file, grant.artifact.sha256, new Map());
  } catch (error) {
    await ports.cache.discard(grant.artifact.sha256);
    throw error;
  }
  const description = readArtifact(file, grant, protocol);
  const keys = ports.releaseKeys(grant.model);
  if (keys.length > 0) verifyReleaseSignature(file, description.format, grant.model, keys);
  payload = new PayloadStore(file, grant.artifact.sha256, payloadsOf(protocol, file));
  const expectVersion = grant.expect.version ?? ports.site.expectVersion(grant.model, grant.artifact.sha256);
  const request: UpdateRequest = {
    artifact: description,
    expectIdentity: grant.identity,
    allowDowngrade: grant.allowDowngrade,
    confirm: grant.confirm,
    versionProves: grant.expect.versionProves,
    ...(expectVersion !== undefined && { expectVersion }),
    returnWithinMs: grant.timeouts.activateMs,
  };

  const { driver, link, found } = await findUnit(attempt, protocol, payload, ports);
  const watched = watchSignal(driver, attempt.measures, ports.clock);
  try {
    attempt.sight = found.mode;
    if (attempt.phase !== 'running') throw new DrydockError('order.withdrawn');
    checkIdentity(found, grant);
    checkModel(found, grant, ports.site);
    const fit = protocol.fit(found, description, { allowDowngrade: grant.allowDowngrade });
    if (!fit.fits) return unfit(found, fit.code, fit.params);
    const options = linkOptionsOf(link);
    if (!attempt.resumed) {
      attempt.before = found;
      await ports.journal.append({ t: 'before', ref: attempt.ref, link, identification: found });
    }
    if (attempt.cancelWanted && !grant.rawPort) driver.cancel();
    const asked = { ...request, linkOptions: options };
    const outcome = grant.rawPort
      ? await giveRawPort(
          { attempt, driver, protocol, found, link, request: asked, hooks: hooksOf(attempt, ports, () => driver) },
          ports,
        )
      : await converse(attempt, { driver, protocol, found, request: asked });
    return withJournal(attempt, outcome);
  } finally {
    watched();
    attempt.overdue = driver.overdue;
    attempt.driver = undefined;
    await driver.close();
  }
}

interface Conversation {
  readonly driver: SessionDriver;
  readonly protocol: Protocol;
  readonly found: Identification;
  readonly request: UpdateRequest;
}

async function converse(attempt: Attempt, { driver, protocol, found, request }: Conversation): Promise<UpdateOutcome> {
  const { timeouts } = attempt.grant;
  const times = {
    openMs: OPEN_MS,
    limitMs: timeouts.transferMs + timeouts.activateMs + timeouts.proveMs + SESSION_GRACE_MS,
  };
  const rescue = attempt.grant.mode === 'rescue' || (attempt.resumed !== undefined && found.mode === 'bootloader');
  if (rescue) return driver.run((info) => protocol.rescue(info, request), times);
  if (attempt.resumed?.steps.has('activating')) {
    const proof = await driver.run((info) => protocol.prove(info, request, attempt.before), times);
    // The agent may have died between writing "activating" down and saying it: then the old image still
    // runs, and the way goes on from what the target holds.
    const stillOld =
      proof.outcome === 'reverted' || (proof.outcome === 'failed' && proof.code === 'target.wrong-image-runs');
    if (!stillOld) return proof;
  }
  const outcome = await driver.run((info) => protocol.update(info, request), times);
  if (!attempt.resumed || outcome.outcome !== 'skipped') return outcome;
  // It was this attempt that brought the image: the unit went over to it while nobody was there.
  const proof = await driver.run((info) => protocol.prove(info, request, attempt.before), times);
  return proof.outcome === 'proven' || proof.outcome === 'unproven' ? proof : outcome;
}

/**
 * A session sees only its own part. What was read before the attempt touched the unit is in the journal, and a unit
 * that nothing was said to since it was looked at is where it was.
 */
function withJournal(attempt: Attempt, outcome: UpdateOutcome): UpdateOutcome {
  const told = attempt.resumed && attempt.before ? { ...outcome, before: attempt.before } : outcome;
  const unmoved =
    told.outcome === 'failed' && told.code === 'fence.start-by' && !attempt.answered && attempt.sight !== undefined;
  return unmoved ? { ...told, needsRescue: isWithoutApplication(attempt) } : told;
}

/** Tries the links in the order of the grant until the unit answers on one of them. */
async function findUnit(
  attempt: Attempt,
  protocol: Protocol,
  payload: PayloadStore,
  ports: RunnerPorts,
): Promise<{ driver: SessionDriver; link: string; found: Identification }> {
  let last: DrydockError | undefined;
  for (const name of attempt.grant.links) {
    if (attempt.abort.signal.aborted) throw new DrydockError('order.withdrawn');
    const driver: SessionDriver = new SessionDriver({
      clock: ports.clock,
      link: await ports.links.link(name, protocol, attempt.grant.model),
      fences: attempt.fences(ports.time),
      payload,
      hooks: hooksOf(attempt, ports, () => driver),
    });
    attempt.driver = driver;
    try {
      await driver.open(OPEN_MS, openHint(attempt, name, ports.site));
      const found = await driver.run((info) => protocol.identify(info, linkOptionsOf(name)), {
        openMs: OPEN_MS,
        limitMs: IDENTIFY_MS,
      });
      return { driver, link: name, found };
    } catch (error) {
      attempt.driver = undefined;
      await driver.close();
      if (!(error instanceof DrydockError) || !error.code.startsWith('link.')) throw error;
      last = error;
      ports.log.info({ link: name, code: error.code }, 'no answer on this link');
    }
  }
  throw last ?? new DrydockError('gateway.no-link', { detail: 'the grant names none' });
}

/**
 * A unit that was left in its bootloader may be found under its neighbouring address, unless that is where another device
 * of the site lives.
 */
function openHint(attempt: Attempt, name: string, site: Pick<Site, 'devices'>): ReconnectHint {
  const link = parseLinkName(name);
  if (link.kind !== 'ble' || (attempt.grant.mode !== 'rescue' && !attempt.resumed)) return {};
  const neighbour = bootloaderAddress(link.address);
  if (site.devices.some((device) => linkLane(device.link) === `ble:${neighbour}`)) return {};
  return { addresses: [neighbour] };
}

function hooksOf(attempt: Attempt, ports: RunnerPorts, driver: () => SessionDriver): DriverHooks {
  const { timeouts } = attempt.grant;
  const report = async (draft: ReportDraft): Promise<void> => {
    await ports.journal.append({ t: 'draft', report: draft });
  };
  const notWritten = (error: unknown): void =>
    ports.log.error({ attempt: attempt.key, detail: (error as Error).message }, 'not written down');
  const base = () => ({ atMs: ports.time.estimateMs(), ref: attempt.ref });
  return {
    mark: async (step: MarkStep): Promise<void> => {
      // Withdrawn or done: whatever the session still wants, the device is not touched any more.
      if (attempt.phase !== 'running') throw new DrydockError('order.withdrawn');
      if (step === 'touched') {
        driver().limit(timeouts.transferMs);
        if (!attempt.started) await markTouched(attempt, report, base());
        return;
      }
      if (step === 'activating') driver().limit(timeouts.activateMs + RETURN_GRACE_MS);
      if (attempt.steps.has(step)) return;
      await report({ ...base(), kind: step });
      attempt.steps.add(step);
    },
    sending: (): void => {
      if (attempt.wasLedOut) attempt.sight = undefined;
    },
    answered: (): void => {
      if (attempt.answered) return;
      attempt.answered = true;
      // Nothing waits for the disk: without this record the attempt is only held to `startBy` after a restart.
      ports.journal.append({ t: 'answered', ref: attempt.ref }).catch(notWritten);
    },
    progress: (sentBytes: number, totalBytes: number): void => {
      attempt.sentBytes = sentBytes;
      attempt.measures.sent(sentBytes, ports.clock.monotonicMs());
      ports.progress(attempt, sentBytes, totalBytes);
    },
    reopened: (): void => {
      if (!attempt.steps.has('activating') || attempt.steps.has('proving')) return;
      attempt.steps.add('proving');
      driver().limit(timeouts.proveMs);
      report({ ...base(), kind: 'proving' }).catch(notWritten);
    },
    trace: (line: () => string): void => ports.log.debug({ attempt: attempt.key, effect: line() }),
  };
}

async function markTouched(
  attempt: Attempt,
  report: (draft: ReportDraft) => Promise<void>,
  base: { atMs: number | null; ref: Attempt['ref'] },
): Promise<void> {
  // From here on no order can withdraw it, even while the disk is still writing.
  attempt.started = true;
  const { rssiDbm } = attempt.measures.facts;
  try {
    await report({
      ...base,
      kind: 'touched',
      identity: attempt.before?.identity ?? attempt.grant.identity,
      before: [...(attempt.before?.running ?? [])].slice(0, 8),
      ...(rssiDbm !== undefined && { rssiDbm }),
    });
    attempt.steps.add('touched');
  } catch (error) {
    attempt.started = false;
    throw error;
  }
}

function unfit(before: Identification, code: ErrorCode, params: ErrorParams): UpdateOutcome {
  return { outcome: 'failed', code, params, before, sentBytes: 0, needsRescue: before.mode === 'bootloader' };
}
