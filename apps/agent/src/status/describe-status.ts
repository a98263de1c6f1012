/** The status in lines for people. */
import { describeLogLine, printable } from '../log/log-line.js';
import type { AgentStatus } from './agent-status.js';

export function describeStatus(status: AgentStatus): string[] {
  const { gateway, connection, clock, reports, journal, log } = status;
  const lines: string[] = [];
  const say = (name: string, text: string): void => void lines.push(`${name.padEnd(12)}${printable(text)}`);
  say(
    'agent',
    status.running
      ? `${status.version} runs as process ${status.pid} since ${status.startedAt}`
      : 'does not run; this is what its state folder shows',
  );
  if (status.stoppingSince !== null) {
    const risky = status.work.filter(({ atRisk }) => atRisk).length;
    say('stopping', `since ${status.stoppingSince}${risky > 0 ? `, waits for ${risky} between erase and proof` : ''}`);
  }
  say('gateway', gateway ? `${gateway.name} at ${gateway.site}, under ${gateway.server}` : 'not enrolled');
  say(
    'connection',
    [
      connection.state === 'not-running' ? 'none' : connection.state,
      connection.since && `since ${connection.since}`,
      connection.heardAt && `server last heard at ${connection.heardAt} (its clock)`,
      connection.detail,
    ]
      .filter(Boolean)
      .join(', '),
  );
  say(
    'clock',
    clock.offsetMs === null
      ? 'no trusted time'
      : `this machine's is ${clockWords(clock.offsetMs)}, known to ${clock.uncertaintyMs ?? '?'} ms`,
  );
  say(
    'reports',
    reports.waiting === 0 ? 'all acknowledged' : `${reports.waiting} wait for the server (${reports.ofEpochs} starts)`,
  );
  say(
    'journal',
    [journal.found, journal.bytes !== null && sizeOf(journal.bytes), journal.trouble && `TROUBLE ${journal.trouble}`]
      .filter(Boolean)
      .join(', '),
  );
  if (log.level !== null)
    say(
      'log',
      [log.level, log.until && `until ${log.until}`, log.lostLines > 0 && `${log.lostLines} lines lost`]
        .filter(Boolean)
        .join(', '),
    );
  section(
    lines,
    'links',
    status.links,
    ({ link, state, note }) => `${state.padEnd(5)} ${link}${note ? `  ${note}` : ''}`,
  );
  if (status.airTime.length > 0) {
    const upMs = status.startedAt === null ? undefined : Date.now() - Date.parse(status.startedAt);
    section(lines, 'air time of updates', status.airTime, ({ link, heldMs }) =>
      [
        durationOf(heldMs).padEnd(10),
        link,
        upMs && upMs > 0 && `${Math.round((heldMs / upMs) * 100)} % since the start`,
      ]
        .filter(Boolean)
        .join('  '),
    );
  }
  section(lines, status.running ? 'work' : 'left open', status.work, (item) =>
    [
      item.phase.padEnd(11),
      item.percent === null ? '' : `${item.percent} %`,
      `${item.name ?? item.device} (${item.model}, ${item.protocol}) on ${item.link}`,
      item.step && `after ${item.step}`,
      item.atRisk &&
        (status.running ? 'BETWEEN ERASE AND PROOF' : 'LEFT BETWEEN ERASE AND PROOF, finished first at the next start'),
      item.since && `since ${item.since}`,
      `until ${item.until}`,
      `attempt ${item.attempt}`,
    ]
      .filter(Boolean)
      .join('  '),
  );
  section(lines, 'last errors', status.errors, describeLogLine);
  section(lines, 'lately', status.happened, describeLogLine);
  return lines;
}

/** @param offsetMs the server's clock minus this machine's. */
function clockWords(offsetMs: number): string {
  if (Math.abs(offsetMs) < 1000) return "as the server's";
  return `${durationOf(Math.abs(offsetMs))} ${offsetMs > 0 ? 'behind' : 'ahead of'} the server's`;
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function durationOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function section<T>(lines: string[], name: string, items: readonly T[], describe: (item: T) => string): void {
  lines.push('', `${name}${items.length === 0 ? ': none' : ''}`);
  for (const item of items) lines.push(`  ${printable(describe(item))}`);
}
