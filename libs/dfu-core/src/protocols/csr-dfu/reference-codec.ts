/**
 * The form of Drydock's own for simulated units. It is **not** CSR's: no module understands it.
 *
 *     request    number u8, value u16, length u16, data
 *     response   number + 0x80 u8, result u8 (1: stalled), length u16, data
 *
 * Little-endian, channel 12, reliable. Numbers are those of USB DFU; 0x7f is the reset, which is not answered.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import type { BcspDatagram } from '../../framing/bcsp/engine.js';
import { BcspChannel } from '../../framing/bcsp/packet.js';
import type { LoaderCodec, LoaderRequest, LoaderResponse } from './loader-codec.js';

const NUMBERS: Readonly<Record<LoaderRequest['request'], number>> = {
  detach: 0,
  dnload: 1,
  'get-status': 3,
  'clear-status': 4,
  'get-state': 5,
  abort: 6,
  reset: 0x7f,
};
const RESPONSE_FLAG = 0x80;
const STATUS_BYTES = 6;

function encode(request: LoaderRequest): readonly BcspDatagram[] {
  const number = NUMBERS[request.request];
  const data = request.request === 'dnload' ? request.bytes : new Uint8Array();
  const value = request.request === 'dnload' ? request.block : request.request === 'detach' ? request.timeoutMs : 0;
  const length = request.request === 'get-status' ? STATUS_BYTES : request.request === 'get-state' ? 1 : data.length;
  const bytes = new ByteWriter().u8(number).u16le(value).u16le(length).bytes(data).finish();
  return [{ channel: BcspChannel.Dfu, isReliable: true, bytes }];
}

/** @throws MalformedFrameError when a response is cut short. */
function decode({ channel, bytes }: BcspDatagram): LoaderResponse | undefined {
  if (channel !== BcspChannel.Dfu) return undefined;
  const reader = new ByteReader(bytes, 'response of the loader');
  const number = reader.u8();
  const result = reader.u8();
  const data = reader.take(reader.u16le());
  reader.expectEnd();
  for (const [request, known] of Object.entries(NUMBERS)) {
    if (number === (known | RESPONSE_FLAG)) {
      return { request: request as LoaderRequest['request'], isStalled: result !== 0, data };
    }
  }
  return undefined;
}

export const referenceLoaderCodec: LoaderCodec = {
  id: 'drydock-reference-sim',
  provenance: 'reference-sim',
  maxBlockBytes: 1023,
  encode,
  decode,
  handover: { isNewLink: true, timeoutMs: 10_000 },
  exit: 'request',
};
