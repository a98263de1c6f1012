/**
 * Who answers, which variant it speaks, and what it says about itself. Nothing is changed on the target.
 *
 * Sources: TI BLE5-Stack User's Guide, "BLE-Stack OAD Profile" (E1); TI low-power F3 SDK, `oad_profile.c` (E2); Punch
 * Through Bean SDK, `OadProfile.m` (question for the running area of a CC254x); Bluetooth SIG, Device Information 1.1.
 */
import { strFromU8 } from 'fflate';
import { DrydockError, isSecurityRefusal, LinkError } from '../../errors.js';
import { spellBytes } from '../../image/ti-oad/format.js';
import type { Identification, RunningImage } from '../../session/protocol.js';
import type { Channel, Identity, LinkInfo, Session } from '../../session/session.js';
import { decodeRunningHeader, spellMcubootVersion } from './codec.js';
import { ANSWER_MS, type Conversation, readOrNoise } from './conversation.js';
import {
  type Command,
  CONTROL,
  type ControlAnswer,
  FIRMWARE_REVISION,
  IMAGE_BLOCK,
  IMAGE_COUNT,
  IMAGE_IDENTIFY,
  IMAGE_STATUS,
  MODEL_NUMBER,
  Opcode,
  RESET,
  type RunningHeader,
  SERIAL_NUMBER,
  type Variant,
} from './messages.js';

export const PROTOCOL_NAME = 'ti-oad';
const MAX_TEXT_BYTES = 248;
const HEADER_MS = 2_000;
const PERSISTENT_TYPE = 0;
/** TI's samples: "OAD Persistent App", "Persistent_app". */
const PERSISTENT_NAME = /persistent/i;

/** Versions that a target states when there is nothing to state: erased or zeroed flash. */
const NO_VERSION: ReadonlySet<string> = new Set(['0xffffffff', '0x00000000']);

/** `undefined`: no sign of TI OAD at all. */
function servicesOf(link: LinkInfo): 'control' | 'classic' | 'reset' | undefined {
  const has = (channel: Channel): boolean => link.channels.includes(channel);
  if (has(IMAGE_IDENTIFY) && has(IMAGE_BLOCK)) return has(CONTROL) ? 'control' : 'classic';
  return has(RESET) ? 'reset' : undefined;
}

export interface IdentifyOptions {
  /** After an update the new application may lack every service of TI. */
  readonly anyApplication?: boolean;
  /** The unit was sent into its persistent application, so what offers the OAD service is that one. */
  readonly entered?: boolean;
}

/** @throws DrydockError `target.wrong-kind` when the unit shows no sign of this protocol, unless `anyApplication`. */
export function* identify(talk: Conversation, options: IdentifyOptions = {}): Session<Identification> {
  const found = servicesOf(talk.link);
  if (found === undefined && options.anyApplication !== true) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'TI OAD target',
      detail: 'it offers neither the OAD service (FFC0) nor the reset service (FFD0)',
    });
  }
  const information = yield* readInformation(talk);
  switch (found) {
    case 'control':
      return yield* identifyEnhanced(talk, information, options.entered === true);
    case 'classic':
      return yield* identifyClassic(talk, information);
    default:
      return described(talk, information, found === 'reset' ? { variant: 'reset-service' } : {}, information.version);
  }
}

interface Information {
  readonly version: string | undefined;
  readonly model: string | undefined;
  readonly serialNumber: string | undefined;
}

function* readInformation(talk: Conversation): Session<Information> {
  return {
    version: yield* readText(talk, FIRMWARE_REVISION),
    model: yield* readText(talk, MODEL_NUMBER),
    serialNumber: yield* readText(talk, SERIAL_NUMBER),
  };
}

function described(
  talk: Conversation,
  { model, serialNumber }: Information,
  hardware: { variant?: Variant } & Record<string, string | number>,
  version: string | undefined,
  mode: Identification['mode'] = 'application',
): Identification {
  const images: RunningImage[] = version === undefined ? [] : [{ image: 0, version }];
  return {
    protocol: PROTOCOL_NAME,
    mode,
    identity: talk.link.identity,
    hardware: { ...hardware, ...(serialNumber === undefined ? {} : { serialNumber }) },
    running: mode === 'application' ? images : [],
    ...(mode === 'bootloader' && images.length > 0 && { installed: images }),
    ...(model === undefined ? {} : { model }),
  };
}

type Of<Kind extends ControlAnswer['kind']> = Extract<ControlAnswer, { kind: Kind }>;
const answers =
  <Kind extends ControlAnswer['kind']>(kind: Kind, opcode: number) =>
  (answer: ControlAnswer): answer is Of<Kind> | Of<'status'> | Of<'unknown-command'> =>
    answer.kind === kind || answer.kind === 'unknown-command' || (answer.kind === 'status' && answer.of === opcode);

function* identifyEnhanced(talk: Conversation, information: Information, entered: boolean): Session<Identification> {
  yield* talk.subscribe(CONTROL);
  const blockBytes = yield* blockSize(talk);
  const told = yield* askTwice(talk, { opcode: Opcode.SoftwareVersion }, answers('version', Opcode.SoftwareVersion));
  const version = told.kind === 'version' ? told.bytes : undefined;
  const variant: Variant = version?.length === 6 ? 'mcuboot' : 'enhanced';
  const hardware: Record<string, string | number> = { blockBytes };
  let type: number | undefined;
  if (variant === 'enhanced') {
    const device = yield* askTwice(talk, { opcode: Opcode.DeviceType }, answers('device-type', Opcode.DeviceType));
    if (device.kind === 'device-type') {
      const { chipType, chipFamily, revision } = device;
      Object.assign(hardware, { chipType, chipFamily, hwRevision: revision });
    }
    const command = { opcode: Opcode.ImageInformation, running: true } as const;
    const images = yield* askTwice(talk, command, answers('image-information', Opcode.ImageInformation));
    if (images.kind === 'image-information') type = images.images[0]?.type;
    if (type !== undefined) hardware['runningType'] = type;
  }
  const isPersistent = entered || type === PERSISTENT_TYPE || PERSISTENT_NAME.test(talk.link.name ?? '');
  const spelled = spellVersion(version);
  // With a TI header it is the installed application's; with MCUboot that of the program which answers.
  const isItsOwn = isPersistent && variant === 'mcuboot';
  if (isItsOwn && spelled !== undefined) hardware['persistentVersion'] = spelled;
  return described(
    talk,
    information,
    { ...hardware, variant },
    isItsOwn ? undefined : spelled,
    isPersistent ? 'bootloader' : 'application',
  );
}

/** The block size with the 4 bytes of the block number: what one write carries. @throws DrydockError when it is not told. */
export function* blockSize(talk: Conversation): Session<number> {
  const told = yield* askTwice(talk, { opcode: Opcode.BlockSize }, answers('block-size', Opcode.BlockSize));
  if (told.kind === 'block-size') return told.bytes;
  throw new DrydockError('target.wrong-kind', {
    expected: 'TI OAD target of the enhanced kind',
    detail: 'it has the control characteristic and does not know the question for the block size',
  });
}

/**
 * A question that changes nothing, so it may be repeated. What the answer decides is too much to be guessed from silence.
 * @throws LinkError `link.timeout`
 */
function* askTwice<Answer extends ControlAnswer>(
  talk: Conversation,
  command: Command,
  wanted: (answer: ControlAnswer) => answer is Answer,
): Session<Answer> {
  const answer = (yield* talk.ask(command, wanted)) ?? (yield* talk.ask(command, wanted));
  if (answer) return answer;
  const detail = `question 0x${command.opcode.toString(16).padStart(2, '0')} was not answered`;
  throw new LinkError('link.timeout', { withinMs: 2 * ANSWER_MS, detail });
}

function spellVersion(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes) return undefined;
  if (bytes.length === 6) {
    const version = spellMcubootVersion(bytes);
    return version === '0.0.0' || version === '255.255.65535+65535' ? undefined : version;
  }
  const version = spellBytes(bytes);
  return NO_VERSION.has(version) ? undefined : version;
}

function* identifyClassic(talk: Conversation, information: Information): Session<Identification> {
  if (talk.has(IMAGE_COUNT) || talk.has(IMAGE_STATUS)) {
    return described(talk, information, { variant: 'classic-off-chip' }, information.version);
  }
  const header = yield* askRunningHeader(talk);
  if (!header) return described(talk, information, { variant: 'classic-on-chip' }, information.version);
  const area = (header.version & 1) === 0 ? 'A' : 'B';
  const hardware = { variant: 'classic-on-chip' as const, area, userId: spellBytes(header.userId) };
  return described(talk, information, hardware, String(header.version >> 1));
}

/**
 * One byte written to the identify characteristic: a CC254x answers with its own header when the area that the byte
 * implies is its own, and else may ask for block 0, which obliges to nothing.
 */
function* askRunningHeader(talk: Conversation): Session<RunningHeader | undefined> {
  yield* talk.subscribe(IMAGE_IDENTIFY);
  yield* talk.subscribe(IMAGE_BLOCK);
  for (const area of [0, 1]) {
    yield* talk.send(IMAGE_IDENTIFY, Uint8Array.of(area), false);
    const frame = yield* talk.receiveAny([IMAGE_IDENTIFY, IMAGE_BLOCK], HEADER_MS);
    if (frame?.channel !== IMAGE_IDENTIFY) continue;
    const header = readOrNoise(() => decodeRunningHeader(frame.bytes));
    if (header !== 'noise') return header;
  }
  return undefined;
}

/** @returns undefined where there is nothing readable; the link's own troubles are thrown. */
function* readText(talk: Conversation, channel: Channel): Session<string | undefined> {
  if (!talk.has(channel)) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = yield* talk.query(channel);
  } catch (error) {
    // A characteristic behind encryption, or a refused read, is one that cannot be read.
    if (isSecurityRefusal(error) || (error instanceof DrydockError && error.code === 'target.refused'))
      return undefined;
    throw error;
  }
  const text = strFromU8(bytes.subarray(0, MAX_TEXT_BYTES)).replace(/\0+$/, '').trim();
  return text === '' || hasUnprintable(text) ? undefined : text;
}

/** @returns undefined when the unit is the expected one, else what was found instead. */
export function otherUnit(found: Identification, expected: Identity): string | undefined {
  if (expected.kind === 'serial-number') {
    const serial = found.hardware['serialNumber'];
    // A persistent application has no Device Information; it is known by the address, which the link looks for.
    if (serial === expected.value || (serial === undefined && found.mode === 'bootloader')) return undefined;
    return `serial number ${String(serial ?? 'not readable')}`;
  }
  return found.identity.kind === expected.kind && found.identity.value === expected.value
    ? undefined
    : `${found.identity.kind} ${found.identity.value}`;
}

function hasUnprintable(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x20 || code === 0x7f || code === 0xfffd) return true;
  }
  return false;
}
