/** The status of a daemon that does not run: what its state folder shows. Nothing is written, not even a repair. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ledger } from '../journal/ledger.js';
import { parseRecord } from '../journal/parse-record.js';
import { scanJournal } from '../journal/record-framing.js';
import { LogHistory, recallHistory } from '../log/log-history.js';
import { AgentState } from '../uplink/agent-state.js';
import { ERROR_LINES, HAPPENED_LINES, isoOf, type AgentStatus } from './agent-status.js';
import { logPath } from './state-folder.js';

export async function statusAtRest(stateDir: string): Promise<AgentStatus> {
  const state = AgentState.safeParse(await readJson(join(stateDir, 'state.json')));
  const enrolment = state.success ? state.data.enrolment : undefined;
  const bytes = await readFile(join(stateDir, 'journal')).catch(() => undefined);
  const scan = bytes && scanJournal(bytes);
  const ledger = new Ledger();
  for (const { payload } of scan?.records ?? []) {
    const record = parseRecord(payload);
    if (typeof record !== 'string') ledger.apply(record, { offset: 0, length: 0 });
  }
  const epochs = [...ledger.epochs.values()];
  const waiting = epochs.filter(({ cursor, lastSeq }) => cursor < lastSeq);
  const history = new LogHistory(new Set(['disconnected', 'stopped']));
  await recallHistory(logPath(stateDir), history);
  return {
    v: 1,
    running: false,
    version: null,
    pid: null,
    startedAt: null,
    stoppingSince: null,
    epoch: epochs.at(-1)?.epoch ?? null,
    gateway: enrolment
      ? {
          id: enrolment.gateway.id,
          name: enrolment.gateway.name,
          site: enrolment.site.name,
          server: enrolment.serverUrl,
        }
      : null,
    connection: {
      state: 'not-running',
      since: history.lines.at(-1)?.time ?? null,
      heardAt: ledger.serverTimeMs > 0 ? isoOf(ledger.serverTimeMs) : null,
      detail: enrolment ? null : 'not enrolled',
    },
    clock: { offsetMs: null, uncertaintyMs: null },
    log: { level: null, until: null, lostLines: 0 },
    links: [],
    airTime: [],
    work: [...ledger.attempts.values()]
      .filter((book) => book.state === 'granted' || book.state === 'touched')
      .map((book) => ({
        attempt: `${book.ref.deployment}/${book.ref.reign}/${book.ref.attempt}`,
        device: book.grant.device,
        name: null,
        model: book.grant.model,
        protocol: book.grant.protocol,
        link: book.link ?? book.grant.links[0] ?? '',
        phase: book.state,
        step: [...book.steps].at(-1) ?? null,
        atRisk: book.steps.has('erased') || book.steps.has('activating'),
        percent: null,
        since: null,
        until: isoOf(book.state === 'touched' ? book.grant.finishBy : book.grant.startBy) ?? '',
      })),
    reports: {
      waiting: waiting.reduce((sum, { cursor, lastSeq }) => sum + lastSeq - cursor, 0),
      ofEpochs: waiting.length,
    },
    journal: { found: scan?.state ?? 'none', bytes: bytes?.length ?? null, trouble: scan?.note ?? null },
    errors: history.errors.slice(-ERROR_LINES),
    happened: history.lines.slice(-HAPPENED_LINES),
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
