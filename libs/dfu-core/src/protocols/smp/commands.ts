/**
 * Single requests of the OS and image groups, for people and tools at the gateway: each is one session that asks,
 * and answers in plain values. What a unit refuses is an `SmpRefusedError` with its code and name.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_groups/smp_group_0.rst`, `smp_group_1.rst`.
 */
import type { LinkInfo, Session } from '../../session/session.js';
import { reset } from './activation.js';
import { type Patience, SmpClient, type Step, USUAL } from './client.js';
import {
  decodeActiveB0Slot,
  decodeBootloaderMode,
  decodeBootloaderName,
  decodeDatetime,
  decodeEcho,
  decodeImageList,
  decodeOsInfo,
  decodeParams,
  decodeSlotInfo,
} from './codec.js';
import { BootMode, type Body, type ImageState, type Request, type SlotInfoAnswer } from './messages.js';
import { readList } from './survey.js';

/** What may be asked alone: all but the parts of an upload. */
export type SmpCommand = Exclude<Request, { kind: 'upload-first' | 'upload-next' | 'set-setting' | 'save-settings' }>;
/** By the fields of the protocol; values are text, numbers, booleans, lists and objects of them. */
export type SmpAnswer = Readonly<Record<string, unknown>>;

/** Erasing a slot takes seconds. */
const ERASE: Patience = { withinMs: 75_000, tries: 1 };

const ANSWERS: Readonly<Record<SmpCommand['kind'], (body: Body, command: SmpCommand) => SmpAnswer>> = {
  params: (body) => ({ ...decodeParams(body) }),
  'os-info': (body) => ({ output: decodeOsInfo(body) }),
  'bootloader-info': (body, command) => bootloaderAnswer(body, 'query' in command ? command.query : undefined),
  echo: (body) => ({ text: decodeEcho(body) }),
  datetime: (body) => ({ datetime: decodeDatetime(body) }),
  'set-datetime': () => ({}),
  reset: () => ({}),
  list: (body) => ({ ...decodeImageList(body) }),
  'set-state': (body) => ({ ...decodeImageList(body) }),
  erase: () => ({}),
  'slot-info': (body) => slotsAnswer(decodeSlotInfo(body)),
};

function bootloaderAnswer(body: Body, query: string | undefined): SmpAnswer {
  if (query === undefined) return { bootloader: decodeBootloaderName(body) };
  if (query === 'active_b0_slot') return { active: decodeActiveB0Slot(body) };
  const answer = decodeBootloaderMode(body);
  const name = Object.entries(BootMode).find(([, value]) => value === answer.mode)?.[0];
  return { ...answer, ...(name !== undefined && { name }) };
}

function slotsAnswer({ slots, maxImageBytes }: SlotInfoAnswer): SmpAnswer {
  return { slots, maxImageBytes: Object.fromEntries(maxImageBytes) };
}

/**
 * One command. Silence is waited out and asked again as usual; a reset counts as done when the link ends.
 * Commands that change the unit have no marks and no fences: they are for a person who means them.
 */
export function* smpCommand(
  link: LinkInfo,
  options: Readonly<Record<string, string>>,
  command: SmpCommand,
): Session<SmpAnswer> {
  const client = new SmpClient(link, options, Math.floor(Math.random() * 256));
  yield* client.start();
  if (command.kind === 'reset') {
    yield* reset(client, command);
    return {};
  }
  const body = yield* client.ask(command, command.kind === 'erase' ? ERASE : USUAL);
  return ANSWERS[command.kind](body, command);
}

/** What lies in the slots, one line each, as people like to see it. */
export function* slotLines(client: SmpClient): Step<readonly string[]> {
  const list = yield* readList(client);
  if (!list) return ['it has no image list'];
  return list.images.map(slotLine);
}

function slotLine(entry: ImageState): string {
  const flags = (['active', 'confirmed', 'pending', 'permanent', 'bootable'] as const).filter((flag) => entry[flag]);
  const place = `image ${entry.image} slot ${entry.slot % 2}`;
  return [`${place}:`, entry.version ?? 'no version', flags.join(' '), entry.hash ?? ''].filter(Boolean).join(' ');
}
