/**
 * Who answers on the line: Melody's command line, or a BlueCore chip that speaks BCSP, which is one in DFU mode or in its
 * boot loader. The command line is asked first: for a loader that is noise at another speed.
 */
import { DrydockError } from '../../errors.js';
import { spellMelodyVersion } from '../../image/csr-dfu/melody-version.js';
import type { Identification } from '../../session/protocol.js';
import type { LineSettings, Session } from '../../session/session.js';
import { BcspLine } from './bcsp-line.js';
import { type BcspOptions } from '../../framing/bcsp/engine.js';
import { commandLines, DFU_LINE } from './lines.js';
import { readChip } from './loader.js';
import { type MelodyFacts, MelodyCli } from './melody.js';
import type { LinkTalk } from '../../session/link-talk.js';

export const PROTOCOL_NAME = 'csr-dfu';
/** Somebody who is in DFU mode sends SYNC every second at the latest. */
const LISTEN_MS = 4_000;

export interface Found {
  readonly identification: Identification;
  /** Where the command line answers. */
  readonly cli?: { readonly line: LineSettings; readonly facts: MelodyFacts };
}

/** Variant as people state it: neither Melody nor the loader does. */
function statedVariant(options: Readonly<Record<string, string>>): { variant?: string } {
  const variant = options['variant'];
  return variant === undefined ? {} : { variant };
}

export function identificationOf(
  talk: LinkTalk,
  facts: MelodyFacts,
  options: Readonly<Record<string, string>>,
): Identification {
  return {
    protocol: PROTOCOL_NAME,
    mode: 'application',
    identity: facts.address === undefined ? talk.link.identity : { kind: 'serial-number', value: facts.address },
    hardware: statedVariant(options),
    running: [{ image: 0, version: spellMelodyVersion(facts.version) }],
  };
}

/** @returns where the command line answers; undefined when it does nowhere. */
export function* findCommandLine(cli: MelodyCli, lines: readonly LineSettings[]): Session<LineSettings | undefined> {
  for (const line of lines) {
    yield* cli.listenAt(line);
    if (yield* cli.wake()) return line;
  }
  return undefined;
}

/** Changes nothing but the settings of our own end, which are those of the command line afterwards unless it answers BCSP. */
export function* find(
  talk: LinkTalk,
  options: Readonly<Record<string, string>>,
  bcsp: BcspOptions = {},
): Session<Found | undefined> {
  const cli = new MelodyCli(talk);
  const lines = commandLines(options);
  const line = yield* findCommandLine(cli, lines);
  if (line) {
    const facts = yield* cli.version();
    return { identification: identificationOf(talk, facts, options), cli: { line, facts } };
  }
  yield* talk.configure(DFU_LINE);
  const link = new BcspLine(talk, bcsp);
  const isUp = yield* link.establish(LISTEN_MS);
  const chip = isUp ? yield* readChip(link) : {};
  yield* link.flush();
  yield* talk.configure(lines[0]!);
  if (!isUp) return undefined;
  return {
    identification: {
      protocol: PROTOCOL_NAME,
      mode: 'bootloader',
      identity: talk.link.identity,
      hardware: { ...statedVariant(options), ...chip },
      running: [],
    },
  };
}

/** @throws DrydockError `target.wrong-kind` when neither answers. */
export function* findOrFail(
  talk: LinkTalk,
  options: Readonly<Record<string, string>>,
  bcsp: BcspOptions = {},
): Session<Found> {
  const found = yield* find(talk, options, bcsp);
  if (found) return found;
  throw new DrydockError('target.wrong-kind', {
    expected: 'BC127 with Melody',
    detail:
      'neither its command line nor BCSP answers: check RX and TX, name its speed (baud=), wake it up, or reset it by its pin',
  });
}
