/** A plain Secure DFU host for the specs of the target: written from the vendor's description, no shortcuts. */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Input, LinkInfo, Session } from '@drydock/dfu-core';
import { crc32 } from '../checksums.js';
import { SecureDfuUuid } from './gatt.js';
import { bootloaderAddressOf } from './secure-dfu-radio.js';

const { controlPoint, packet, buttonless } = SecureDfuUuid;

export const keyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  for (let left = value >>> 0; ; left >>>= 7) {
    if (left < 0x80) return [...bytes, left];
    bytes.push((left & 0x7f) | 0x80);
  }
};
const number = (field: number, value: number): number[] => [(field << 3) | 0, ...varint(value)];
const bytes = (field: number, value: Iterable<number>): number[] => {
  const list = [...value];
  return [(field << 3) | 2, ...varint(list.length), ...list];
};

export interface InitOptions {
  readonly fwVersion?: number;
  readonly hwVersion?: number;
  readonly softDevices?: readonly number[];
  readonly type?: number;
  readonly appBytes?: number;
  readonly privateKey?: KeyObject | undefined;
  readonly hash?: Uint8Array;
}

export function initPacketOf(image: Uint8Array, options: InitOptions = {}): Uint8Array {
  const digest = options.hash ?? createHash('sha256').update(image).digest();
  const init = [
    ...number(1, options.fwVersion ?? 2),
    ...number(2, options.hwVersion ?? 52),
    ...bytes(3, (options.softDevices ?? [0x0101]).flatMap(varint)),
    ...number(4, options.type ?? 0),
    ...number(5, 0),
    ...number(6, 0),
    ...number(7, options.appBytes ?? image.length),
    ...bytes(8, [...number(1, 3), ...bytes(2, [...digest].reverse())]),
    ...number(9, 0),
    ...bytes(10, [...number(1, 1), ...bytes(2, [])]),
  ];
  const command = [...number(1, 1), ...bytes(2, init)];
  const key = 'privateKey' in options ? options.privateKey : keyPair.privateKey;
  if (!key) return Uint8Array.from(bytes(1, command));
  const rs = sign('sha256', Uint8Array.from(init), { key, dsaEncoding: 'ieee-p1363' });
  const reversed = [...[...rs.subarray(0, 32)].reverse(), ...[...rs.subarray(32)].reverse()];
  return Uint8Array.from(bytes(2, [...bytes(1, command), ...number(2, 0), ...bytes(3, reversed)]));
}

export class HostError extends Error {}

/** Writes a request and waits for the answer `60 op result`; returns what follows, or throws. */
export function* request(...message: number[]): Session<Uint8Array> {
  const sent: Input = yield {
    kind: 'send',
    channel: controlPoint,
    bytes: Uint8Array.from(message),
    acknowledged: true,
    withinMs: 5000,
  };
  if (sent.kind !== 'done') throw new HostError(`write of ${message[0]}: ${JSON.stringify(sent)}`);
  const answer: Input = yield { kind: 'await', channels: [controlPoint], withinMs: 30_000 };
  if (answer.kind !== 'frame') throw new HostError(`answer to ${message[0]}: ${answer.kind}`);
  if (answer.bytes[1] !== message[0]) throw new HostError(`answer to another request: ${answer.bytes[1]}`);
  if (answer.bytes[2] !== 1) throw new HostError(`refused ${Buffer.from(answer.bytes).toString('hex')}`);
  return answer.bytes.slice(3);
}

export const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
export const readU32 = (data: Uint8Array, at: number): number =>
  new DataView(data.buffer, data.byteOffset).getUint32(at, true);

export function* packets(data: Uint8Array, unit: number): Session<void> {
  for (let at = 0; at < data.length; at += unit) {
    const sent: Input = yield {
      kind: 'send',
      channel: packet,
      bytes: data.slice(at, at + unit),
      acknowledged: false,
      withinMs: 5000,
    };
    if (sent.kind !== 'done') throw new HostError(`packet at ${at}: ${sent.kind}`);
  }
}

export function* sendInit(init: Uint8Array, unit: number): Session<void> {
  yield* request(0x06, 1);
  yield* request(0x02, 0, 0);
  yield* request(0x01, 1, ...u32(init.length));
  yield* packets(init, unit);
  const report = yield* request(0x03);
  if (readU32(report, 0) !== init.length || readU32(report, 4) !== crc32(init)) throw new HostError('init checksum');
  yield* request(0x04);
}

/** @param settleMs pause after Create: without it a fast link overruns the buffers while flash is erased. */
export function* sendImage(image: Uint8Array, unit: number, settleMs: number): Session<void> {
  const select = yield* request(0x06, 2);
  const max = readU32(select, 0);
  for (let at = readU32(select, 4); at < image.length; at += max) {
    const object = image.slice(at, at + max);
    yield* request(0x01, 2, ...u32(object.length));
    yield { kind: 'sleep', withinMs: settleMs };
    yield* packets(object, unit);
    const report = yield* request(0x03);
    const sent = crc32(image.subarray(0, at + object.length));
    if (readU32(report, 0) !== at + object.length || readU32(report, 4) !== sent) throw new HostError('data checksum');
    yield* request(0x04);
  }
}

export function* enterBootloader(link: LinkInfo): Session<LinkInfo> {
  yield { kind: 'subscribe', channel: buttonless, withinMs: 1000 };
  yield { kind: 'send', channel: buttonless, bytes: Uint8Array.of(1), acknowledged: true, withinMs: 1000 };
  const answer: Input = yield { kind: 'await', channels: [buttonless], withinMs: 2000 };
  if (answer.kind !== 'frame' || answer.bytes[2] !== 1) throw new HostError('no way into the bootloader');
  const back: Input = yield {
    kind: 'reconnect',
    as: { afterMs: 500, addresses: [bootloaderAddressOf(link.identity.value)], serviceUuid: SecureDfuUuid.service },
    withinMs: 10_000,
  };
  if (back.kind !== 'opened') throw new HostError('the bootloader was not found');
  yield { kind: 'subscribe', channel: controlPoint, withinMs: 1000 };
  return back.link;
}

export function* readText(channel: string): Session<string> {
  const answer: Input = yield { kind: 'query', channel, withinMs: 1000 };
  if (answer.kind !== 'frame') throw new HostError(`read of ${channel}: ${answer.kind}`);
  return new TextDecoder().decode(answer.bytes);
}

export interface UpdatePlan {
  readonly image: Uint8Array;
  readonly init: Uint8Array;
  readonly settleMs?: number;
}

/** Application, bootloader, image, application. @returns version strings before and after. */
export function* fullUpdate(link: LinkInfo, plan: UpdatePlan): Session<readonly string[]> {
  const before = yield* readText(SecureDfuUuid.firmwareRevision);
  const bootloader = yield* enterBootloader(link);
  const unit = Math.floor(bootloader.maxWriteBytes / 4) * 4;
  yield { kind: 'mark', step: 'touched', withinMs: 1000 };
  yield* sendInit(plan.init, unit);
  yield* sendImage(plan.image, unit, plan.settleMs ?? 100);
  const back: Input = yield {
    kind: 'reconnect',
    as: { notSameAddress: true, addresses: [link.identity.value], serviceUuid: SecureDfuUuid.deviceInformation },
    withinMs: 60_000,
  };
  if (back.kind !== 'opened') throw new HostError(`the application was not found: ${back.kind}`);
  return [before, yield* readText(SecureDfuUuid.firmwareRevision)];
}
