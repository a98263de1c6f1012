/**
 * Reads what there is to know of a unit, and changes nothing: buffers, images, bootloader, slots.
 *
 * Source: Zephyr `smp_group_0.rst` and `smp_group_1.rst`; for what serial recovery leaves out, mcu-tools/mcuboot
 * `docs/serial_recovery.md` and `boot/boot_serial/src/boot_serial.c`.
 */
import { LinkError, MalformedFrameError } from '../../errors.js';
import type { Identification, RunningImage } from '../../session/protocol.js';
import type { Identity } from '../../session/session.js';
import type { Patience, SmpClient, Step } from './client.js';
import {
  decodeBootloaderMode,
  decodeBootloaderName,
  decodeImageList,
  decodeOsInfo,
  decodeParams,
  decodeSlotInfo,
} from './codec.js';
import { Rc, SmpRefusedError } from './errors.js';
import { roomFact } from './fit.js';
import {
  type Body,
  BootMode,
  type ImageListAnswer,
  type ImageState,
  type ParamsAnswer,
  type Request,
  type SlotInfoAnswer,
} from './messages.js';

export const PROTOCOL_NAME = 'smp';

export interface Survey {
  readonly params: ParamsAnswer | undefined;
  /** Undefined where the unit has no image list (rc 8). */
  readonly images: readonly ImageState[] | undefined;
  /** Who answered. */
  readonly mode: 'application' | 'bootloader';
  /** It is MCUboot's firmware loader: a program of its own in the second slot, which replaces the application in the first. */
  readonly isLoader: boolean;
  readonly bootMode: number;
  readonly noDowngrade: boolean;
  /** Where the target states it. */
  readonly slots: SlotInfoAnswer | undefined;
  readonly identification: Identification;
}

/** An optional command: on BLE it may be missing without a word, so silence is not waited out for long. */
const OPTIONAL: Patience = { withinMs: 1500, tries: 3 };
const LIST: Patience = { withinMs: 2500, tries: 6 };

/**
 * @throws LinkError `link.timeout` when nobody answers the image list; SmpRefusedError when it is refused for
 * another reason than being unknown.
 */
export function* survey(client: SmpClient): Step<Survey> {
  const paramsTold = yield* tell(client, { kind: 'params' }, decodeParams);
  const params = paramsTold.value;
  // Nobody may be there at all: then it is not waited twice as long.
  const list = yield* readList(client, paramsTold.how === 'silent' ? { ...LIST, tries: 3 } : LIST);
  const bootloaderTold = yield* tell(client, { kind: 'bootloader-info' }, decodeBootloaderName);
  const bootloader = bootloaderTold.value;
  const mode = bootloader
    ? yield* optional(client, { kind: 'bootloader-info', query: 'mode' }, decodeBootloaderMode)
    : undefined;
  const platformTold = yield* tell(client, { kind: 'os-info', format: 'i' }, decodeOsInfo);
  const platform = platformTold.value;
  const identity = yield* readIdentity(client);
  const slots = yield* optional(client, { kind: 'slot-info' }, decodeSlotInfo);

  // With a firmware loader the application has no image group: who lists images there is the loader.
  const isLoader = mode?.mode === BootMode.FirmwareLoader && list !== undefined;
  const answering = isLoader ? 'bootloader' : whoAnswers(client, params, list, [bootloaderTold, platformTold]);
  return {
    params,
    images: list?.images,
    mode: answering,
    isLoader,
    bootMode: mode?.mode ?? BootMode.Unknown,
    noDowngrade: mode?.noDowngrade ?? false,
    slots,
    identification: {
      protocol: PROTOCOL_NAME,
      mode: answering,
      identity,
      ...(platform !== undefined && { model: platform }),
      hardware: {
        ...(bootloader !== undefined && { bootloader }),
        ...(mode && { bootloaderMode: mode.mode, noDowngrade: mode.noDowngrade ? 1 : 0 }),
        ...(platform !== undefined && { platform }),
        ...(slots && roomFor(slots)),
      },
      running: answering === 'application' ? (list?.images ?? []).filter(({ active }) => active).map(asRunning) : [],
      // Its own image is the loader's, not what it would start.
      installed: (list?.images ?? [])
        .filter(({ active }) => (answering === 'bootloader' && !isLoader) || !active)
        .map(asRunning),
    },
  };
}

/**
 * SMP states no chip id or serial number, so the unit is what sits at this port or address; unless the link's spelling
 * says `identity=node-name`, for products that give each unit a host name of its own (Zephyr gives all the same).
 * Serial recovery states no node name.
 */
function* readIdentity(client: SmpClient): Step<Identity> {
  if (client.options['identity'] !== 'node-name') return client.link.identity;
  const name = yield* optional(client, { kind: 'os-info', format: 'n' }, decodeOsInfo);
  return name ? { kind: 'serial-number', value: name } : client.link.identity;
}

function asRunning({ image, version, hash, confirmed }: ImageState): RunningImage {
  return { image, confirmed, ...(version !== undefined && { version }), ...(hash !== undefined && { hash }) };
}

/** The image list; undefined where the target does not know the command. */
export function* readList(client: SmpClient, patience: Patience = LIST): Step<ImageListAnswer | undefined> {
  try {
    return decodeImageList(yield* client.ask({ kind: 'list' }, patience));
  } catch (error) {
    if (error instanceof SmpRefusedError && error.isShared(Rc.NotSupported)) return undefined;
    throw error;
  }
}

/** What became of an optional question. */
type Told<T> = { readonly value?: T; readonly how: 'told' | 'refused' | 'silent' };

/** A refusal, silence, or an answer that cannot be read is no value. A lost link is an error. */
function* tell<T>(client: SmpClient, request: Request, decode: (body: Body) => T): Step<Told<T>> {
  try {
    return { value: decode(yield* client.ask(request, OPTIONAL)), how: 'told' };
  } catch (error) {
    if (error instanceof SmpRefusedError || error instanceof MalformedFrameError) return { how: 'refused' };
    if (error instanceof LinkError && error.code === 'link.timeout') return { how: 'silent' };
    throw error;
  }
}

function* optional<T>(client: SmpClient, request: Request, decode: (body: Body) => T): Step<T | undefined> {
  return (yield* tell(client, request, decode)).value;
}

/**
 * Serial recovery answers on the same wire with the same commands, but never knows these: bootloader and OS
 * information, more than one buffer, the split status. A unit that offers none of them cannot be told from
 * recovery, and then counts as that: only an application may prove.
 */
function whoAnswers(
  client: SmpClient,
  params: ParamsAnswer | undefined,
  list: ImageListAnswer | undefined,
  commands: readonly Told<string>[],
): 'application' | 'bootloader' {
  if (client.link.kind !== 'serial') return 'application'; // recovery speaks UART and USB only
  const knows = commands.some(({ how }) => how === 'told');
  if (knows || list?.splitStatus !== undefined || (params?.bufferCount ?? 1) > 1) return 'application';
  if (commands.every(({ how }) => how === 'refused')) return 'bootloader';
  throw new LinkError('link.timeout', {
    withinMs: OPTIONAL.withinMs,
    detail: 'whether application or bootloader answers stays open',
  });
}

/** `maxImageBytes` of the application, `maxImageBytes1` and so on of other images. */
function roomFor(answer: SlotInfoAnswer): Record<string, number> {
  const facts: Record<string, number> = {};
  for (const image of new Set(answer.slots.map((slot) => slot.image))) {
    const bytes = largestImage(answer, image);
    if (bytes !== undefined) facts[roomFact(image)] = bytes;
  }
  return facts;
}

function largestImage({ slots, maxImageBytes }: SlotInfoAnswer, image: number): number | undefined {
  const stated = maxImageBytes.get(image);
  if (stated !== undefined) return stated;
  const sizes = slots.filter((slot) => slot.image === image).map(({ sizeBytes }) => sizeBytes);
  const known = sizes.filter((size): size is number => size !== undefined);
  return known.length > 0 && known.length === sizes.length ? Math.min(...known) : undefined;
}
