/** What people and programs are told about a TI OAD file, and what a session reads of it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { type ByteSource, wholeOf } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import { describeMcubootImage } from '../mcuboot/describe.js';
import { looksLikeMcubootImage, parseMcubootImage } from '../mcuboot/parse.js';
import { classifyTrailingBytes } from '../mcuboot/verify.js';
import { areaOf, type ClassicImage, encodeClassicHeader, parseClassicImage } from './classic.js';
import {
  CrcStatus,
  IMAGE_TYPE_NAMES,
  ImageType,
  type TiOadImage,
  spellBytes,
  TI_IMAGE_IDS,
  TI_MCUBOOT_SLOT_FORMAT,
  TI_OAD_FORMAT,
  TI_OAD_OFF_CHIP_FORMAT,
  TI_OAD_ON_CHIP_FORMAT,
} from './format.js';
import { looksLikeTiOadImage, parseTiOadImage } from './parse.js';
import { verifyTiOadSignature } from './signature.js';

export const TI_PROTOCOL = 'ti-oad';
/** Header area of TI's MCUboot builds (`imgtool sign --header-size 0x100`). */
const TI_MCUBOOT_HEADER_BYTES = 0x100;

export interface TiDescribeOptions {
  /** P-256 key that must have signed; without it the signature is described, not checked. */
  readonly publicKey?: Uint8Array;
}

/**
 * Reads, checks and describes an enhanced TI OAD file. `hardware` holds `imageId` and `imageType`.
 * @throws ArtifactError as `parseTiOadImage`; `artifact.signature` when `publicKey` is given and does not hold.
 */
export function describeTiOadImage(file: Uint8Array, options: TiDescribeOptions = {}): ArtifactDescription {
  const image = parseTiOadImage(file);
  if (options.publicKey && !verifyTiOadSignature(image, options.publicKey)) {
    throw new ArtifactError('artifact.signature', { detail: 'the image is not signed with the given key' });
  }
  const digest = toHex(sha256(file));
  const { header, security } = image;
  return {
    format: TI_OAD_FORMAT,
    protocols: [TI_PROTOCOL],
    sha256: digest,
    sizeBytes: file.length,
    images: [
      {
        image: 0,
        kind: header.type === ImageType.Stack ? 'stack' : 'application',
        version: spellBytes(header.softwareVersion),
        sizeBytes: file.length,
        sha256: digest,
      },
    ],
    signatures: security ? [{ scheme: 'ecdsa-p256-sha256', covers: 'image:0' }] : [],
    hardware: { imageId: spellBytes(header.imageId), imageType: header.type },
    notes: enhancedNotes(image),
  };
}

function enhancedNotes({ header, security, startAddress, file, segments }: TiOadImage): string[] {
  const id = spellBytes(header.imageId);
  const notes = [
    `${IMAGE_TYPE_NAMES[header.type] ?? 'reserved'} (type ${header.type}, number ${header.number}), starts at 0x${startAddress.toString(16)}`,
  ];
  if (!(TI_IMAGE_IDS as readonly string[]).includes(id)) notes.push(`image id "${id}" is a product's own`);
  if (file.length % 4 !== 0) notes.push(`length ${file.length} is no multiple of 4, unlike what TI's tool writes`);
  if (header.crcStatus === CrcStatus.Valid) notes.push('taken from a device: its CRC is marked as checked');
  if (security) {
    const signed = new Date(security.timestamp * 1000).toISOString();
    notes.push(`signed ${signed} by the key whose hash ends in ${toHex(security.signer)}`);
  } else notes.push('not signed: boot managers built for secure OAD refuse it at boot, after the transfer');
  for (const { type, lengthBytes } of segments) {
    if (type !== 1 && type !== 3) notes.push(`segment ${SEGMENT_NAMES[type] ?? type} of ${lengthBytes} bytes`);
  }
  return notes;
}

const SEGMENT_NAMES: Readonly<Record<number, string>> = {
  0: 'boundary',
  2: 'non-contiguous image',
  4: 'NVRAM',
  5: 'delta',
};

/**
 * Reads, checks and describes a classic image. `hardware` holds `imageType` (off-chip) or `area` (on-chip): what a device that
 * takes it says of itself, which is the other area than the one that the file is linked for.
 * @throws ArtifactError as `parseClassicImage`.
 */
export function describeClassicImage(file: Uint8Array): ArtifactDescription {
  const image = parseClassicImage(file);
  const digest = toHex(sha256(file));
  const onChip = image.kind === 'on-chip';
  const { header } = image;
  const version = onChip ? header.version >> 1 : header.version;
  return {
    format: onChip ? TI_OAD_ON_CHIP_FORMAT : TI_OAD_OFF_CHIP_FORMAT,
    protocols: [TI_PROTOCOL],
    sha256: digest,
    sizeBytes: file.length,
    images: [
      {
        image: 0,
        kind: 'application',
        ...(image.kind !== 'dump' && { version: String(version) }),
        sizeBytes: file.length,
        sha256: digest,
      },
    ],
    signatures: [],
    hardware: onChip ? { area: areaOf(header.version) === 'A' ? 'B' : 'A' } : { imageType: header.type },
    notes: classicNotes(image),
  };
}

function classicNotes({ kind, header, crcMatches }: ClassicImage): string[] {
  const notes = [`user id "${spellBytes(header.userId)}"`, 'not signed: this generation of chips checks no signature'];
  if (kind === 'on-chip') {
    notes.push(`linked for area ${areaOf(header.version)}: only a device that runs the other area takes it`);
    if (!crcMatches) {
      notes.push("the CRC in the file is not over the whole file; the linker covers a range of the project's own");
    }
  }
  if (kind === 'dump')
    notes.push('a bare flash dump without metadata: they are made up (version 0, address 0, type 1)');
  if (kind === 'off-chip') notes.push(`goes to address 0x${(header.address * 4).toString(16)}`);
  return notes;
}

/** Whether an MCUboot file is one that TI's off-chip and two-image builds take: padded to its slot. */
export function isTiMcubootSlot(file: Uint8Array | ByteSource): boolean {
  try {
    const image = parseMcubootImage(file);
    return image.header.headerBytes === TI_MCUBOOT_HEADER_BYTES && classifyTrailingBytes(image) === 'slot-trailer';
  } catch (error) {
    if (error instanceof ArtifactError) return false;
    throw error;
  }
}

/**
 * An MCUboot image padded to its slot. No hash is named: a TI target states its version only.
 * @throws ArtifactError as `describeMcubootImage`.
 */
export function describeTiMcubootSlot(file: Uint8Array | ByteSource): ArtifactDescription {
  const { images, ...rest } = describeMcubootImage(file, { allowPadded: true });
  return {
    ...rest,
    format: TI_MCUBOOT_SLOT_FORMAT,
    protocols: [TI_PROTOCOL],
    images: images.map(({ runningHash: _, ...image }) => image),
  };
}

/**
 * What a session reads: `image:0`, the bytes that travel; for classic images also `header:0`, the 16 bytes of metadata.
 * MCUboot images travel whole: bytes behind the last TLV were refused, or are the padding that the target wants.
 * @throws ArtifactError when the file cannot be used.
 */
export function tiOadPayloads(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  if (looksLikeMcubootImage(file)) return new Map([['image:0', wholeOf(parseMcubootImage(file).file)]]);
  if (looksLikeTiOadImage(file)) return new Map([['image:0', parseTiOadImage(file).file]]);
  const { header } = parseClassicImage(file);
  return new Map([
    ['image:0', file],
    ['header:0', encodeClassicHeader(header)],
  ]);
}
