/**
 * How SMP is spelled: 8-byte header (big-endian), then one CBOR map.
 *
 * Wire: `res:3 version:2 op:3 | flags | length u16 | group u16 | sequence | command`, `length` without the header.
 * Targets answer with maps of indefinite length, in any order, with keys of their own and without false flags.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_protocol.rst`, `subsys/mgmt/mcumgr/smp/src/smp.c`,
 * `subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`.
 */
import { decode, encode } from 'cborg';
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import {
  type Body,
  type BootloaderModeAnswer,
  Group,
  ImageCommand,
  type ImageListAnswer,
  type ImageState,
  type Message,
  Op,
  OsCommand,
  type ParamsAnswer,
  type Refusal,
  type Request,
  SettingsCommand,
  type SlotInfo,
  type SlotInfoAnswer,
  type UploadAnswer,
} from './messages.js';

export const HEADER_BYTES = 8;
/** Header and the most that its 16-bit length can announce. */
export const MAX_MESSAGE_BYTES = HEADER_BYTES + 0xffff;
/** A list longer than this is no list of a device's slots. */
const MAX_LIST_ENTRIES = 64;

/** @returns header + payload, from the header alone; undefined while the header is incomplete. */
export function announcedLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  return HEADER_BYTES + (((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0));
}

/** @throws RangeError when the body does not fit into the 16-bit length. */
export function encodeMessage({ header, body }: Message): Uint8Array {
  const payload = encode(new Map(body), { mapSorter: keepOrder });
  if (payload.length > 0xffff) throw new RangeError(`SMP payload of ${payload.length} bytes`);
  const head = new ByteWriter()
    .u8((header.version << 3) | header.op)
    .u8(0)
    .u16be(payload.length)
    .u16be(header.group)
    .u8(header.sequence)
    .u8(header.command)
    .finish();
  const message = new Uint8Array(head.length + payload.length);
  message.set(head);
  message.set(payload, head.length);
  return message;
}

const keepOrder = (): number => 0;

/**
 * @param bytes exactly one message.
 * @throws MalformedFrameError for anything else.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes, 'SMP message');
  const first = reader.u8();
  reader.u8(); // flags: none is defined
  const length = reader.u16be();
  const header = {
    op: (first & 7) as Op,
    version: (first >> 3) & 3,
    group: reader.u16be(),
    sequence: reader.u8(),
    command: reader.u8(),
  };
  if (header.op > Op.WriteAnswer) throw new MalformedFrameError(`SMP operation ${header.op}`);
  if (reader.remaining !== length) {
    throw new MalformedFrameError(`SMP message announces ${length} bytes and carries ${reader.remaining}`);
  }
  return { header, body: length === 0 ? new Map() : decodeBody(reader.rest()) };
}

function decodeBody(payload: Uint8Array): Body {
  let value: unknown;
  try {
    value = decode(payload, { useMaps: true, allowIndefinite: true });
  } catch (cause) {
    // The library throws plain errors, and a RangeError for nesting without end.
    throw new MalformedFrameError('the payload is no CBOR', { cause });
  }
  return asMap(value, 'payload');
}

function asMap(value: unknown, what: string): Body {
  if (!(value instanceof Map)) throw new MalformedFrameError(`${what} is no map`);
  const map = new Map<string, unknown>();
  for (const [key, entry] of value as Map<unknown, unknown>) if (typeof key === 'string') map.set(key, entry);
  return map;
}

type Address = { readonly op: Op; readonly group: number; readonly command: number };

/** Where a request goes. */
export function addressOf(kind: Request['kind']): Address {
  return ADDRESSES[kind];
}

const ADDRESSES: Readonly<Record<Request['kind'], Address>> = {
  params: { op: Op.Read, group: Group.Os, command: OsCommand.Params },
  'os-info': { op: Op.Read, group: Group.Os, command: OsCommand.Info },
  'bootloader-info': { op: Op.Read, group: Group.Os, command: OsCommand.BootloaderInfo },
  echo: { op: Op.Write, group: Group.Os, command: OsCommand.Echo },
  datetime: { op: Op.Read, group: Group.Os, command: OsCommand.DateTime },
  'set-datetime': { op: Op.Write, group: Group.Os, command: OsCommand.DateTime },
  reset: { op: Op.Write, group: Group.Os, command: OsCommand.Reset },
  list: { op: Op.Read, group: Group.Image, command: ImageCommand.State },
  'set-state': { op: Op.Write, group: Group.Image, command: ImageCommand.State },
  'upload-first': { op: Op.Write, group: Group.Image, command: ImageCommand.Upload },
  'upload-next': { op: Op.Write, group: Group.Image, command: ImageCommand.Upload },
  erase: { op: Op.Write, group: Group.Image, command: ImageCommand.Erase },
  'slot-info': { op: Op.Read, group: Group.Image, command: ImageCommand.SlotInfo },
  'set-setting': { op: Op.Write, group: Group.Settings, command: SettingsCommand.Value },
  'save-settings': { op: Op.Write, group: Group.Settings, command: SettingsCommand.Save },
};

/** @returns the whole message. Containers have definite length, integers are as short as they can be. */
export function encodeRequest(request: Request, version: number, sequence: number): Uint8Array {
  return encodeMessage({ header: { ...addressOf(request.kind), version, sequence }, body: bodyOf(request) });
}

function bodyOf(request: Request): Map<string, unknown> {
  switch (request.kind) {
    case 'os-info':
      return new Map([['format', request.format]]);
    case 'bootloader-info':
      return fields([['query', request.query]]);
    case 'echo':
      return new Map([['d', request.text]]);
    case 'set-datetime':
      return new Map([['datetime', request.text]]);
    case 'reset':
      return fields([
        ['force', request.force],
        ['boot_mode', request.bootMode],
      ]);
    case 'set-setting':
      return new Map<string, unknown>([
        ['name', request.name],
        ['val', request.value],
      ]);
    case 'set-state':
      // "Confirm what runs" is spelled with the flag alone.
      return fields([
        ['hash', request.hash],
        ['confirm', request.confirm],
      ]);
    case 'upload-first':
      return fields([
        ['data', request.data],
        ['len', request.totalBytes],
        ['off', 0],
        ['sha', request.sha],
        ['image', request.image],
        ['upgrade', request.upgrade],
      ]);
    case 'upload-next':
      return new Map<string, unknown>([
        ['data', request.data],
        ['off', request.offset],
      ]);
    case 'erase':
      return fields([['slot', request.slot]]);
    case 'params':
    case 'datetime':
    case 'list':
    case 'slot-info':
    case 'save-settings':
      return new Map();
  }
}

function fields(entries: readonly (readonly [string, unknown])[]): Map<string, unknown> {
  return new Map(entries.filter(([, value]) => value !== undefined));
}

/**
 * The refusal in an answer: a group error of version 2, or an `rc` that is not 0.
 * @returns undefined for success, with or without `rc: 0`.
 */
export function decodeRefusal(body: Body): Refusal | undefined {
  const err = body.get('err');
  if (err !== undefined) {
    const map = asMap(err, 'err');
    return { group: uint(map, 'group'), code: uint(map, 'rc') };
  }
  if (!body.has('rc')) return undefined;
  const code = uint(body, 'rc');
  if (code === 0) return undefined;
  const reason = body.get('rsn');
  return { code, ...(typeof reason === 'string' && { reason }) };
}

/** @throws MalformedFrameError when a number is missing or cannot be a buffer. */
export function decodeParams(body: Body): ParamsAnswer {
  const bufferBytes = uint(body, 'buf_size');
  const bufferCount = uint(body, 'buf_count');
  if (bufferBytes < 2 * HEADER_BYTES || bufferCount < 1) {
    throw new MalformedFrameError(`${bufferCount} buffers of ${bufferBytes} bytes`);
  }
  return { bufferBytes, bufferCount };
}

export function decodeOsInfo(body: Body): string {
  return text(body, 'output');
}

export function decodeEcho(body: Body): string {
  return text(body, 'r');
}

export function decodeDatetime(body: Body): string {
  return text(body, 'datetime');
}

/** nRF Connect SDK: which of the two copies of MCUboot runs. */
export function decodeActiveB0Slot(body: Body): number {
  return uint(body, 'active');
}

export function decodeBootloaderName(body: Body): string {
  return text(body, 'bootloader');
}

export function decodeBootloaderMode(body: Body): BootloaderModeAnswer {
  const mode = body.get('mode');
  if (typeof mode !== 'number' || !Number.isInteger(mode)) throw new MalformedFrameError('mode is no integer');
  return { mode, noDowngrade: body.get('no-downgrade') === true };
}

export function decodeImageList(body: Body): ImageListAnswer {
  const images = list(body, 'images').map((entry): ImageState => {
    const map = asMap(entry, 'image');
    const version = map.get('version');
    const hash = map.get('hash');
    if (hash !== undefined && !(hash instanceof Uint8Array)) throw new MalformedFrameError('hash is no byte string');
    const flag = (key: string): boolean => map.get(key) === true;
    return {
      image: map.has('image') ? uint(map, 'image') : 0,
      slot: uint(map, 'slot'),
      ...(typeof version === 'string' && { version: version.slice(0, 64) }),
      ...(hash instanceof Uint8Array && { hash: toHex(hash.subarray(0, 64)) }),
      bootable: flag('bootable'),
      pending: flag('pending'),
      confirmed: flag('confirmed'),
      active: flag('active'),
      permanent: flag('permanent'),
    };
  });
  const splitStatus = body.get('splitStatus');
  return { images, ...(typeof splitStatus === 'number' && { splitStatus }) };
}

export function decodeUploadAnswer(body: Body): UploadAnswer {
  const match = body.get('match');
  return { offset: uint(body, 'off'), ...(typeof match === 'boolean' && { match }) };
}

export function decodeSlotInfo(body: Body): SlotInfoAnswer {
  const slots: SlotInfo[] = [];
  const maxImageBytes = new Map<number, number>();
  for (const entry of list(body, 'images')) {
    const map = asMap(entry, 'image');
    const image = map.has('image') ? uint(map, 'image') : 0;
    if (map.has('max_image_size')) maxImageBytes.set(image, uint(map, 'max_image_size'));
    for (const slotEntry of list(map, 'slots')) {
      const slot = asMap(slotEntry, 'slot');
      slots.push({
        image,
        slot: uint(slot, 'slot'),
        ...(slot.has('size') && { sizeBytes: uint(slot, 'size') }),
        ...(slot.has('upload_image_id') && { uploadImage: uint(slot, 'upload_image_id') }),
      });
    }
  }
  return { slots, maxImageBytes };
}

function uint(body: Body, key: string): number {
  const value = body.get(key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedFrameError(`${key} is no unsigned integer`);
  }
  return value;
}

function text(body: Body, key: string): string {
  const value = body.get(key);
  if (typeof value !== 'string') throw new MalformedFrameError(`${key} is no text`);
  return value.slice(0, 256);
}

function list(body: Body, key: string): readonly unknown[] {
  const value: unknown = body.get(key);
  if (!Array.isArray(value)) throw new MalformedFrameError(`${key} is no list`);
  if (value.length > MAX_LIST_ENTRIES) throw new MalformedFrameError(`${key} has ${value.length} entries`);
  return value as readonly unknown[];
}
