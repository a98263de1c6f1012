/**
 * What a refusal of a Secure DFU target means, and the sentence it deserves.
 *
 * Source: nRF5 SDK 17, nrf_dfu_req_handler.h and nrf_dfu_handling_error.h; triggers as in nrf_dfu_validation.c
 * and nrf_dfu_ver_validation.c.
 */
import { ArtifactError, DrydockError, TargetRefusedError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { ButtonlessResult, ExtendedError, ObjectType, Opcode, type Refusal, ResultCode } from './messages.js';

const REQUESTS: Readonly<Record<number, string>> = {
  [Opcode.CreateObject]: 'create object',
  [Opcode.SetReceipts]: 'set packet receipts',
  [Opcode.CalculateChecksum]: 'checksum',
  [Opcode.Execute]: 'execute',
  [Opcode.SelectObject]: 'select object',
  [Opcode.GetMtu]: 'frame length',
  [Opcode.WriteObject]: 'write object',
  [Opcode.Ping]: 'ping',
  [Opcode.HardwareVersion]: 'hardware version',
  [Opcode.FirmwareVersion]: 'firmware version',
  [Opcode.Abort]: 'abort',
};

const RESULTS: Readonly<Record<number, string>> = {
  [ResultCode.Invalid]: 'an answer that bootloaders never give',
  [ResultCode.OpcodeNotSupported]: 'the bootloader does not know this request',
  [ResultCode.InvalidParameter]: 'the size does not fit its flash pages or the image',
  [ResultCode.InsufficientResources]: 'the object or the image is too large for the device',
  [ResultCode.InvalidObject]: 'the object is not valid',
  [ResultCode.UnsupportedType]: 'the bootloader does not know this kind of object',
  [ResultCode.OperationNotPermitted]: 'the request does not fit what was received so far',
  [ResultCode.OperationFailed]: 'the device could not carry it out',
};

const EXTENDED: Readonly<Record<number, string>> = {
  [ExtendedError.NoError]: 'the bootloader names no reason',
  [ExtendedError.InvalidErrorCode]: 'the bootloader names no valid reason',
  [ExtendedError.WrongCommandFormat]: 'the command has the wrong format',
  [ExtendedError.UnknownCommand]: 'the command is unknown',
  [ExtendedError.InitCommandInvalid]: 'the init packet lacks a field that this bootloader requires',
  [ExtendedError.FirmwareVersion]: 'the firmware version is older than the installed one',
  [ExtendedError.HardwareVersion]: 'the firmware is for other hardware',
  [ExtendedError.SoftdeviceVersion]: 'the firmware needs another SoftDevice than the installed one',
  [ExtendedError.SignatureMissing]: 'the bootloader takes signed packages only',
  [ExtendedError.WrongHashType]: 'the bootloader does not know the kind of hash',
  [ExtendedError.HashFailed]: 'the device could not compute the hash of the image',
  [ExtendedError.WrongSignatureType]: 'the bootloader does not know the kind of signature',
  [ExtendedError.VerificationFailed]: 'the received image does not have the hash that the init packet names',
  [ExtendedError.InsufficientSpace]: 'the flash has no room for the image',
};

/** `0x05`, or `0x0b/0x06` with its detail byte. */
export function spellResult(refusal: Refusal): string {
  const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;
  return refusal.extended === undefined ? hex(refusal.result) : `${hex(refusal.result)}/${hex(refusal.extended)}`;
}

/**
 * @param number of the image at work.
 * @param doing the object at work, which decides what an unspecific result means.
 * @returns the error to end with; `target.refused*` carry `request`, `result` and `detail`.
 */
export function refusalError(
  refusal: Refusal,
  doing: ObjectType,
  artifact: ArtifactDescription,
  number: number,
): DrydockError {
  const request = `${REQUESTS[refusal.refused] ?? `opcode ${refusal.refused}`} (${doing === ObjectType.Command ? 'init packet' : 'image'})`;
  const result = spellResult(refusal);
  const image = artifact.images.find((each) => each.image === number);
  switch (refusal.extended) {
    case ExtendedError.HardwareVersion:
      return new ArtifactError('artifact.wrong-hardware', {
        actual: String(artifact.hardware['hwVersion'] ?? 'unknown'),
        expected: 'another version (its bootloader refused it)',
        result,
      });
    case ExtendedError.FirmwareVersion:
      return new ArtifactError('artifact.downgrade', {
        actual: image?.version ?? 'no version',
        expected: 'a higher version, as its bootloader says',
        result,
      });
    case ExtendedError.SoftdeviceVersion:
      return new ArtifactError('artifact.requires', {
        expected: `SoftDevice ${String(artifact.hardware['sdReq'] ?? 'none')}`,
        actual: 'another one',
        result,
      });
    case ExtendedError.SignatureMissing:
      return new ArtifactError('artifact.unsigned', { model: 'of this device', result });
    case undefined:
      break;
    default:
      return new TargetRefusedError(
        request,
        result,
        EXTENDED[refusal.extended] ?? 'a reason that no document names',
        'target.refused-image',
      );
  }
  if (refusal.refused === Opcode.Execute && doing === ObjectType.Command) {
    if (refusal.result === ResultCode.InvalidObject) {
      return new ArtifactError('artifact.signature', {
        detail:
          'the bootloader did not accept the init packet: it was signed with another key, or cannot be read there',
        request,
        result,
      });
    }
    if (refusal.result === ResultCode.OperationFailed) {
      const detail = 'bootloaders of nRF5 SDK 12 say so for a wrong hardware, firmware or SoftDevice version';
      return new TargetRefusedError(request, result, detail, 'target.refused-image');
    }
  }
  const detail = RESULTS[refusal.result] ?? 'a result that no document names';
  if (refusal.result === ResultCode.InsufficientResources) {
    return new DrydockError('target.no-memory', { detail, request, result });
  }
  const imageIsBad = refusal.refused === Opcode.Execute && refusal.result === ResultCode.InvalidObject;
  return new TargetRefusedError(request, result, detail, imageIsBad ? 'target.refused-image' : 'target.refused');
}

/**
 * Whether a bootloader that refuses this image may have it already: a bootloader takes only a higher version than its
 * own, a SoftDevice names the one before it, and SDK 12 gives no reasons at all. Then the next image of the package
 * tells; if nothing was there, it is refused for the same reason.
 */
export function mayBeThereAlready(error: unknown, kind: string): boolean {
  if (!(error instanceof DrydockError) || kind === 'application' || kind === 'external-application') return false;
  return (
    error.code === 'artifact.downgrade' ||
    error.code === 'artifact.requires' ||
    (error.code === 'target.refused-image' && error.params['result'] === spellResult(SDK_12_REFUSAL))
  );
}

const SDK_12_REFUSAL: Refusal = { refused: Opcode.Execute, result: ResultCode.OperationFailed };

/** What an application answers to "enter the bootloader", other than success. */
export function buttonlessError(result: number, channel: string): DrydockError {
  switch (result) {
    case ButtonlessResult.NotBonded:
      return new DrydockError('link.auth-required', { channel });
    case ButtonlessResult.Busy:
      return new DrydockError('target.busy', { detail: 'it cannot enter its bootloader now' });
    case ButtonlessResult.OpcodeNotSupported:
      return new TargetRefusedError('enter bootloader', result, 'the application does not know the request');
    case ButtonlessResult.OperationFailed:
      return new TargetRefusedError('enter bootloader', result, 'the application could not carry it out');
    default:
      return new TargetRefusedError('enter bootloader', result, 'a result that no document names');
  }
}
