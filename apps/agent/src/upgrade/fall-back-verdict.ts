/**
 * What it says of a version that it was left because no server was there for it. Decided by the good version that runs
 * again, which tries the very same: to connect, and to have a report acknowledged.
 *
 * - Nor can the good one: the outage is to blame (`away`).
 * - It can, and while the version was on trial the server answered: the version is at fault.
 * - It can, and the server had not answered: an outage that just ended, or a version whose network is broken. Nobody can
 *   tell (`unclear`); the version is excused once, and the next trial tells. A second time it is at fault.
 *
 * Kept in `versions/verdict.json`, beside the launcher's file: a restart after the outage must not judge anew.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { versionsDir } from './launcher-state.js';
import { ServerReach } from './server-reach.js';
import { NOT_ACKNOWLEDGED, NOT_CONNECTED, NOTHING_ANSWERED } from './trial.js';

/** The good version is given so long. */
export const REACH_MS = 20_000;

interface Kept {
  readonly sha256: string;
  readonly verdict: 'away' | 'unclear' | 'fault' | null;
  /** How often it was excused without anybody knowing why. */
  readonly unclear: number;
}

export interface VerdictOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  /** The server has committed a report of this start. */
  acknowledged(): boolean;
}

export class FallBackVerdict {
  readonly #reach: ServerReach | undefined;
  #kept: Kept;

  constructor(
    private readonly options: VerdictOptions,
    { sha256, why }: { readonly sha256: string; readonly why: string },
  ) {
    const before = read(options.stateDir);
    this.#kept = before?.sha256 === sha256 ? before : { sha256, verdict: null, unclear: 0 };
    if (this.#kept.verdict !== null) return;
    if (![NOT_CONNECTED, NOT_ACKNOWLEDGED].some((reason) => why.startsWith(reason))) {
      this.#kept = { ...this.#kept, verdict: 'fault' };
      return;
    }
    this.#reach = new ServerReach(options.clock, options.acknowledged, REACH_MS, (reach) => {
      const { unclear } = this.#kept;
      if (reach === 'away') this.#settle('away', unclear);
      else if (why.includes(NOTHING_ANSWERED) && unclear === 0) this.#settle('unclear', unclear + 1);
      else this.#settle('fault', unclear);
    });
  }

  start(): void {
    this.#reach?.start();
  }

  stop(): void {
    this.#reach?.stop();
  }

  /** As the session that proves the upgrade is told. */
  get said(): { readonly looking?: true; readonly serverAway?: true } {
    switch (this.#kept.verdict) {
      case null:
        return { looking: true };
      case 'away':
      case 'unclear':
        return { serverAway: true };
      case 'fault':
        return {};
    }
  }

  #settle(verdict: Kept['verdict'], unclear: number): void {
    this.#kept = { ...this.#kept, verdict, unclear };
    write(this.options.stateDir, this.#kept);
  }
}

/** A version is staged: what was said of its last trial is over; that it was excused is not. */
export function beginAnew(stateDir: string, sha256: string): void {
  const before = read(stateDir);
  if (before?.sha256 === sha256) write(stateDir, { ...before, verdict: null });
  else rmSync(pathIn(stateDir), { force: true });
}

const pathIn = (stateDir: string): string => join(versionsDir(stateDir), 'verdict.json');

function read(stateDir: string): Kept | undefined {
  try {
    const { sha256, verdict, unclear } = JSON.parse(readFileSync(pathIn(stateDir), 'utf8')) as Partial<Kept>;
    if (typeof sha256 !== 'string' || typeof unclear !== 'number') return undefined;
    const known = verdict === 'away' || verdict === 'unclear' || verdict === 'fault' ? verdict : null;
    return { sha256, verdict: known, unclear };
  } catch {
    return undefined;
  }
}

/** What cannot be written is judged anew after a restart: no reason to fail. */
function write(stateDir: string, kept: Kept): void {
  const path = pathIn(stateDir);
  try {
    writeFileSync(`${path}.next`, JSON.stringify(kept), { mode: 0o600, flush: true });
    renameSync(`${path}.next`, path);
  } catch {
    // the disk is full, or the folder is gone
  }
}
