/**
 * What a result of a bootloader means, and the sentence it deserves.
 *
 * Source: gecko_sdk 4.4.1, btl_comm_bgapi_common.c, sl_status.h; Blue Gecko SDK 2.x bg_errorcodes; mjbrown/bgapi,
 * cmd_def.py (BLE11x).
 */
import { type DrydockError, TargetRefusedError } from '../../errors.js';
import { StartOverError } from '../silabs/talk.js';
import { Result } from './messages.js';

export type Request = 'set address' | 'upload' | 'upload finish';

const IMAGE =
  'the bootloader does not take the image: wrong CRC, signature or key, not signed or encrypted as it demands, or for another chip';

const RESULTS: Readonly<Record<number, string>> = {
  [Result.ChecksumError]: IMAGE,
  [Result.ChecksumError2]: IMAGE,
  0x0b01: 'the signature of the image does not hold',
  0x0b02: 'the signature of the file does not hold',
  0x0180: 'it does not know this size or address',
  0x0181: 'it is not in the state for this',
  0x0182: 'it is out of memory',
  0x0183: 'it does not have this command',
  0x0184: 'it does not know this command',
  0x0185: 'it ran into a time-out of its own',
  0x0187: 'its flow control failed',
  0x018a: 'the command is too long for it',
  0x018b: 'the image passes the end of its flash',
  0x0002: 'it is not in the state for this',
  0x0006: 'it aborted',
  0x0007: 'it ran into a time-out of its own',
  0x000f: 'it does not support this',
  0x0021: 'a parameter is not valid',
  0x002f: 'its flash failed',
  0x0048: 'it does not know this command',
  0x0049: 'the command is too long for it',
  0x004a: 'the command arrived in part',
};

const ABOUT_THE_IMAGE: readonly number[] = [Result.ChecksumError, Result.ChecksumError2, 0x0b01, 0x0b02, 0x018b];

export function spellResult(result: number): string {
  return `0x${result.toString(16).padStart(4, '0')}`;
}

/**
 * @param lossy nothing on the line is checked: once per update a checksum that does not hold may be the line's fault.
 */
export function refusalError(request: Request, result: number, lossy: boolean): DrydockError {
  const detail = RESULTS[result] ?? 'a result that no document names';
  if (result === Result.BuffersFull) {
    return new StartOverError('target.refused', { request, result: spellResult(result), detail: 'its buffer is full' });
  }
  const isChecksum = result === Result.ChecksumError || result === Result.ChecksumError2;
  if (isChecksum && lossy)
    return new StartOverError('target.refused-image', { request, result: spellResult(result), detail });
  const code = ABOUT_THE_IMAGE.includes(result) ? 'target.refused-image' : 'target.refused';
  return new TargetRefusedError(request, spellResult(result), detail, code);
}

/** Nobody answers: the sentence names what it usually is. */
export function silence(baud: number): string {
  return (
    `neither an application nor a bootloader speaks BGAPI at ${baud} baud; check wiring, baud rate, ` +
    'RTS/CTS on both sides, and the options generation and framing of the link'
  );
}
