/** The status of a running daemon, read from its parts. Changes nothing. */
import type { Attempt } from '../deployments/attempt.js';
import type { Journal } from '../journal/journal.js';
import type { LogHistory } from '../log/log-history.js';
import type { LogLevelSwitch } from '../log/log-level.js';
import { nameOf, type Site } from '../site/site-file.js';
import type { Enrolment } from '../uplink/agent-state.js';
import type { TrustedTime } from '../uplink/trusted-time.js';
import { AGENT_VERSION } from '../version.js';
import { AIR_TIME_LINKS, ERROR_LINES, HAPPENED_LINES, isoOf, type AgentStatus } from './agent-status.js';

/** What the daemon has of a log; its file may lose lines. */
export interface DaemonLog {
  readonly history: LogHistory;
  readonly level: LogLevelSwitch;
  lostLines(): number;
}

export interface StatusParts {
  readonly enrolment: Enrolment;
  readonly journal: Pick<Journal, 'epoch' | 'epochs' | 'found' | 'size' | 'trouble'>;
  readonly time: Pick<TrustedTime, 'estimateMs' | 'upperBoundMs'>;
  readonly uplink: { readonly online: boolean; readonly heardMs: number | undefined };
  readonly attempts: readonly Attempt[];
  readonly links: readonly { readonly link: string; readonly state: string; readonly note?: string | undefined }[];
  /** Milliseconds that attempts held each link, those that run included. */
  readonly airTime: ReadonlyMap<string, number>;
  /** Bytes of each attempt's transfer, by its key. */
  readonly totals: ReadonlyMap<string, number>;
  readonly site: Pick<Site, 'devices'>;
  /** `monotonicMs` of the clock that stamps attempts. */
  readonly nowMs: number;
  readonly stoppingSinceMs?: number | undefined;
}

/** Parts of the status that are known before the gateway is enrolled. */
export function bareStatus(log: DaemonLog, detail: string | null): AgentStatus {
  return {
    v: 1,
    running: true,
    version: AGENT_VERSION,
    pid: process.pid,
    startedAt: isoOf(Date.now() - performance.now()),
    stoppingSince: null,
    epoch: null,
    gateway: null,
    connection: { state: 'enrolling', since: null, heardAt: null, detail },
    clock: { offsetMs: null, uncertaintyMs: null },
    log: { level: log.level.level, until: isoOf(log.level.endsAtMs), lostLines: log.lostLines() },
    links: [],
    airTime: [],
    work: [],
    reports: { waiting: 0, ofEpochs: 0 },
    journal: { found: 'not open', bytes: null, trouble: null },
    errors: log.history.errors.slice(-ERROR_LINES),
    happened: log.history.lines.slice(-HAPPENED_LINES),
  };
}

export function collectStatus(parts: StatusParts, log: DaemonLog): AgentStatus {
  const { enrolment, journal, time, uplink } = parts;
  const changed = log.history.last(uplink.online ? 'connected' : 'disconnected');
  const failed = log.history.last('not connected');
  const estimate = time.estimateMs();
  const bound = time.upperBoundMs();
  const waiting = journal.epochs().filter(({ cursor, lastSeq }) => cursor < lastSeq);
  return {
    ...bareStatus(log, null),
    stoppingSince: isoOf(parts.stoppingSinceMs),
    epoch: journal.epoch,
    gateway: {
      id: enrolment.gateway.id,
      name: enrolment.gateway.name,
      site: enrolment.site.name,
      server: enrolment.serverUrl,
    },
    connection: {
      state: uplink.online ? 'online' : 'offline',
      since: changed?.time ?? null,
      heardAt: isoOf(uplink.heardMs),
      detail: uplink.online || !failed ? null : String(failed.facts['detail'] ?? failed.msg),
    },
    clock: {
      offsetMs: estimate === null ? null : Math.round(estimate - Date.now()),
      uncertaintyMs: estimate === null || bound === undefined ? null : Math.round(bound - estimate),
    },
    links: parts.links.map(({ link, state, note }) => ({ link, state, note: note ?? null })),
    airTime: [...parts.airTime]
      .sort(([, one], [, other]) => other - one)
      .slice(0, AIR_TIME_LINKS)
      .map(([link, heldMs]) => ({ link, heldMs: Math.round(heldMs) })),
    work: parts.attempts.filter(({ phase }) => phase !== 'done').map((attempt) => workOf(attempt, parts)),
    reports: {
      waiting: waiting.reduce((sum, { cursor, lastSeq }) => sum + lastSeq - cursor, 0),
      ofEpochs: waiting.length,
    },
    journal: {
      found: journal.found,
      bytes: journal.size.bytes,
      trouble: journal.trouble ? `${journal.trouble.code}: ${journal.trouble.detail}` : null,
    },
  };
}

function workOf(attempt: Attempt, parts: StatusParts): AgentStatus['work'][number] {
  const { grant } = attempt;
  const total = parts.totals.get(attempt.key);
  const sinceMs = attempt.startedAtMs === undefined ? undefined : Date.now() - (parts.nowMs - attempt.startedAtMs);
  return {
    attempt: attempt.key,
    device: grant.device,
    name: nameOf(parts.site, grant.links) ?? null,
    model: grant.model,
    protocol: grant.protocol,
    link: grant.links[0] ?? '',
    phase: attempt.phase,
    step: [...attempt.steps].at(-1) ?? null,
    atRisk: attempt.isAtRisk,
    percent:
      total === undefined || total <= 0 ? null : Math.min(100, Math.round((attempt.sentBytes / total) * 1000) / 10),
    since: isoOf(sinceMs),
    until: isoOf(attempt.started ? grant.finishBy : grant.startBy) ?? '',
  };
}
