/**
 * The UART under a BGAPI conversation: which framing and speed are in force now, commands out, packets in.
 */
import { DrydockError, LinkError } from '../../errors.js';
import { type LineSettings, SERIAL_CHANNEL, type Session } from '../../session/session.js';
import type { Talk } from '../silabs/talk.js';
import { decodePacket, encodePacket } from './codec.js';
import { frame, PacketFinder } from './framing.js';
import { type Dialect, DIALECTS, type Framing, type Generation, type MessageName, type Packet } from './messages.js';

/** Pieces that bring no awaited packet; more of them in a row than this is noise. */
const MAX_STRAY_PIECES = 512;

/** Longer than a few bytes need at the slowest speeds in use. */
const DRAIN_MS = 20;
const DEFAULT_BAUD = 115_200;

export interface PortOptions {
  readonly generation: Generation;
  readonly framing: Framing;
  readonly bootloaderFraming: Framing;
  readonly applicationLine: LineSettings;
  readonly bootloaderLine: LineSettings;
}

/**
 * From the link's spelling: `generation=efr32|bt12x|ble11x`, `framing=plain|packet|robust` of the application,
 * `bootframing=packet` and `bootbaud=N` of the bootloader.
 * @throws DrydockError `request.invalid`; `target.wrong-kind` where the option `application` says that behind this
 * application lies a bootloader of another kind.
 */
export function readPortOptions(options: Readonly<Record<string, string>>): PortOptions {
  if (options['application'] !== undefined) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'unit with a BGAPI bootloader',
      detail: 'the option application is for units whose bootloader prints a menu (gecko-xmodem)',
    });
  }
  const oneOf = <T extends string>(key: string, allowed: readonly T[], usual: T): T => {
    const value = options[key] ?? usual;
    const found = allowed.find((each) => each === value);
    if (found === undefined) {
      throw new DrydockError('request.invalid', { detail: `${key}=${value}: one of ${allowed.join(', ')}` });
    }
    return found;
  };
  const baudOf = (key: string, usual: number): number => {
    const baud = Number(options[key] ?? usual);
    if (!Number.isInteger(baud) || baud < 50 || baud > 12_000_000) {
      throw new DrydockError('request.invalid', { detail: `${key}=${options[key]} is no baud rate` });
    }
    return baud;
  };
  const baud = baudOf('baud', DEFAULT_BAUD);
  return {
    generation: oneOf('generation', ['efr32', 'bt12x', 'ble11x'], 'efr32'),
    framing: oneOf('framing', ['plain', 'packet', 'robust'], 'plain'),
    bootloaderFraming: oneOf('bootframing', ['plain', 'packet'], 'plain'),
    applicationLine: { baud },
    bootloaderLine: { baud: baudOf('bootbaud', baud) },
  };
}

export class BgapiPort {
  readonly dialect: Dialect;
  #side: 'application' | 'bootloader' = 'application';
  #finder: PacketFinder;
  readonly #waiting: Packet[] = [];

  constructor(
    readonly talk: Talk,
    readonly options: PortOptions,
  ) {
    this.dialect = DIALECTS[options.generation];
    this.#finder = this.#newFinder();
  }

  get side(): 'application' | 'bootloader' {
    return this.#side;
  }

  /** From now on the other one is spoken to: its speed and framing. */
  *speakTo(side: 'application' | 'bootloader'): Session<void> {
    const { applicationLine, bootloaderLine } = this.options;
    this.#side = side;
    this.clear();
    yield* this.talk.setLine(side === 'application' ? applicationLine : bootloaderLine, applicationLine);
  }

  /** Forgets what was heard. */
  clear(): void {
    this.#finder = this.#newFinder();
    this.#waiting.length = 0;
  }

  /** Throws away what was said so far: an event from before a reset is not the one after it. */
  *drain(): Session<void> {
    for (let strays = 0; strays < MAX_STRAY_PIECES; strays++) {
      if (!(yield* this.talk.receive(SERIAL_CHANNEL, DRAIN_MS))) break;
    }
    this.clear();
  }

  *send(name: MessageName, payload?: Uint8Array): Session<void> {
    yield* this.sendBytes(encodePacket(this.dialect, name, payload));
  }

  /** @param packet a whole one, without framing. */
  *sendBytes(packet: Uint8Array): Session<void> {
    yield* this.talk.send(SERIAL_CHANNEL, frame(packet, this.#framing));
  }

  /**
   * The next packet of one of these names; others are dropped.
   * @returns undefined when none came within the time after the last byte.
   */
  *next(names: readonly MessageName[], withinMs: number): Session<Packet | undefined> {
    for (let strays = 0; strays < MAX_STRAY_PIECES; strays++) {
      for (let packet = this.#waiting.shift(); packet; packet = this.#waiting.shift()) {
        if (!names.some((name) => isNamed(packet, name))) continue;
        yield* this.talk.heardAnswer();
        return packet;
      }
      const bytes = yield* this.talk.receive(SERIAL_CHANNEL, withinMs);
      if (!bytes) {
        this.#finder.reset();
        return undefined;
      }
      this.#waiting.push(...this.#finder.push(bytes).map(decodePacket));
    }
    throw new LinkError('link.corrupt', { detail: 'the line is busy with something that is no BGAPI' });
  }

  /** A question to an application; silence and refusals are both no answer. */
  *ask(name: MessageName, withinMs: number, tries = 1): Session<Packet | undefined> {
    for (let attempt = 0; attempt < tries; attempt++) {
      yield* this.send(name);
      const answer = yield* this.next([name], withinMs);
      if (answer) return answer;
    }
    return undefined;
  }

  get #framing(): Framing {
    const { framing, bootloaderFraming } = this.options;
    return this.#side === 'application' ? framing : bootloaderFraming;
  }

  #newFinder(): PacketFinder {
    const names = Object.values(this.dialect).filter((value): value is MessageName => typeof value === 'object');
    // Packet mode adds its byte only towards the module.
    return new PacketFinder(this.dialect, this.#framing === 'robust' ? 'robust' : 'plain', names);
  }
}

export function isNamed(packet: Packet, name: MessageName): boolean {
  return packet.isEvent === name.isEvent && packet.classId === name.classId && packet.id === name.id;
}
