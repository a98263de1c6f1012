/** What people and programs are told about files for Silicon Labs and Bluegiga devices. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription, ImageDescription, SignatureDescription } from '../description.js';
import { looksLikeZip, type ZipArchive } from '../zip.js';
import { findApplicationProperties } from './application-properties.js';
import { BLE11X_FORMAT, BLUEGIGA_MANIFEST, BT12X_FORMAT, pad4, readBluegigaPackage, tryOpenZip } from './bluegiga.js';
import { EBL_FORMAT, looksLikeEbl, parseEbl } from './ebl.js';
import { applicationTypes, type ApplicationInfo, type Gbl, GBL_FORMAT } from './format.js';
import { looksLikeGbl, parseGbl, type ParseGblOptions } from './parse-gbl.js';

/** Two GBL files in one zip, sent one after the other: AppLoader or bootloader first, then the application. */
export const GBL_SET_FORMAT = 'silabs-gbl-set';

const SILABS_OTA = 'silabs-ota';
const BGAPI_DFU = 'bgapi-dfu';
const GECKO_XMODEM = 'gecko-xmodem';
/** In the order in which they are sent: what replaces the loader comes first. */
const SET_MEMBERS = ['apploader-bootloader.gbl', 'apploader.gbl', 'bootloader.gbl', 'application.gbl'] as const;

/**
 * @returns undefined when the file is none of these formats.
 * @throws ArtifactError when it is one and broken.
 */
export function describeSilabsArtifact(
  bytes: Uint8Array,
  options: ParseGblOptions = {},
): ArtifactDescription | undefined {
  if (looksLikeGbl(bytes)) return describeGbl(bytes, options);
  if (looksLikeEbl(bytes)) return describeEbl(bytes);
  if (!looksLikeZip(bytes)) return undefined;
  const zip = tryOpenZip(bytes);
  const has = (name: string): boolean => zip?.entries.some((entry) => entry.name === name) === true;
  if (zip && has(BLUEGIGA_MANIFEST)) return describeBluegiga(bytes, zip);
  if (zip && !has('manifest.json') && zip.entries.some(({ name }) => name.endsWith('.gbl'))) {
    return describeSet(bytes, zip, options);
  }
  return undefined;
}

/**
 * What sessions read, by name: `image:N` is the Nth file as it is sent, without what follows its end, padded with
 * 0xff to a multiple of 4.
 * @throws ArtifactError as the description.
 */
export function silabsPayloads(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  if (looksLikeGbl(file)) return one(gblPayload(file, parseGbl(file)));
  if (looksLikeEbl(file)) return one(pad4(file.subarray(0, parseEbl(file).lengthBytes)));
  const zip = looksLikeZip(file) ? tryOpenZip(file) : undefined;
  if (!zip) throw new ArtifactError('artifact.unknown-format', { detail: 'no file for Silicon Labs devices' });
  if (zip.entries.some(({ name }) => name === BLUEGIGA_MANIFEST)) return one(readBluegigaPackage(zip).image);
  return new Map(
    readSet(zip, {}).map(({ gbl, bytes }, index): [string, Uint8Array] => [`image:${index}`, gblPayload(bytes, gbl)]),
  );
}

const one = (bytes: Uint8Array): ReadonlyMap<string, Uint8Array> => new Map([['image:0', bytes]]);
const gblPayload = (bytes: Uint8Array, gbl: Gbl): Uint8Array => pad4(bytes.subarray(0, gbl.lengthBytes));

// GBL

/** @throws ArtifactError as `parseGbl`. */
export function describeGbl(bytes: Uint8Array, options: ParseGblOptions = {}): ArtifactDescription {
  const gbl = parseGbl(bytes, options);
  return {
    format: GBL_FORMAT,
    protocols: [SILABS_OTA, BGAPI_DFU, GECKO_XMODEM],
    sha256: toHex(sha256(bytes)),
    sizeBytes: bytes.length,
    images: [gblImage(gbl, bytes, 0)],
    signatures: signaturesOf(gbl, 0),
    hardware: hardwareOf([gbl]),
    notes: notesOf(gbl, bytes),
  };
}

/** `application`, `bootloader`, `secure-element`, joined by `+`; `encrypted` where it cannot be read. */
function kindOf(gbl: Gbl): string {
  const kinds = [
    ...(gbl.secureElement ? ['secure-element'] : []),
    ...(gbl.bootloader ? ['bootloader'] : []),
    ...(gbl.programs.length > 0 ? ['application'] : []),
    ...(gbl.isReadable ? [] : ['encrypted']),
  ];
  return kinds.join('+') || 'empty';
}

function gblImage(gbl: Gbl, bytes: Uint8Array, image: number, member?: string): ImageDescription {
  const payload = gblPayload(bytes, gbl);
  const version = gbl.applicationInfo?.version;
  return {
    image,
    kind: kindOf(gbl),
    ...(version === undefined ? {} : { version: String(version) }),
    sizeBytes: payload.length,
    sha256: toHex(sha256(payload)),
    ...(member === undefined ? {} : { member }),
  };
}

function signaturesOf(gbl: Gbl, image: number): readonly SignatureDescription[] {
  if (!gbl.signature) return [];
  const keyHash = gbl.certificate && toHex(sha256(gbl.certificate.publicKey));
  return [{ scheme: 'ecdsa-p256-sha256', covers: `image:${image}`, ...(keyHash === undefined ? {} : { keyHash }) }];
}

function hardwareOf(gbls: readonly Gbl[]): Record<string, string | number> {
  const products = new Set(gbls.flatMap(({ applicationInfo }) => applicationInfo?.productId ?? []));
  if (products.size > 1) {
    throw new ArtifactError('artifact.malformed', {
      field: 'productId',
      offset: 0,
      detail: `the files are for different products (${[...products].join(', ')})`,
    });
  }
  const [productId] = products;
  return productId === undefined ? {} : { productId };
}

function notesOf(gbl: Gbl, bytes: Uint8Array): string[] {
  const notes: string[] = [];
  if (gbl.applicationInfo) notes.push(typeNote(gbl.applicationInfo));
  notes.push(...propertyNotes(gbl));
  if (!gbl.isSigned) notes.push('not signed: only bootloaders that do not enforce signatures take it');
  if (!gbl.isEncrypted) notes.push('not encrypted');
  else if (!gbl.isReadable) notes.push('encrypted: what it contains cannot be checked without its key');
  if (gbl.certificate) notes.push(`signed through a certificate, version ${gbl.certificate.version}`);
  for (const { image, text } of gbl.dependencies) notes.push(`requires ${image} ${text}`);
  if (gbl.bootloader) {
    const { version, baseAddress } = gbl.bootloader;
    notes.push(`bootloader ${hex32(version)} at ${hex32(baseAddress)}: installed only over an older one`);
  }
  if (gbl.secureElement) notes.push(`secure element firmware ${hex32(gbl.secureElement.version)}`);
  const kinds = new Set(gbl.programs.map(({ kind }) => kind));
  for (const kind of ['lz4', 'lzma'] as const) {
    if (kinds.has(kind)) notes.push(`compressed (${kind}): only bootloaders built with it take it`);
  }
  if ([...kinds].some((kind) => kind.startsWith('delta'))) {
    notes.push('delta image: only newer bootloaders know it, over the very image that it was made from');
  }
  const trailing = bytes.length - gbl.lengthBytes;
  if (trailing > 3) notes.push(`${trailing} bytes of padding follow the end; they are not sent`);
  return notes;
}

/** The image in flash says of itself what the tag beside it says, or somebody put them together by hand. */
function propertyNotes(gbl: Gbl): string[] {
  for (const { kind, data } of gbl.programs) {
    if (kind !== 'program' && kind !== 'erase-program') continue;
    const inside = findApplicationProperties(data);
    if (!inside) continue;
    const tag = gbl.applicationInfo;
    const notes =
      inside.signatureType === 'none' ? [] : [`the application is checked at start: ${inside.signatureType}`];
    if (tag && (tag.version !== inside.version || tag.productId !== inside.productId || tag.type !== inside.type)) {
      notes.push(`the application calls itself version ${inside.version}, the tag beside it ${tag.version}`);
    }
    return notes;
  }
  return [];
}

function typeNote({ type, version }: ApplicationInfo): string {
  const names = applicationTypes(type);
  return `${names.length > 0 ? names.join(', ') : 'application of no known type'}, version ${hex32(version)}`;
}

// Several GBL files

function readSet(zip: ZipArchive, options: ParseGblOptions): { name: string; bytes: Uint8Array; gbl: Gbl }[] {
  const wrong = (detail: string): never => {
    throw new ArtifactError('artifact.malformed', { field: 'set of GBL files', offset: 0, detail });
  };
  const names = zip.entries.map(({ name }) => name);
  const stranger = names.find((name) => !SET_MEMBERS.some((known) => known === name));
  if (stranger !== undefined) wrong(`${stranger.slice(0, 64)} is none of ${SET_MEMBERS.join(', ')}`);
  const wanted = SET_MEMBERS.filter((name) => names.includes(name));
  if (wanted.length !== 2 || wanted[1] !== 'application.gbl') wrong('it needs application.gbl and one other file');
  return wanted.map((name) => {
    const bytes = zip.read(name) ?? wrong(`${name} cannot be read`);
    return { name, bytes, gbl: parseGbl(bytes, options) };
  });
}

function describeSet(file: Uint8Array, zip: ZipArchive, options: ParseGblOptions): ArtifactDescription {
  const members = readSet(zip, options);
  return {
    format: GBL_SET_FORMAT,
    protocols: [SILABS_OTA],
    sha256: toHex(sha256(file)),
    sizeBytes: file.length,
    images: members.map(({ name, bytes, gbl }, index) => gblImage(gbl, bytes, index, name)),
    signatures: members.flatMap(({ gbl }, index) => signaturesOf(gbl, index)),
    hardware: hardwareOf(members.map(({ gbl }) => gbl)),
    notes: members.flatMap(({ name, bytes, gbl }) => notesOf(gbl, bytes).map((note) => `${name}: ${note}`)),
  };
}

/** The files of a set in the order in which they are sent. @throws ArtifactError `artifact.malformed`. */
export function openGblSet(file: Uint8Array): readonly Gbl[] {
  const zip = tryOpenZip(file);
  if (!zip) throw new ArtifactError('artifact.malformed', { field: 'zip', offset: 0, detail: 'it cannot be opened' });
  return readSet(zip, {}).map(({ gbl }) => gbl);
}

// EBL and Bluegiga

function describeEbl(bytes: Uint8Array): ArtifactDescription {
  const ebl = parseEbl(bytes);
  const payload = pad4(bytes.subarray(0, ebl.lengthBytes));
  return {
    format: EBL_FORMAT,
    protocols: [BGAPI_DFU, GECKO_XMODEM],
    sha256: toHex(sha256(bytes)),
    sizeBytes: bytes.length,
    images: [{ image: 0, kind: 'application', sizeBytes: payload.length, sha256: toHex(sha256(payload)) }],
    signatures: [],
    hardware: {},
    notes: [
      `for the bootloaders before Gecko Bootloader; flash address ${hex32(ebl.flashAddress)}`,
      ...(ebl.isEncrypted ? ['encrypted: its contents cannot be checked'] : []),
      ...(ebl.isSigned ? ['signed: the signature of an EBL file cannot be checked here'] : []),
    ],
  };
}

function describeBluegiga(file: Uint8Array, zip: ZipArchive): ArtifactDescription {
  const { generation, version, member, image } = readBluegigaPackage(zip);
  return {
    format: generation === 'ble11x' ? BLE11X_FORMAT : BT12X_FORMAT,
    protocols: [BGAPI_DFU],
    sha256: toHex(sha256(file)),
    sizeBytes: file.length,
    images: [
      {
        image: 0,
        kind: 'application',
        ...(version === undefined ? {} : { version }),
        sizeBytes: image.length,
        sha256: toHex(sha256(image)),
        member,
      },
    ],
    signatures: [],
    hardware: {},
    notes: ['the image has no format of its own: nothing in it could be checked but its size'],
  };
}

const hex32 = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
