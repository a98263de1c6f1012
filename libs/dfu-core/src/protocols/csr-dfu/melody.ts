/**
 * Melody's command line: text, ended by CR; answers end with `OK` or `ERROR`. Notifications come in between whenever they
 * like, so of an answer only the lines that look like it are taken.
 *
 * Source: Melody 5.0 manual rev D, MelodyAudio 6 user guide r3, Melody Audio 7.x user guide r3; SparkFun BC127 library.
 */
import { DrydockError, LinkError, TargetRefusedError } from '../../errors.js';
import { type MelodyVersion, parseMelodyVersion } from '../../image/csr-dfu/melody-version.js';
import { type LineSettings, SERIAL_CHANNEL, type Session } from '../../session/session.js';
import type { LinkTalk } from '../../session/link-talk.js';

const ANSWER_MS = 3_000;
const WAKE_MS = 500;
const WAKE_TRIES = 3;
/** After it woke up. */
const AWAKE_MS = 10;
const MAX_LINES = 400;
const MAX_LINE_CHARACTERS = 512;
const MAX_PIECES = 4_096;
/** What a piece of an answer counts at least, so that endless chatter ends too. */
const PIECE_MS = 5;
export const MAX_COMMAND_CHARACTERS = 150;

const ERRORS: Readonly<Record<string, string>> = {
  '0x0003': 'unknown error',
  '0x0011': 'not allowed with the current configuration',
  '0x0012': 'command not found',
  '0x0013': 'wrong parameter',
  '0x0014': 'wrong number of parameters',
  '0x0015': 'not allowed in the current state',
  '0x0018': 'command too long',
  '0x0019': 'name not found',
  '0x001A': 'configuration not found',
  '0xFF01': 'licence key missing',
  '0xFF02': 'licence key invalid',
};

export interface MelodyFacts {
  readonly version: MelodyVersion;
  /** Twelve hex digits, lower case: the public address, which ties the module. */
  readonly address?: string;
}

export interface MelodyReply {
  readonly lines: readonly string[];
  /** `0x0012`; `unknown` where version 5 gives no number. Absent when it said OK. */
  readonly error?: string;
}

/** Splits at any run of CR and LF. What is no printable ASCII is dropped. */
export class MelodyLines {
  #line = '';

  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (const byte of bytes) {
      if (byte === 0x0d || byte === 0x0a) {
        if (this.#line !== '') lines.push(this.#line);
        this.#line = '';
      } else if (byte >= 0x20 && byte < 0x7f && this.#line.length < MAX_LINE_CHARACTERS) {
        this.#line += String.fromCharCode(byte);
      }
    }
    return lines;
  }

  reset(): void {
    this.#line = '';
  }
}

/** @returns undefined when the lines name no Melody. */
export function readFacts(lines: readonly string[]): MelodyFacts | undefined {
  const named = lines.map((line) => parseMelodyVersion(line)).find((version) => version !== undefined);
  if (!named) return undefined;
  const find = (pattern: RegExp): string | undefined =>
    lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
  const build = named.build ?? find(/^Build: ?(\d{8,12})$/i);
  const address = find(/^Bluetooth address(?:es)?:? *([0-9a-f]{12})\b/i)?.toLowerCase();
  return {
    version: { number: named.number, label: named.label, ...(build !== undefined && { build }) },
    ...(address !== undefined && { address }),
  };
}

const errorOf = (line: string): string | undefined => {
  const match = /^ERROR(?: (0x[0-9a-f]{4}))?$/i.exec(line);
  if (!match) return undefined;
  return match[1] === undefined ? 'unknown' : `0x${match[1].slice(2).toUpperCase()}`;
};

export class MelodyCli {
  readonly #lines = new MelodyLines();
  #ready: string[] = [];
  #byteMs = 1;

  constructor(readonly talk: LinkTalk) {}

  *listenAt(line: LineSettings): Session<void> {
    yield* this.talk.configure(line);
    this.#byteMs = 10_000 / line.baud;
    this.#lines.reset();
    this.#ready = [];
  }

  /** A lone CR: whoever is awake says ERROR; whoever sleeps deeply wakes up. @returns whether a command line answers. */
  *wake(tries = WAKE_TRIES): Session<boolean> {
    for (let count = 0; count < tries; count++) {
      yield* this.#write('');
      const seen = yield* this.#collect(WAKE_MS, (line) => errorOf(line) !== undefined || line === 'OK');
      if (!seen.isComplete) continue;
      yield* this.talk.sleep(AWAKE_MS);
      yield* this.talk.drain(SERIAL_CHANNEL);
      this.#lines.reset();
      this.#ready = [];
      return true;
    }
    return false;
  }

  /** Sends a command and waits for its end. @throws LinkError `link.timeout`; never for a refusal: see `error`. */
  *ask(command: string, withinMs = ANSWER_MS): Session<MelodyReply> {
    this.#ready = [];
    yield* this.#write(command);
    const seen = yield* this.#collect(withinMs, (line) => line === 'OK' || errorOf(line) !== undefined);
    const last = seen.lines.at(-1);
    if (!seen.isComplete || last === undefined) {
      throw new LinkError('link.timeout', { withinMs, detail: `Melody did not answer ${command.split(/[ =]/)[0]}` });
    }
    const error = errorOf(last);
    return { lines: seen.lines.slice(0, -1), ...(error !== undefined && { error }) };
  }

  /** As `ask`. @throws TargetRefusedError when it says ERROR. */
  *order(command: string, withinMs?: number): Session<readonly string[]> {
    const { lines, error } = yield* this.ask(command, withinMs);
    if (error === undefined) return lines;
    throw new TargetRefusedError(command.split('=')[0] ?? command, error, ERRORS[error] ?? 'it gives no reason');
  }

  /** @throws DrydockError `target.wrong-kind` when what answers is no Melody. */
  *version(): Session<MelodyFacts> {
    const lines = yield* this.order('VERSION');
    const facts = readFacts(lines);
    if (facts) return facts;
    const detail = `its VERSION names none (${JSON.stringify(lines.slice(0, 3).join(' / ').slice(0, 120))})`;
    throw new DrydockError('target.wrong-kind', { expected: 'module with Melody', detail });
  }

  /** Sends what is not answered: `DFU`, `RESET`. */
  *tell(command: string): Session<void> {
    yield* this.#write(command);
  }

  /** Waits for the prompt after a start. @returns whether it came. */
  *awaitReady(withinMs: number): Session<boolean> {
    const seen = yield* this.#collect(withinMs, (line) => /^ready$/i.test(line));
    return seen.isComplete;
  }

  *#write(command: string): Session<void> {
    const bytes = Uint8Array.from(`${command}\r`, (letter) => letter.charCodeAt(0));
    yield* this.talk.send(SERIAL_CHANNEL, bytes, false);
  }

  *#collect(
    withinMs: number,
    isLast: (line: string) => boolean,
  ): Session<{ readonly lines: readonly string[]; readonly isComplete: boolean }> {
    const lines: string[] = [];
    let leftMs = withinMs;
    for (let pieces = 0; pieces < MAX_PIECES && lines.length < MAX_LINES; pieces++) {
      for (let line = this.#ready.shift(); line !== undefined; line = this.#ready.shift()) {
        lines.push(line);
        if (!isLast(line)) continue;
        yield* this.talk.heardAnswer();
        return { lines, isComplete: true };
      }
      if (leftMs <= 0) break;
      const bytes = yield* this.talk.receive(SERIAL_CHANNEL, leftMs);
      if (!bytes) break;
      leftMs -= Math.max(PIECE_MS, bytes.length * this.#byteMs);
      this.#ready.push(...this.#lines.push(bytes));
    }
    return { lines, isComplete: false };
  }
}
