/**
 * What the digits behind "file error" and "block error" mean, and the sentence each deserves.
 *
 * Source: gecko_sdk 4.4.1, btl_comm_xmodem_common.c (digits), api/btl_errorcode.h.
 */
import { type DrydockError, TargetRefusedError } from '../../errors.js';
import { StartOverError } from '../silabs/talk.js';
import type { AbortReport } from './messages.js';

const FILE: Readonly<Record<number, string>> = {
  0x41: 'its version or what it requires does not fit what is installed',
  0x43: 'its CRC does not hold',
  0x44: 'it holds a tag that this bootloader does not know (compressed, delta, or another format)',
  0x45: 'its signature does not hold: it was signed with another key',
  0x4f: 'it is no file for this bootloader: not signed or encrypted as it demands, EBL instead of GBL, or data after its end',
  0x50: 'the bootloader has no key for it',
  0x18: 'the bootloader rejects it: wrong order of its parts, or cut off',
};

/** Codes after which sending it again is worth a try: the line may have spoilt what no block number shows. */
const MAYBE_THE_LINE: readonly number[] = [0x43, 0x18];

/** @param again whether it may be the line's fault, and was not tried before. */
export function abortError({ kind, code }: AbortReport, again: boolean): DrydockError {
  const result = code === undefined ? 'CAN' : `0x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  if (kind !== 'file') {
    return new StartOverError('target.refused', { request: 'upload', result, detail: 'the transfer fell out of step' });
  }
  const detail = FILE[code ?? -1] ?? 'the bootloader does not take the file';
  if (again && code !== undefined && MAYBE_THE_LINE.includes(code)) {
    return new StartOverError('target.refused-image', { request: 'upload', result, detail });
  }
  return new TargetRefusedError('upload', result, detail, 'target.refused-image');
}

export function noMenu(baud: number): string {
  return (
    `no bootloader menu at ${baud} baud; the unit has to be put into its bootloader by its own means ` +
    '(pin, DTR/RTS, command of its application), or its application has to speak BGAPI (application=bgapi)'
  );
}
