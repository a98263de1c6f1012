/** What a check found, and the command that mends it. */

import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

export type FindingState = 'ok' | 'warn' | 'fail';

export interface Finding {
  /** What was looked at: `disk`, `adapter hci0`, `port /dev/ttyUSB0`. */
  readonly check: string;
  readonly state: FindingState;
  /** What was found, with the numbers. */
  readonly found: string;
  /** What to type, or to do where no command does it. */
  readonly mend?: string;
}

export const ok = (check: string, found: string): Finding => ({ check, state: 'ok', found });
export const warn = (check: string, found: string, mend: string): Finding => ({ check, state: 'warn', found, mend });
export const fail = (check: string, found: string, mend: string): Finding => ({ check, state: 'fail', found, mend });

/** The machine that is looked at; tests bring their own. */
export interface Machine {
  readonly sys: string;
  readonly proc: string;
  readonly user: string;
  readonly nowMs: number;
  readonly nodeVersion: string;
}

/** What a command needs before a person types it: nothing for root. */
export const sudo = (machine: Machine): string => (machine.user === 'root' ? '' : 'sudo ');

type Look =
  | { readonly found: Stats; readonly trouble?: never }
  | { readonly found?: never; readonly trouble: NodeJS.ErrnoException };

/** What is at a path, or why that cannot be said. */
export function look(path: string): Promise<Look> {
  return stat(path).then(
    (found) => ({ found }),
    (trouble: NodeJS.ErrnoException) => ({ trouble }),
  );
}
