/**
 * Link-layer procedures that the host starts on a connection; each ends with an event.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 7.8.18, 7.8.21, 7.8.24, 7.8.33, 7.8.49; Vol 6 Part B, 5.1.
 */
import type { CompleteOptions } from './controller-options.js';
import { encodeEncryptionChange, encodeKeyRefresh, LeEvent, Status } from './hci-wire.js';
import type { HostedPeripheral } from './hosted-peripheral.js';
import { DEFAULT_LINK_PAYLOAD, type LinkConnection } from './link-connection.js';
import { decodeLinkParameters, lengthAndTime, writeLinkParameters } from './link-parameters.js';

interface Subject {
  readonly handle: number;
  readonly link: LinkConnection;
  readonly hosted: HostedPeripheral;
}

export interface ProcedureContext {
  readonly options: CompleteOptions;
  leEvent(subcode: number, parameters: Uint8Array): void;
  /** Any other event, whole. */
  event(packet: Buffer): void;
}

/** @returns false when the parameters break the rules. */
export function updateConnection({ handle, link }: Subject, parameters: Buffer, context: ProcedureContext): boolean {
  const wanted = decodeLinkParameters(parameters, 2);
  if (!wanted) return false;
  link.control(12, true, () => {
    link.parameters = { ...wanted, supervisionMs: context.options.supervisionMs ?? wanted.supervisionMs };
    const body = Buffer.alloc(9);
    body.writeUInt16LE(handle, 1);
    writeLinkParameters(body, 3, wanted);
    context.leEvent(LeEvent.ConnectionUpdateComplete, body);
  });
  return true;
}

export function readRemoteFeatures({ handle, link, hosted }: Subject, _: Buffer, context: ProcedureContext): boolean {
  const long = hosted.peripheral.maxLinkPayloadBytes > DEFAULT_LINK_PAYLOAD;
  const bits = (long ? 0x20 : 0) | (hosted.phy2m ? 0x100 : 0);
  const body = Buffer.from([0, handle & 0xff, handle >> 8, bits & 0xff, bits >> 8, 0, 0, 0, 0, 0, 0]);
  link.control(9, false, () => context.leEvent(LeEvent.ReadRemoteFeaturesComplete, body));
  return true;
}

/** Both directions at once: the smallest of what host, controller and peripheral want. */
export function setDataLength({ handle, link, hosted }: Subject, octets: number, context: ProcedureContext): void {
  const own = context.options.maxLinkPayloadBytes;
  if (own <= DEFAULT_LINK_PAYLOAD) return;
  const agreed = Math.max(DEFAULT_LINK_PAYLOAD, Math.min(octets, own, hosted.peripheral.maxLinkPayloadBytes));
  link.control(9, false, () => {
    const changed = link.maxToDevice !== agreed;
    link.maxToDevice = agreed;
    link.maxToHost = agreed;
    if (!changed) return;
    const limits = lengthAndTime(agreed);
    const body = Buffer.concat([Buffer.from([handle & 0xff, handle >> 8]), limits, limits]);
    context.leEvent(LeEvent.DataLengthChange, body);
  });
}

export function setPhy({ handle, link, hosted }: Subject, parameters: Buffer, context: ProcedureContext): boolean {
  const wants2m = (parameters.readUInt8(3) & 2) !== 0 && (parameters.readUInt8(4) & 2) !== 0;
  const phy = wants2m && context.options.phy2m && hosted.phy2m ? 2 : 1;
  link.control(5, true, () => {
    link.phy = phy;
    context.leEvent(LeEvent.PhyUpdateComplete, Buffer.from([0, handle & 0xff, handle >> 8, phy, phy]));
  });
  return true;
}

/** The peripheral is asked for its key; two different ones end the link, as a failed integrity check does. */
export function enableEncryption(
  { handle, link, hosted }: Subject,
  parameters: Buffer,
  context: ProcedureContext,
): boolean {
  if (parameters.length !== 28) return false;
  const rand = Buffer.from(parameters.subarray(2, 10));
  const ediv = parameters.readUInt16LE(10);
  const ltk = Buffer.from(parameters.subarray(12, 28));
  // LL_ENC_REQ has 23 bytes.
  link.control(23, false, () => {
    const started = hosted.connected?.security.startEncryption(rand, ediv, ltk) ?? 'key-missing';
    if (started === 'wrong-key') return link.end(Status.IntegrityCheckFailed);
    if (started === 'refreshed') return context.event(encodeKeyRefresh(Status.Success, handle));
    context.event(encodeEncryptionChange(started === 'encrypted' ? Status.Success : Status.PinOrKeyMissing, handle));
  });
  return true;
}
