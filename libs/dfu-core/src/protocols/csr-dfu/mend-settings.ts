/** After somebody updated a module: what the update took of its settings is put back, and compared once more after a start. */
import { DrydockError } from '../../errors.js';
import type { Session } from '../../session/session.js';
import { findCommandLine } from './identify.js';
import { commandLines } from './lines.js';
import type { MelodyCli } from './melody.js';
import { lostSettings, type MelodySettings, readSettings, restoreSettings } from './settings.js';

const READY_MS = 15_000;
const LOOKS = 3;
const MAX_NAMES = 10;
const MAX_FACT_CHARACTERS = 240;

/** What became of the settings; names only, as there are licence keys among them. */
export interface Mended {
  /** Missing or different after the update. */
  readonly lost: readonly string[];
  readonly restored: readonly string[];
  /** The new firmware does not know them any more. */
  readonly unknown: readonly string[];
  /** Still missing or different, with what Melody said where it refused. */
  readonly still: readonly string[];
}

/**
 * Melody answers on the line of `cli`. Afterwards it does so again, if it had to be started: at the line where it is found.
 * @throws TargetRefusedError when CONFIG or WRITE is refused; DrydockError `target.did-not-return`; LinkError
 */
export function* mendSettings(
  cli: MelodyCli,
  before: MelodySettings,
  options: Readonly<Record<string, string>>,
): Session<Mended> {
  const found = yield* readSettings(cli);
  const lost = lostSettings(before, found);
  if (lost.length === 0) return { lost, restored: [], unknown: [], still: [] };
  const { restored, unknown, refused } = yield* restoreSettings(cli, before, found);
  if (restored.length > 0) yield* restart(cli, options);
  const different = lostSettings(before, yield* readSettings(cli)).filter((name) => !unknown.includes(name));
  return {
    lost,
    restored: lost.filter((name) => !different.includes(name) && !unknown.includes(name)),
    unknown,
    still: different.map((name) => refused.find((said) => said.startsWith(`${name} (`)) ?? name),
  };
}

/** Settings of the port work after a start. */
function* restart(cli: MelodyCli, options: Readonly<Record<string, string>>): Session<void> {
  yield* cli.tell('RESET');
  yield* cli.awaitReady(READY_MS);
  for (let looks = 0; looks < LOOKS; looks++) {
    if (yield* findCommandLine(cli, commandLines(options))) return;
  }
  throw new DrydockError('target.did-not-return', { withinMs: READY_MS });
}

const list = (names: readonly string[]): string => names.slice(0, MAX_NAMES).join(', ').slice(0, MAX_FACT_CHARACTERS);

/** For the report, beside the other facts of the module. */
export function mendedFacts({ lost, restored, unknown, still }: Mended): Readonly<Record<string, string | number>> {
  if (lost.length === 0) return { settingsLost: 0 };
  return {
    settingsLost: lost.length,
    settingsRestored: restored.length,
    settingsDiffered: list(lost),
    ...(unknown.length > 0 && { settingsUnknownNow: list(unknown) }),
    ...(still.length > 0 && { settingsStillDifferent: list(still) }),
  };
}

/** @returns the error that settings which could not be put back are; undefined when there are none. */
export function settingsLost({ still }: Mended): DrydockError | undefined {
  if (still.length === 0) return undefined;
  return new DrydockError('target.settings-lost', { count: still.length, detail: list(still) });
}
