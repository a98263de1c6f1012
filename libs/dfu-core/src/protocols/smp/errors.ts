/**
 * What a target may refuse, and what each refusal means for an update.
 *
 * Source: Zephyr `include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h`, `grp/img_mgmt/img_mgmt.h`,
 * `grp/os_mgmt/os_mgmt.h`.
 */
import type { ErrorCode } from '@drydock/contracts';
import { TargetRefusedError } from '../../errors.js';
import { Group, type Refusal, type Request } from './messages.js';

/** Codes that all groups share; servers of version 1 translate their group's codes into these. */
export const Rc = {
  Unknown: 1,
  NoMemory: 2,
  Invalid: 3,
  Timeout: 4,
  NoEntry: 5,
  BadState: 6,
  ResponseTooLarge: 7,
  NotSupported: 8,
  Corrupt: 9,
  Busy: 10,
  AccessDenied: 11,
  VersionTooOld: 12,
  VersionTooNew: 13,
} as const;

export const ImageRc = {
  NoFreeSlot: 9,
  InvalidHash: 24,
  CurrentVersionIsNewer: 27,
  AlreadyPending: 28,
  TooLarge: 30,
  TestOfActiveDenied: 33,
} as const;

interface Meaning {
  readonly name: string;
  readonly detail: string;
  readonly code: ErrorCode;
}

const meaning = (name: string, detail: string, code: ErrorCode = 'target.refused'): Meaning => ({ name, detail, code });

const SHARED: Readonly<Record<number, Meaning>> = {
  1: meaning('EUNKNOWN', 'it gives no reason'),
  2: meaning('ENOMEM', 'its buffers are too small', 'target.no-memory'),
  3: meaning('EINVAL', 'a field is missing or has a value it does not take'),
  4: meaning('ETIMEOUT', 'its own operation took too long'),
  5: meaning('ENOENT', 'there is no such thing'),
  6: meaning('EBADSTATE', 'its state does not allow it: no free slot, an older version, or an image already pending'),
  7: meaning('EMSGSIZE', 'its answer would not fit', 'target.no-memory'),
  8: meaning('ENOTSUP', 'it does not know this command'),
  9: meaning('ECORRUPT', 'the message did not arrive whole, or is larger than it can take'),
  10: meaning('EBUSY', 'it asks to come again', 'target.busy'),
  11: meaning('EACCESSDENIED', 'its application does not allow it'),
  12: meaning('UNSUPPORTED_TOO_OLD', 'it speaks only newer versions of SMP'),
  13: meaning('UNSUPPORTED_TOO_NEW', 'it speaks only older versions of SMP'),
};

const IMAGE: Readonly<Record<number, Meaning>> = {
  1: meaning('UNKNOWN', 'it gives no reason'),
  2: meaning('FLASH_CONFIG_QUERY_FAIL', 'the layout of its flash cannot be read'),
  3: meaning('NO_IMAGE', 'there is no image in the slot'),
  4: meaning('NO_TLVS', 'the image has no TLVs', 'target.refused-image'),
  5: meaning('INVALID_TLV', 'the image has a TLV it does not take', 'target.refused-image'),
  6: meaning('TLV_MULTIPLE_HASHES_FOUND', 'the image has several hashes', 'target.refused-image'),
  7: meaning('TLV_INVALID_SIZE', 'a TLV of the image has a wrong length', 'target.refused-image'),
  8: meaning('HASH_NOT_FOUND', 'no slot holds an image with this hash'),
  9: meaning('NO_FREE_SLOT', 'no slot is free: one runs, the other is pending or kept to fall back to'),
  10: meaning('FLASH_OPEN_FAILED', 'its flash cannot be opened'),
  11: meaning('FLASH_READ_FAILED', 'its flash cannot be read'),
  12: meaning('FLASH_WRITE_FAILED', 'its flash cannot be written'),
  13: meaning('FLASH_ERASE_FAILED', 'its flash cannot be erased'),
  14: meaning('INVALID_SLOT', 'there is no such slot'),
  15: meaning('NO_FREE_MEMORY', 'it has no memory left', 'target.no-memory'),
  16: meaning('FLASH_CONTEXT_ALREADY_SET', 'its flash is already being written'),
  17: meaning('FLASH_CONTEXT_NOT_SET', 'its flash is not open'),
  18: meaning('FLASH_AREA_DEVICE_NULL', 'its flash has no driver'),
  19: meaning('INVALID_PAGE_OFFSET', 'the offset is on no page of its flash'),
  20: meaning('INVALID_OFFSET', 'the offset is missing'),
  21: meaning('INVALID_LENGTH', 'the length is missing'),
  22: meaning('INVALID_IMAGE_HEADER', 'the first chunk does not hold the whole image header'),
  23: meaning('INVALID_IMAGE_HEADER_MAGIC', 'it is no MCUboot image', 'target.refused-image'),
  24: meaning('INVALID_HASH', 'the hash is missing or has a wrong length'),
  25: meaning('INVALID_FLASH_ADDRESS', 'the image is linked for another address', 'target.refused-image'),
  26: meaning('VERSION_GET_FAILED', 'its own version cannot be read'),
  27: meaning('CURRENT_VERSION_IS_NEWER', 'the image is not newer than what runs', 'target.refused-image'),
  28: meaning('IMAGE_ALREADY_PENDING', 'another image is already set for the next boot'),
  29: meaning('INVALID_IMAGE_VECTOR_TABLE', 'the vector table of the image is not valid', 'target.refused-image'),
  30: meaning('INVALID_IMAGE_TOO_LARGE', 'the image is larger than the slot', 'target.refused-image'),
  31: meaning('INVALID_IMAGE_DATA_OVERRUN', 'more bytes came than were announced'),
  32: meaning('IMAGE_CONFIRMATION_DENIED', 'it does not allow to confirm this image'),
  33: meaning('IMAGE_SETTING_TEST_TO_ACTIVE_DENIED', 'the image to be tested already runs'),
  34: meaning('ACTIVE_SLOT_NOT_KNOWN', 'it does not know which slot runs'),
};

const OS: Readonly<Record<number, Meaning>> = {
  1: meaning('UNKNOWN', 'it gives no reason'),
  2: meaning('INVALID_FORMAT', 'the format of the question is not valid'),
  3: meaning('QUERY_YIELDS_NO_ANSWER', 'it has no answer to this question'),
  4: meaning('RTC_NOT_SET', 'its clock is not set'),
  5: meaning('RTC_COMMAND_FAILED', 'its clock failed'),
  6: meaning('QUERY_RESPONSE_VALUE_NOT_VALID', 'its own answer is not valid'),
};

/** SMP's refusal of one request. */
export class SmpRefusedError extends TargetRefusedError {
  constructor(
    request: Request['kind'],
    readonly refusal: Refusal,
  ) {
    const { group, code, reason } = refusal;
    const found = meaningOf(refusal);
    const detail = `${found.name}, ${found.detail}${reason ? ` ("${reason.slice(0, 80)}")` : ''}`;
    super(request, group === undefined ? code : `${group}/${code}`, detail, found.code);
  }

  /** @returns true for one of the codes that all groups share. */
  isShared(...codes: readonly number[]): boolean {
    return this.refusal.group === undefined && codes.includes(this.refusal.code);
  }

  /** @returns true for a code of the image group (version 2 only). */
  isImage(...codes: readonly number[]): boolean {
    return this.refusal.group === Group.Image && codes.includes(this.refusal.code);
  }
}

function meaningOf({ group, code }: Refusal): Meaning {
  const table = group === undefined ? SHARED : group === Group.Image ? IMAGE : group === Group.Os ? OS : {};
  // Codes from 256 on are the product's own (mgmt_defines.h).
  const unknown = code >= 256 && group === undefined ? 'an error of the product itself' : 'which is not known here';
  return table[code] ?? meaning(`code ${code}`, unknown);
}
