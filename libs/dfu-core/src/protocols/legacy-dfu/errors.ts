/**
 * What a refusal of a Legacy DFU target means, and the sentence it deserves. The target has six numbers for everything,
 * so the request and the file tell more than the number.
 *
 * Source: nRF5 SDK 11, dfu_transport_ble.c (how errors become numbers), dfu_dual_bank.c and dfu_init_template.c (what
 * raises them).
 */
import { DrydockError, TargetRefusedError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { Opcode, Status } from './messages.js';

const REQUESTS: Readonly<Record<number, string>> = {
  [Opcode.Start]: 'start',
  [Opcode.Init]: 'init packet',
  [Opcode.ReceiveImage]: 'image',
  [Opcode.Validate]: 'validate',
  [Opcode.Activate]: 'activate',
  [Opcode.Reset]: 'reset',
  [Opcode.ReportReceived]: 'report of received bytes',
  [Opcode.SetReceipts]: 'packet receipts',
};

const STATUSES: Readonly<Record<number, string>> = {
  [Status.InvalidState]: 'it does not expect this now: an earlier transfer was left half done',
  [Status.NotSupported]: 'it does not know this',
  [Status.DataSize]: 'the data is longer than announced, or than its flash',
  [Status.CrcError]: 'what it received has another checksum',
  [Status.OperationFailed]: 'it could not carry it out',
};

/** @returns the error to end with; `target.refused*` carry `request`, `result` and `detail`. */
export function statusError(request: number, status: number, artifact: ArtifactDescription): DrydockError {
  const name = REQUESTS[request] ?? `opcode ${request}`;
  const usual = STATUSES[status] ?? 'a status that no document names';
  switch (request) {
    case Opcode.Start:
      if (status === Status.NotSupported) {
        return new TargetRefusedError(name, status, unsupportedStart(artifact), 'target.refused-image');
      }
      if (status === Status.DataSize) {
        const detail = `the image (${sizesOf(artifact)}) is larger than the bank it would go to`;
        return new DrydockError('target.no-memory', { detail, request: name, result: status });
      }
      break;
    case Opcode.Init:
      if (status === Status.OperationFailed) {
        return new TargetRefusedError(name, status, rejectedInit(artifact), 'target.refused-image');
      }
      break;
    case Opcode.ReceiveImage:
      if (status === Status.OperationFailed) {
        return new TargetRefusedError(name, status, 'packets came faster than it could store them');
      }
      if (status === Status.NotSupported) {
        return new TargetRefusedError(name, status, 'a packet was no whole number of words');
      }
      break;
    case Opcode.Validate:
      if (status === Status.CrcError) {
        const detail =
          'what lies in its flash does not match the init packet, each time it was sent: ' +
          'the bootloader may read another kind of init packet than this file has';
        return new TargetRefusedError(name, status, detail, 'target.refused-image');
      }
      break;
    default:
      break;
  }
  return new TargetRefusedError(name, status, usual);
}

function sizesOf(artifact: ArtifactDescription): string {
  return artifact.images.map(({ kind, sizeBytes }) => `${kind} of ${sizeBytes} bytes`).join(', ');
}

function unsupportedStart(artifact: ArtifactDescription): string {
  const hasSystem = artifact.images.some(({ kind }) => kind !== 'application');
  return hasSystem
    ? 'its bootloader does not replace SoftDevice or bootloader (nRF5 SDK 6.0 and older), or not this combination'
    : 'its bootloader does not take this form of start, or the size is no whole number of words';
}

/** The bootloader says "failed" whatever the reason; the file tells which conditions it had to meet. */
function rejectedInit(artifact: ArtifactDescription): string {
  const { deviceType, deviceRevision, sdReq } = artifact.hardware;
  const conditions = [
    deviceType === undefined ? undefined : `device type ${deviceType}`,
    deviceRevision === undefined ? undefined : `device revision ${deviceRevision}`,
    sdReq === undefined ? undefined : `SoftDevice ${sdReq}`,
    artifact.signatures.length > 0 ? 'a signature by the key it was built with' : undefined,
  ].filter((each) => each !== undefined);
  const wants = conditions.length === 0 ? 'no condition, so it wants a signature or a type' : conditions.join(', ');
  return `the file is not meant for it, as its bootloader says: the init packet names ${wants}`;
}
