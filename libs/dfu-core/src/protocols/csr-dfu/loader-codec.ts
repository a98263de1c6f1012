/**
 * The one replaceable part: which bytes the loader's requests are on the DFU channel, and how the running firmware hands
 * over to the loader. CSR's "DFU Protocol Specification" is not public; whoever has it (by licence, or from a capture of
 * his own module) writes a package that exports a `LoaderCodec`, and names it in the gateway's site file. See README.md.
 *
 * Requests, states and status codes are public: they are those of USB DFU.
 * Source: BlueZ, tools/dfu.h, tools/dfutool.c; USB Device Firmware Upgrade 1.1; fwupd, plugins/dfu-csr.
 */
import type { BcspDatagram } from '../../framing/bcsp/engine.js';
import type { LineSettings } from '../../session/session.js';

export type LoaderRequest =
  | { readonly request: 'detach'; readonly timeoutMs: number }
  | { readonly request: 'dnload'; readonly block: number; readonly bytes: Uint8Array }
  | { readonly request: 'get-status' }
  | { readonly request: 'clear-status' }
  | { readonly request: 'get-state' }
  | { readonly request: 'abort' }
  /** Leave the loader; where `exit` is `request`. */
  | { readonly request: 'reset' };

export interface LoaderResponse {
  /** What it answers. */
  readonly request: LoaderRequest['request'];
  /** The device refused the request, and is in `dfuERROR`. */
  readonly isStalled: boolean;
  /** The status block (6 bytes), the state (1 byte), or nothing. */
  readonly data: Uint8Array;
}

export interface LoaderCodec {
  /** Shown to people. */
  readonly id: string;
  /** `reference-sim` is for simulated units alone: it is refused on any other port. */
  readonly provenance: 'licensed' | 'capture' | 'reference-sim';
  /** Firmware bytes of one block, at most. Default 1023. */
  readonly maxBlockBytes?: number;
  encode(request: LoaderRequest): readonly BcspDatagram[];
  /** @returns undefined for what is no response. May throw `MalformedFrameError`: treated alike. */
  decode(datagram: BcspDatagram): LoaderResponse | undefined;
  readonly handover: {
    /** The link is established anew with the loader after `detach`. */
    readonly isNewLink: boolean;
    /** Line settings of the loader where they differ. Default 115200 8E1, as before. */
    readonly line?: LineSettings;
    readonly timeoutMs: number;
  };
  /** How the loader is left: by its own request, by the BCCMD cold reset, or only by the reset pin or the power. */
  readonly exit: 'request' | 'bccmd-cold-reset' | 'hardware-reset';
}

export const DEFAULT_BLOCK_BYTES = 1023;
/** BCSP carries 4095; a codec needs room for its own header. */
const MAX_BLOCK_BYTES = 4_000;
const MAX_HANDOVER_MS = 60_000;

/**
 * Checks what a plug-in package exports.
 * @returns what is wrong with it; undefined when it can be used.
 */
export function loaderCodecFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is no object';
  const codec = value as Partial<Record<keyof LoaderCodec, unknown>>;
  if (typeof codec.id !== 'string' || !/^[\w.@/-]{1,64}$/.test(codec.id)) return 'id is no short name';
  if (!['licensed', 'capture', 'reference-sim'].includes(codec.provenance as string)) {
    return 'provenance is none of licensed, capture, reference-sim';
  }
  const block = codec.maxBlockBytes;
  if (block !== undefined && !(Number.isInteger(block) && Number(block) > 0 && Number(block) <= MAX_BLOCK_BYTES)) {
    return `maxBlockBytes is no number from 1 to ${MAX_BLOCK_BYTES}`;
  }
  if (typeof codec.encode !== 'function' || typeof codec.decode !== 'function')
    return 'encode or decode is no function';
  const handover = codec.handover as Partial<LoaderCodec['handover']> | undefined;
  if (typeof handover !== 'object' || handover === null) return 'handover is missing';
  if (typeof handover.isNewLink !== 'boolean') return 'handover.isNewLink is neither true nor false';
  const within = handover.timeoutMs;
  if (typeof within !== 'number' || !(within > 0 && within <= MAX_HANDOVER_MS)) {
    return `handover.timeoutMs is no number up to ${MAX_HANDOVER_MS}`;
  }
  const baud = handover.line?.baud;
  if (handover.line !== undefined && !(Number.isInteger(baud) && Number(baud) > 0)) return 'handover.line has no baud';
  if (!['request', 'bccmd-cold-reset', 'hardware-reset'].includes(codec.exit as string)) {
    return 'exit is none of request, bccmd-cold-reset, hardware-reset';
  }
  return undefined;
}
