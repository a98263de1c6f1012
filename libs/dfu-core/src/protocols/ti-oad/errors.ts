/**
 * Status codes of TI OAD targets, and the sentence and code that each deserves.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `oad.h`; TI low-power F3 SDK, `oad_profile.c`; TI BLE5-Stack User's Guide,
 * "BLE-Stack OAD Profile".
 */
import { ArtifactError, DrydockError, TargetRefusedError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { Status } from './messages.js';

/** Which request a status belongs to. */
export type Doing = 'identify' | 'start' | 'block' | 'enable';

const SENTENCES: Readonly<Record<number, string>> = {
  [Status.Validation]: 'the stored image does not have the checksum that its header names',
  [Status.Flash]: 'its flash could not be opened, erased or written',
  [Status.BufferOverflow]: 'a block did not come in order, or with another length than announced',
  [Status.AlreadyStarted]: 'another update is under way there',
  [Status.NotStarted]: 'it knows of no update: its 10 s without a block ran out, or it restarted',
  [Status.NotComplete]: 'the image is not complete there',
  [Status.NoResources]: 'it is out of memory',
  [Status.ImageTooBig]: 'the image does not fit its flash',
  [Status.IncompatibleImage]: 'images of this type, technology or address are not taken there',
  [Status.InvalidFile]: 'the image id is of another product',
  [Status.IncompatibleFile]: 'boot manager or header version differ from those of the running image',
  [Status.Authorisation]: 'it did not authorise the update',
  [Status.NotSupported]: 'it does not support the command',
  [Status.NotificationsOff]: 'it could not send its notification',
  [Status.IdentifyTimeout]: 'it has refused three images in a row and takes no more over this connection',
  [Status.ApplicationStopped]: 'its application does not allow an update now',
  [Status.Internal]: 'it met an error of its own',
  [Status.Unsupported]: 'its flash driver failed, or it does not know the command',
};

export const sentenceOf = (status: number): string => SENTENCES[status] ?? 'a status that no document names';

const hex = (status: number): string => `0x${status.toString(16).padStart(2, '0')}`;

/** Trying again from the first block may help: the state on the other side was not the one we thought. */
export function isStateTrouble(status: number): boolean {
  const states: readonly number[] = [
    Status.Validation,
    Status.BufferOverflow,
    Status.AlreadyStarted,
    Status.NotStarted,
    Status.NotComplete,
    Status.NoResources,
    Status.NotificationsOff,
  ];
  return states.includes(status);
}

/** The error to end with; `target.refused*` carry `request`, `result` and `detail`. */
export function statusError(status: number, doing: Doing, artifact: ArtifactDescription): DrydockError {
  const result = hex(status);
  const detail = sentenceOf(status);
  const image = artifact.images[0];
  switch (status) {
    case Status.Validation:
      return new DrydockError('target.digest-mismatch', {
        expected: 'the checksum in the header of the image',
        actual: 'another one',
        result,
      });
    case Status.NoResources:
      return new DrydockError('target.no-memory', { detail, result });
    case Status.AlreadyStarted:
    case Status.ApplicationStopped:
      return new DrydockError('target.busy', { detail, result });
    case Status.ImageTooBig:
      return new ArtifactError('artifact.limit', {
        field: 'size',
        actual: image?.sizeBytes ?? 0,
        limit: 'what its flash has room for',
        result,
      });
    case Status.InvalidFile:
      return new ArtifactError('artifact.wrong-hardware', {
        actual: `with image id ${String(artifact.hardware['imageId'] ?? 'of MCUboot')}`,
        expected: 'another id, as it says itself',
        result,
      });
    case Status.IncompatibleImage:
      return new ArtifactError('artifact.wrong-hardware', {
        actual: `that takes image type ${String(artifact.hardware['imageType'] ?? '?')} at its address`,
        expected: 'another layout (on-chip and off-chip images must not be mixed)',
        result,
      });
    case Status.IncompatibleFile:
      return new ArtifactError('artifact.requires', {
        expected: 'boot manager 3 with header version 1',
        actual: 'another one',
        result,
      });
    case Status.Authorisation:
      return new ArtifactError('artifact.signature', { detail, result });
    default:
      return new TargetRefusedError(doing, result, detail);
  }
}

/** Off-chip classic targets say 0 to 3 on FFC4, with the meanings of the first enhanced ones. */
export function classicStatusError(status: number, artifact: ArtifactDescription): DrydockError {
  return statusError(status, 'block', artifact);
}

/** The source of the bytes would not keep up with a target that gives up after 10 s of silence. */
export function sourceTooSlow(offset: number, withinMs: number): DrydockError {
  return new DrydockError('gateway.download', {
    detail: `the bytes at ${offset} did not come within ${withinMs} ms; the device gives an update up after 10 s without a block, so it was not begun or was ended`,
  });
}
