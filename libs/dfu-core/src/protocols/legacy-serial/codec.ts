/**
 * Nordic's legacy DFU over a UART: how it is spelled. All numbers little-endian.
 *
 * Packet: four bytes of header, payload, CRC-16 over both; then SLIP.
 *
 *     byte 0   sequence number (3 bits), acknowledgement (3), data integrity check (1), reliable (1)
 *     byte 1   packet type 14 (low nibble), length bits 0-3
 *     byte 2   length bits 4-11
 *     byte 3   makes the sum of all four 0
 *
 * An acknowledgement is a header of type 0 alone: its number is the one that is expected next.
 *
 * Source: nRF5 SDK 11, components/libraries/hci/hci_transport.c; Adafruit_nRF52_nrfutil, nordicsemi/dfu/util.py.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { InvariantError, MalformedFrameError } from '../../errors.js';
import { crc16CcittFalse } from '../../framing/crc16-ccitt-false.js';
import { type Message, PacketType, SEQUENCE_NUMBERS } from './messages.js';
import { encodeSlip } from '../../framing/slip.js';

const VENDOR_PACKET = 14;
const ACK_PACKET = 0;
const INTEGRITY_FLAG = 0x40;
const RELIABLE_FLAG = 0x80;
const MAX_PAYLOAD_BYTES = 0xfff;

/** @returns the payload of a packet. An init packet is followed by zeros up to whole words, as targets count in words. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new ByteWriter().u32le(message.type);
  switch (message.type) {
    case PacketType.Start:
      return writer
        .u32le(message.mode)
        .u32le(message.softdeviceBytes)
        .u32le(message.bootloaderBytes)
        .u32le(message.applicationBytes)
        .finish();
    case PacketType.Init: {
      writer.bytes(message.initPacket);
      for (let length = message.initPacket.length; length % 4 !== 0; length++) writer.u8(0);
      return writer.finish();
    }
    case PacketType.Data:
      return writer.bytes(message.bytes).finish();
    case PacketType.Stop:
    case PacketType.Invalid:
      return writer.finish();
  }
}

/**
 * @param sequenceNumber 0 to 7.
 * @returns the bytes for the line.
 */
export function encodePacket(sequenceNumber: number, payload: Uint8Array): Uint8Array {
  if (payload.length > MAX_PAYLOAD_BYTES) throw new InvariantError(`a payload of ${payload.length} bytes`);
  const acknowledgement = (sequenceNumber + 1) % SEQUENCE_NUMBERS;
  const first = sequenceNumber | (acknowledgement << 3) | INTEGRITY_FLAG | RELIABLE_FLAG;
  const second = VENDOR_PACKET | ((payload.length & 0x0f) << 4);
  const third = payload.length >>> 4;
  const packet = new ByteWriter()
    .u8(first)
    .u8(second)
    .u8(third)
    .u8(-(first + second + third))
    .bytes(payload)
    .finish();
  return encodeSlip(new ByteWriter().bytes(packet).u16le(crc16CcittFalse(packet)).finish());
}

/**
 * @param frame what stood between two ENDs, unescaped.
 * @returns the sequence number that the target expects next.
 * @throws MalformedFrameError when it is no acknowledgement.
 */
export function decodeAcknowledgement(frame: Uint8Array): number {
  const reader = new ByteReader(frame, 'acknowledgement');
  const [first, second, third, check] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  reader.expectEnd();
  if (((first + second + third + check) & 0xff) !== 0) {
    throw new MalformedFrameError('acknowledgement: its header checksum is wrong');
  }
  if ((second & 0x0f) !== ACK_PACKET || (second >>> 4) + third !== 0) {
    throw new MalformedFrameError(`acknowledgement: a packet of type ${second & 0x0f}`);
  }
  return (first >>> 3) & 0x07;
}
