/**
 * Melody's settings and licence keys: read before an update, compared after it, and put back, since an update clears the
 * keys in which an application keeps them.
 *
 * Source: Melody manuals (CONFIG, GET, SET, LICENSE, WRITE); persistent store areas of Melody files.
 */
import type { Session } from '../../session/session.js';
import { MAX_COMMAND_CHARACTERS, type MelodyCli } from './melody.js';

const CONFIG_MS = 10_000;
const WRITE_MS = 10_000;
const NOT_FOUND = ['0x001A', '0x0019', '0x0013'];
const SETTING = /^([A-Z][A-Z0-9_]{0,39})=(.{0,400})$/;

export interface MelodySettings {
  readonly config: ReadonlyMap<string, string>;
  readonly licences: ReadonlyMap<string, string>;
}

export interface Restoration {
  /** Names that were put back. */
  readonly restored: readonly string[];
  /** Names that the new firmware does not know any more. */
  readonly unknown: readonly string[];
  /** Names that it refused, with what it said. */
  readonly refused: readonly string[];
}

function read(lines: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const match = SETTING.exec(line.trim());
    if (match) found.set(match[1]!, match[2]!.trim());
  }
  return found;
}

/** A firmware without LICENSE has no keys. @throws TargetRefusedError when CONFIG is refused. */
export function* readSettings(cli: MelodyCli): Session<MelodySettings> {
  const config = read(yield* cli.order('CONFIG', CONFIG_MS));
  const licences = yield* cli.ask('LICENSE');
  return { config, licences: licences.error === undefined ? read(licences.lines) : new Map() };
}

/** Names of what is missing or different. */
export function lostSettings(before: MelodySettings, after: MelodySettings): string[] {
  const lost = (was: ReadonlyMap<string, string>, is: ReadonlyMap<string, string>, prefix: string): string[] =>
    [...was].filter(([name, value]) => is.get(name) !== value).map(([name]) => `${prefix}${name}`);
  return [...lost(before.config, after.config, ''), ...lost(before.licences, after.licences, 'LICENSE ')];
}

/** Puts back what differs, and has it stored; the settings of the port work after the next start. */
export function* restoreSettings(cli: MelodyCli, before: MelodySettings, after: MelodySettings): Session<Restoration> {
  const restored: string[] = [];
  const unknown: string[] = [];
  const refused: string[] = [];
  for (const name of lostSettings(before, after)) {
    const key = name.replace(/^LICENSE /, '');
    const isLicence = key !== name;
    const value = (isLicence ? before.licences : before.config).get(key) ?? '';
    const command = `${isLicence ? 'LICENSE ' : 'SET '}${key}=${value}`;
    if (command.length > MAX_COMMAND_CHARACTERS) {
      refused.push(`${name} (longer than a command may be)`);
      continue;
    }
    const { error } = yield* cli.ask(command);
    const isKnown = (isLicence ? after.licences : after.config).has(key);
    if (error === undefined) restored.push(name);
    else if (!isKnown && NOT_FOUND.includes(error)) unknown.push(name);
    else refused.push(`${name} (${error})`);
  }
  if (restored.length > 0) yield* cli.order('WRITE', WRITE_MS);
  return { restored, unknown, refused };
}
