/**
 * An attempt in which the vendor's own tool updates the unit: waits until the tool is at the server, brings the unit to
 * where the tool begins, gives it the port, and looks afterwards what runs. Locks, fences, journal and reports are those of
 * every attempt; what the tool says is not understood here, so the unit counts as erased from its first byte on.
 */
import type { Grant, RawPortLine } from '@drydock/contracts';
import {
  DrydockError,
  type Identification,
  type LineSettings,
  type MarkStep,
  type Protocol,
  type RawPortAccess,
  type RawPortLeave,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { sleep } from '../clock.js';
import type { DriverHooks, SessionDriver } from '../driver/session-driver.js';
import { bridgeRawPort, type RawBridgeResult } from '../links/uart/raw-bridge.js';
import { linkLane } from '../links/parse-link.js';
import type { Site } from '../site/site-file.js';
import type { RawPortEnd } from '../uplink/raw-port-end.js';
import type { Attempt } from './attempt.js';
import type { RunnerPorts } from './attempt-runner.js';

interface RawPortSession {
  readonly attempt: Attempt;
  /** Has identified the unit; its link is open. */
  readonly driver: SessionDriver;
  readonly protocol: Protocol;
  readonly found: Identification;
  readonly link: string;
  readonly request: UpdateRequest;
  readonly hooks: DriverHooks;
}

/** Between two looks whether the tool is there. */
const LOOK_MS = 2_000;
const OPEN_MS = 30_000;
const ENTER_MS = 60_000;
/** Beyond the time that the unit may stay away. */
const LEAVE_GRACE_MS = 120_000;

/**
 * The person at the gateway opened this port, and the protocol knows what a tool needs.
 * @throws DrydockError `gateway.raw-port`
 */
export function requireRawPort(grant: Grant, protocol: Protocol, site: Site): RawPortAccess {
  const refuse = (detail: string): never => {
    throw new DrydockError('gateway.raw-port', { detail });
  };
  if (!protocol.rawPort) return refuse(`${protocol.name} has no way for a tool`);
  const open = new Set(site.devices.filter(({ rawPort }) => rawPort).map((device) => linkLane(device.link)));
  const shut = grant.links.find((link) => !open.has(linkLane(link)));
  if (shut !== undefined) refuse(`the site file of the gateway does not say rawPort: true for ${shut}`);
  return protocol.rawPort;
}

/** @throws DrydockError when the unit was not touched, or cannot be reached. */
export async function giveRawPort(session: RawPortSession, ports: RunnerPorts): Promise<UpdateOutcome> {
  const { attempt, driver, protocol, found, request } = session;
  const access = requireRawPort(attempt.grant, protocol, ports.site);
  // The agent was started again: whatever the tool did, it lost its port.
  if (attempt.resumed) return leave(session, access.leave, attempt.before ?? found);
  const tool = await awaitTool(attempt, ports);
  let bridge: RawBridgeResult;
  let wayBack = access.leave;
  try {
    const joined = await tool.joined;
    if (!joined) throw new DrydockError('gateway.raw-port', { detail: 'the tool left before it was given the port' });
    const entry = await driver.run((info) => access.enter(info, request.linkOptions ?? {}), {
      openMs: OPEN_MS,
      limitMs: ENTER_MS,
    });
    wayBack = entry.leave;
    await driver.close();
    bridge = await hold(session, access, tool, Math.min(joined.withinMs, attempt.grant.rawPort!.limitMs), ports);
  } catch (error) {
    await tool.close();
    if (!attempt.started) throw error;
    // Sent to where a tool begins, and nothing came of it: back.
    return told(await leave(session, wayBack, attempt.before ?? found), attempt, (error as Error).message);
  }
  // The tool hears of the end at once; what follows takes a while.
  await tool.close();
  if (bridge.toDevice > 0) {
    for (const step of ['complete', 'activating'] as const) {
      // The way back is gone in any case; without the record a restart looks at the unit once more.
      await mark(session, step).catch((error: Error) => ports.log.error({ detail: error.message }, 'not written down'));
    }
  }
  const outcome = await leave(session, wayBack, attempt.before ?? found);
  ports.log.info({ attempt: attempt.key, ...bridge, server: tool.ended()?.by }, 'raw port over');
  const { endedBy, toDevice } = bridge;
  return told(
    { ...outcome, sentBytes: toDevice },
    attempt,
    `ended by ${endedBy} after ${toDevice} bytes to the device`,
  );
}

/** Nobody is touched while nobody is there: up to `startBy`, which withdraws the attempt. */
async function awaitTool(attempt: Attempt, ports: RunnerPorts): Promise<RawPortEnd> {
  const fences = attempt.fences(ports.time);
  for (;;) {
    if (attempt.phase !== 'running' || attempt.abort.signal.aborted) throw new DrydockError('order.withdrawn');
    const remaining = fences.startRemainingMs();
    if (remaining === undefined) throw new DrydockError('fence.no-time');
    if (remaining <= 0) throw new DrydockError('fence.start-by');
    try {
      const end = await ports.openRawPort(attempt.ref, attempt.abort.signal);
      if (end) return end;
    } catch (error) {
      // A server that cannot be reached, or is restarted, is asked again as one at which nobody waits.
      ports.log.info({ attempt: attempt.key, detail: (error as Error).message }, 'no raw port');
    }
    await sleep(ports.clock, LOOK_MS, attempt.abort.signal);
  }
}

/** The time in which the port is the tool's. */
async function hold(
  session: RawPortSession,
  access: RawPortAccess,
  tool: RawPortEnd,
  limitMs: number,
  ports: RunnerPorts,
): Promise<RawBridgeResult> {
  const { attempt, protocol, hooks } = session;
  const fences = attempt.fences(ports.time);
  const port = await (await ports.links.link(session.link, protocol)).open({ line: access.line }, OPEN_MS);
  const { sizeBytes } = attempt.grant.artifact;
  const isWord = access.listener();
  try {
    tool.say({ say: 'open', line: spell(access.line) });
    return await bridgeRawPort(port, tool, {
      limitMs,
      signal: attempt.abort.signal,
      over: () => {
        if (attempt.cancelWanted || attempt.phase !== 'running') return 'cancelled';
        const mayGoOn = (fences.startRemainingMs() ?? 0) > 0 && (fences.finishRemainingMs() ?? 0) > 0;
        return mayGoOn ? undefined : 'fence';
      },
      beforeFirst: () => mark(session, 'erased'),
      heard: (bytes) => {
        if (!attempt.answered && isWord(bytes)) hooks.answered?.();
      },
      moved: (toDevice) => hooks.progress?.(Math.min(toDevice, sizeBytes), sizeBytes),
    });
  } finally {
    // Whatever the tool did to the settings of the line is gone with this opening.
    await port.close();
  }
}

async function leave(
  { attempt, driver, request }: RawPortSession,
  wayBack: RawPortLeave,
  before: Identification,
): Promise<UpdateOutcome> {
  const limitMs = attempt.grant.timeouts.activateMs + LEAVE_GRACE_MS;
  return driver.run((info) => wayBack(info, request, before), { openMs: OPEN_MS, limitMs });
}

/** Marks outside of any session of ours: the fences were looked at by the bridge. */
const mark = async ({ hooks }: RawPortSession, step: MarkStep): Promise<void> => hooks.mark?.(step);

const versionOf = (found: Identification | undefined): string | undefined => found?.running[0]?.version;

/** That the old version still runs is no fault of the firmware here. */
function told(outcome: UpdateOutcome, attempt: Attempt, why: string): UpdateOutcome {
  if (outcome.outcome !== 'failed' || outcome.code !== 'target.wrong-image-runs') return outcome;
  const runs = versionOf(outcome.after);
  if (runs === undefined || runs !== versionOf(outcome.before)) return outcome;
  if (attempt.cancelWanted) {
    const { before, after, sentBytes, needsRescue } = outcome;
    return { outcome: 'cancelled', sentBytes, needsRescue, ...(before && { before }), ...(after && { after }) };
  }
  return { ...outcome, code: 'gateway.raw-port', params: { detail: `${why}; ${runs} still runs` } };
}

const spell = ({ baud, dataBits, parity, stopBits }: LineSettings): RawPortLine => ({
  baud,
  dataBits: dataBits ?? 8,
  parity: parity ?? 'none',
  stopBits: stopBits ?? 1,
});
