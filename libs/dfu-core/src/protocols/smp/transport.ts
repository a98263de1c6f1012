/**
 * SMP messages over each kind of link: cut for sending, put together when receiving.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_transport.rst`, `subsys/mgmt/mcumgr/transport/src/smp_bt.c`,
 * `smp_reassembly.c`, `smp_raw_uart.c`, `serial_util.c`.
 */
import {
  CONSOLE_MAX_MESSAGE_BYTES,
  CONSOLE_PACKET_OVERHEAD,
  ConsoleAssembler,
  encodeConsolePacket,
} from '../../framing/smp-console.js';
import { type Channel, type LinkInfo, SERIAL_CHANNEL, UDP_CHANNEL } from '../../session/session.js';
import { announcedLength, HEADER_BYTES, MAX_MESSAGE_BYTES } from './codec.js';
import type { ParamsAnswer } from './messages.js';

export const SMP_SERVICE: Channel = '8d53dc1d1db74cd3868b8a527460aa84';
export const SMP_CHARACTERISTIC: Channel = 'da2e7828fbce4e01ae9e261174997c48';

/** Zephyr's default buffer, for servers that do not state theirs; less than any known MCUboot recovery takes. */
const DEFAULT_BUFFER_BYTES = 384;

export type TransportEvent =
  { readonly kind: 'message'; readonly bytes: Uint8Array } | { readonly kind: 'damaged'; readonly detail: string };

export interface SmpTransport {
  readonly channel: Channel;
  /** Pieces for one `send` each, in order. */
  cut(message: Uint8Array): readonly Uint8Array[];
  /** Takes what the link delivered. */
  push(bytes: Uint8Array): readonly TransportEvent[];
  /** Forgets a message whose rest will not come. */
  clear(): void;
  /** Longest message that the target takes. */
  longestMessage(params: ParamsAnswer | undefined): number;
  /** Requests that may be under way at once. */
  window(params: ParamsAnswer | undefined): number;
  /** Silence that makes the target forget a partial message. */
  readonly settleMs: number;
}

/** One buffer of the target is kept free for its answer. */
function sharedBuffers(params: ParamsAnswer | undefined): number {
  return params ? Math.max(1, params.bufferCount - 1) : 1;
}

function pieces(bytes: Uint8Array, longest: number): Uint8Array[] {
  const size = Math.max(1, longest);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** Puts messages together by the length in their header; a stream without markers cannot find back by itself. */
class LengthAssembler {
  #held = new Uint8Array();

  push(bytes: Uint8Array): TransportEvent[] {
    const events: TransportEvent[] = [];
    let held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    for (
      let length = announcedLength(held);
      length !== undefined && held.length >= length;
      length = announcedLength(held)
    ) {
      events.push({ kind: 'message', bytes: held.slice(0, length) });
      held = held.slice(length);
    }
    this.#held = held.length > MAX_MESSAGE_BYTES ? new Uint8Array() : held;
    return events;
  }

  clear(): void {
    this.#held = new Uint8Array();
  }
}

function consoleTransport(link: LinkInfo): SmpTransport {
  const assembler = new ConsoleAssembler();
  return {
    channel: SERIAL_CHANNEL,
    cut: (message) => pieces(encodeConsolePacket(message), link.maxWriteBytes),
    push: (bytes) => assembler.push(bytes),
    clear: () => assembler.clear(),
    // Length and CRC pass through the same buffer as the message.
    longestMessage: (params) =>
      Math.min((params?.bufferBytes ?? DEFAULT_BUFFER_BYTES) - CONSOLE_PACKET_OVERHEAD, CONSOLE_MAX_MESSAGE_BYTES),
    window: sharedBuffers,
    settleMs: 0,
  };
}

function rawTransport(link: LinkInfo): SmpTransport {
  const assembler = new LengthAssembler();
  return {
    channel: SERIAL_CHANNEL,
    cut: (message) => pieces(message, link.maxWriteBytes),
    push: (bytes) => assembler.push(bytes),
    clear: () => assembler.clear(),
    longestMessage: (params) => Math.min(params?.bufferBytes ?? DEFAULT_BUFFER_BYTES, MAX_MESSAGE_BYTES),
    // Bytes beyond the announced length make the target drop its buffer.
    window: () => 1,
    settleMs: 3500,
  };
}

function bleTransport(link: LinkInfo): SmpTransport {
  const assembler = new LengthAssembler();
  return {
    channel: SMP_CHARACTERISTIC,
    cut: (message) => pieces(message, link.maxWriteBytes),
    push: (bytes) => assembler.push(bytes),
    clear: () => assembler.clear(),
    // Servers that do not state their buffers are built without reassembly: one write, one message.
    longestMessage: (params) => Math.min(params?.bufferBytes ?? link.maxWriteBytes, MAX_MESSAGE_BYTES),
    window: sharedBuffers,
    settleMs: 0,
  };
}

function udpTransport(link: LinkInfo): SmpTransport {
  return {
    channel: UDP_CHANNEL,
    cut: (message) => [message],
    push: (bytes) =>
      bytes.length >= HEADER_BYTES
        ? [{ kind: 'message', bytes }]
        : [{ kind: 'damaged', detail: `a datagram of ${bytes.length} bytes` }],
    clear: () => undefined,
    longestMessage: (params) => Math.min(params?.bufferBytes ?? DEFAULT_BUFFER_BYTES, link.maxWriteBytes),
    window: sharedBuffers,
    settleMs: 0,
  };
}

/** @param options of the link's spelling: `framing` is `console` (default) or `raw`, on a UART. */
export function openTransport(link: LinkInfo, options: Readonly<Record<string, string>>): SmpTransport {
  if (link.kind === 'ble') return bleTransport(link);
  if (link.kind === 'udp') return udpTransport(link);
  return options['framing'] === 'raw' ? rawTransport(link) : consoleTransport(link);
}
