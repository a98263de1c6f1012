/** Makes MCUboot images, signed, as binary or Intel HEX, and packages of several with their manifest. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  DrydockError,
  makeIntelHex,
  makeMcubootImage,
  makeMcubootPackage,
  parseMcubootVersion,
  type McubootDependency,
  type McubootPackagePart,
  type McubootSigningKey,
  type McubootVersion,
} from '@drydock/dfu-core';
import { printLines, tellError } from './console-output.js';
import { readSmallFile } from './read-input.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_PARTS = 16;

export interface ImageOptions {
  readonly body: string;
  readonly imageVersion: string;
  readonly out: string;
  readonly key?: string;
  readonly headerSize: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  readonly securityCounter?: string;
  readonly dependency: readonly string[];
  readonly romFixed?: string;
  readonly hexAddress?: string;
}

export interface PackageOptions {
  readonly image: readonly string[];
  readonly out: string;
  readonly name?: string;
  readonly xip?: boolean;
}

async function told(work: () => Promise<readonly string[]>): Promise<number> {
  try {
    printLines(await work());
    return 0;
  } catch (error) {
    return tellError(error, false);
  }
}

function invalid(detail: string): DrydockError {
  return new DrydockError('request.invalid', { detail });
}

function versionOf(text: string, option: string): McubootVersion {
  const version = parseMcubootVersion(text);
  if (!version) throw invalid(`${option}: ${text} is no version such as 1.2.3 or 1.2.3+4`);
  return version;
}

function numberOf(text: string, option: string, most: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!(value <= most)) throw invalid(`${option}: ${text} is no number from 0 to ${most}`);
  return value;
}

/** @returns the exit status. */
export const packMcubootImage = (options: ImageOptions): Promise<number> => told(() => makeImage(options));
/** @returns the exit status. */
export const packMcubootPackage = (options: PackageOptions): Promise<number> => told(() => makePackage(options));

async function makeImage(options: ImageOptions): Promise<readonly string[]> {
  const { hash } = options;
  if (!['sha256', 'sha384', 'sha512'].includes(hash))
    throw invalid(`--hash: ${hash} is none of sha256, sha384, sha512`);
  const loadAddress =
    options.romFixed === undefined ? undefined : numberOf(options.romFixed, '--rom-fixed', 0xffffffff);
  const key = options.key === undefined ? undefined : await signingKey(options.key);
  const image = makeMcubootImage({
    body: await readSmallFile(options.body, MAX_BODY_BYTES),
    version: versionOf(options.imageVersion, '--image-version'),
    headerBytes: numberOf(options.headerSize, '--header-size', 0xffff),
    hash,
    dependencies: options.dependency.map(dependencyOf),
    ...(key && { key }),
    ...(options.securityCounter !== undefined && {
      securityCounter: numberOf(options.securityCounter, '--security-counter', 0xffffffff),
    }),
    ...(loadAddress !== undefined && { loadAddress, romFixed: true }),
  });
  const address =
    options.hexAddress === undefined ? undefined : numberOf(options.hexAddress, '--hex-address', 0xffffffff);
  await write(options.out, address === undefined ? image : makeIntelHex({ segments: [{ address, bytes: image }] }));
  const signed = key ? `signed with ${key.kind}` : 'NOT signed';
  return [`${options.out}: image ${options.imageVersion} of ${image.length} bytes, ${signed}`];
}

function dependencyOf(text: string): McubootDependency {
  const match = /^(\d{1,2}):(.+)$/.exec(text);
  if (!match) throw invalid(`--dependency: ${text}, expected IMAGE:VERSION such as 1:2.0.0`);
  return { image: Number(match[1]), minimum: versionOf(match[2]!, '--dependency') };
}

/** Ed25519 and EC P-256 are what the image maker signs with. */
async function signingKey(path: string): Promise<McubootSigningKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey(Buffer.from(await readSmallFile(path)));
  } catch (error) {
    if (error instanceof DrydockError) throw error;
    throw invalid(`${path}: no private key in PEM form that can be read without a password`);
  }
  const jwk = key.export({ format: 'jwk' });
  const kind = jwk.crv === 'Ed25519' ? 'ed25519' : jwk.crv === 'P-256' ? 'ecdsa-p256' : undefined;
  if (!kind || jwk.d === undefined)
    throw invalid(`${path}: the key is ${key.asymmetricKeyType}; Ed25519 or EC P-256 is needed`);
  return { kind, secret: new Uint8Array(Buffer.from(jwk.d, 'base64url')) };
}

async function makePackage(options: PackageOptions): Promise<readonly string[]> {
  if (options.image.length > MAX_PARTS) throw invalid(`--image: at most ${MAX_PARTS}`);
  const parts: McubootPackagePart[] = [];
  for (const text of options.image) {
    const match = /^(\d{1,2})(?:\/([01]))?=(.+)$/.exec(text);
    if (!match) throw invalid(`--image: ${text}, expected IMAGE=FILE or IMAGE/SLOT=FILE`);
    const [, image, slot, path] = match as unknown as [string, string, string | undefined, string];
    parts.push({
      image: Number(image),
      ...(slot !== undefined && { slot: Number(slot) }),
      file: basename(path),
      bytes: await readSmallFile(path, MAX_BODY_BYTES),
    });
  }
  const file = makeMcubootPackage(parts, {
    xip: options.xip ?? false,
    ...(options.name !== undefined && { name: options.name }),
  });
  await write(options.out, file);
  return [`${options.out}: ${parts.length} images, ${file.length} bytes`];
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes).catch((error: Error) => {
    throw invalid(`${path}: ${error.message}`);
  });
}
