/** Lines of the agent's log as people read and filter them. A line that is no JSON object is left out. */

export interface LogLine {
  /** pino's numbers: 20 debug, 30 info, 40 warn, 50 error. */
  readonly level: number;
  /** ISO 8601, by the gateway's own clock. */
  readonly time: string;
  readonly msg: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;
export type LevelName = keyof typeof LEVELS;

/** Longer lines are damage, or somebody else's. */
const MAX_LINE = 16 * 1024;

export function parseLogLine(text: string): LogLine | undefined {
  if (text.length > MAX_LINE || !text.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const { level, time, msg, ...facts } = value as Record<string, unknown>;
  if (typeof level !== 'number' || typeof time !== 'string') return undefined;
  return { level, time: printable(time), msg: typeof msg === 'string' ? printable(msg) : '', facts };
}

export interface LogFilter {
  /** At least this. */
  readonly level: number;
  /** Device id, name, link or address: part of it is enough. */
  readonly device?: string | undefined;
  /** Deployment id, or the whole key of an attempt. */
  readonly attempt?: string | undefined;
}

/**
 * Picks lines. Lines of a session name only their attempt: which device that was, is learned from the lines that name
 * both, so lines have to be given in their order.
 */
export class LogPicker {
  readonly #attempts = new Set<string>();

  constructor(private readonly filter: LogFilter) {}

  wants(line: LogLine): boolean {
    const { level, device, attempt } = this.filter;
    const named = typeof line.facts['attempt'] === 'string' ? line.facts['attempt'] : undefined;
    if (device !== undefined) {
      const wanted = device.toLowerCase();
      const { attempt: _, ...others } = line.facts;
      const says = JSON.stringify(others).toLowerCase().includes(wanted);
      if (says && named !== undefined && this.#attempts.size < 4096) this.#attempts.add(named);
      if (!says && (named === undefined || !this.#attempts.has(named))) return false;
    }
    if (attempt !== undefined && !named?.startsWith(attempt)) return false;
    return line.level >= level;
  }
}

/** One line for people: time, level, what, and the facts. */
export function describeLogLine(line: LogLine): string {
  const name = Object.entries(LEVELS).find(([, number]) => number === line.level)?.[0] ?? String(line.level);
  const facts = Object.entries(line.facts)
    .map(([key, value]) => `${printable(key)}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`)
    .join(' ');
  return `${line.time} ${name.padEnd(5)} ${line.msg}${facts === '' ? '' : `  ${facts}`}`;
}

function quoted(text: string): string {
  const shown = printable(text);
  return /^[\w:./@+-]+$/.test(shown) ? shown : JSON.stringify(shown);
}

/** What devices call themselves must not move a terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\u{fffd}');
}
