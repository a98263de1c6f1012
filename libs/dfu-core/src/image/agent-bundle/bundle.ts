/**
 * The gateway's agent as an artifact: a zip archive with a manifest, its signature, and the files that it names.
 *
 * - `drydock-agent.json`: the manifest, UTF-8 JSON (`AgentManifest`).
 * - `drydock-agent.sig`: Ed25519 over `SIGNED_PREFIX` and the manifest's bytes, 64 bytes (RFC 8032).
 * - every file that the manifest names, with its size and SHA-256; and nothing else.
 *
 * So the signature covers every byte that will be run. The check itself takes a platform's Ed25519 and is the caller's.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { zipSync, type Zippable } from 'fflate';
import { type ByteSource, sourceOf, wholeOf } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import { openZip, type ZipArchive, type ZipLimits } from '../zip.js';

export const AGENT_BUNDLE_FORMAT = 'drydock-agent-bundle';
/** Folder name of the protocol that delivers it, and the model of the device that every gateway is to itself. */
export const AGENT_MODEL = 'drydock-agent';
export const AGENT_MAIN = 'agent.mjs';

const MANIFEST = 'drydock-agent.json';
const SIGNATURE = 'drydock-agent.sig';
const SIGNED_PREFIX = new TextEncoder().encode('drydock-agent-bundle v1\n');
const SIGNATURE_BYTES = 64;
const MAX_MANIFEST_BYTES = 256 * 1024;
const MAX_FILES = 512;
const LIMITS: ZipLimits = {
  maxArchiveBytes: 128 * 1024 * 1024,
  maxEntries: MAX_FILES + 2,
  maxEntryBytes: 96 * 1024 * 1024,
  maxTotalBytes: 256 * 1024 * 1024,
};
/** Fixed, so that the same files make the same archive. */
const ZIP_TIME = new Date(1980, 0, 1, 12);

export interface AgentBundleFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface AgentManifest {
  readonly v: 1;
  /** Of the agent, semantic versioning. */
  readonly version: string;
  /** Machines for which its native parts are in it: `linux-x64`, `linux-arm64`. */
  readonly platforms: readonly string[];
  readonly files: readonly AgentBundleFile[];
}

export interface AgentBundle {
  readonly manifest: AgentManifest;
  /** The bytes that the signature covers. */
  readonly signed: Uint8Array;
  /** Absent in a bundle that nobody signed. */
  readonly signature: Uint8Array | undefined;
  /**
   * A file of the manifest, its digest checked.
   * @throws ArtifactError `artifact.digest`, `artifact.malformed`
   */
  read(file: AgentBundleFile): Uint8Array;
}

/** @returns whether it is a zip archive with our manifest in it; says nothing about the rest. */
export function isAgentBundle(file: Uint8Array | ByteSource): boolean {
  try {
    return openZip(file, LIMITS).entries.some(({ name }) => name === MANIFEST);
  } catch {
    return false;
  }
}

/**
 * Opens and checks the form; digests are checked when files are read.
 * @throws ArtifactError `artifact.malformed`, `artifact.limit`
 */
export function openAgentBundle(file: Uint8Array | ByteSource): AgentBundle {
  const zip = openZip(file, LIMITS);
  const size = zip.entries.find(({ name }) => name === MANIFEST)?.sizeBytes ?? 0;
  if (size > MAX_MANIFEST_BYTES) {
    throw new ArtifactError('artifact.limit', { field: MANIFEST, actual: size, limit: MAX_MANIFEST_BYTES });
  }
  const bytes = zip.read(MANIFEST);
  if (!bytes) throw malformed(MANIFEST, 'it is missing');
  const manifest = parseManifest(bytes);
  compareFiles(manifest, zip);
  const signature = zip.read(SIGNATURE);
  if (signature && signature.length !== SIGNATURE_BYTES) {
    throw malformed(SIGNATURE, `${signature.length} bytes instead of ${SIGNATURE_BYTES}`);
  }
  return {
    manifest,
    signed: signedBytes(bytes),
    signature,
    read: (wanted) => {
      const found = zip.read(wanted.name);
      if (!found) throw malformed(wanted.name, 'it is missing');
      if (toHex(sha256(found)) !== wanted.sha256) throw new ArtifactError('artifact.digest', { field: wanted.name });
      return found;
    },
  };
}

/** Reads, checks and describes a bundle, every digest included. @throws ArtifactError as `openAgentBundle` and `read`. */
export function describeAgentBundle(file: Uint8Array | ByteSource): ArtifactDescription {
  const bytes = wholeOf(sourceOf(file));
  const bundle = openAgentBundle(bytes);
  for (const each of bundle.manifest.files) bundle.read(each);
  const digest = toHex(sha256(bytes));
  const { version, platforms, files } = bundle.manifest;
  return {
    format: AGENT_BUNDLE_FORMAT,
    protocols: [AGENT_MODEL],
    sha256: digest,
    sizeBytes: bytes.length,
    // A running agent names the bundle that it was unpacked from.
    images: [{ image: 0, kind: 'application', version, sizeBytes: bytes.length, runningHash: digest, sha256: digest }],
    signatures: bundle.signature ? [{ scheme: 'ed25519', covers: MANIFEST }] : [],
    hardware: {},
    notes: [`for ${platforms.join(', ')}`, `${files.length} files`],
  };
}

export interface AgentBundleParts {
  readonly version: string;
  readonly platforms: readonly string[];
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Signs with Ed25519; without it the bundle is unsigned, and no gateway takes it. */
  readonly sign?: (message: Uint8Array) => Uint8Array;
}

/** Makes a bundle; the same parts make the same bytes. @throws ArtifactError for parts that no reader would take. */
export function makeAgentBundle(parts: AgentBundleParts): Uint8Array {
  const names = [...parts.files.keys()].sort();
  const manifest: AgentManifest = {
    v: 1,
    version: parts.version,
    platforms: [...parts.platforms],
    files: names.map((name) => {
      const bytes = parts.files.get(name)!;
      return { name, sizeBytes: bytes.length, sha256: toHex(sha256(bytes)) };
    }),
  };
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 1)}\n`);
  const members: Zippable = { [MANIFEST]: bytes };
  const signature = parts.sign?.(signedBytes(bytes));
  if (signature) members[SIGNATURE] = signature;
  for (const name of names) members[name] = parts.files.get(name)!;
  const made = zipSync(members, { level: 9, mtime: ZIP_TIME });
  openAgentBundle(made);
  return made;
}

function signedBytes(manifest: Uint8Array): Uint8Array {
  const message = new Uint8Array(SIGNED_PREFIX.length + manifest.length);
  message.set(SIGNED_PREFIX);
  message.set(manifest, SIGNED_PREFIX.length);
  return message;
}

function parseManifest(bytes: Uint8Array): AgentManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw malformed(MANIFEST, 'it is no JSON');
  }
  const { v, version, platforms, files } = objectOf(value);
  if (v !== 1) throw malformed(MANIFEST, 'its form is of another version');
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/.test(version) || version.length > 64) {
    throw malformed(MANIFEST, 'version is none');
  }
  if (!Array.isArray(platforms) || platforms.length === 0 || platforms.length > 16) {
    throw malformed(MANIFEST, 'platforms are missing');
  }
  for (const platform of platforms as unknown[]) {
    if (typeof platform !== 'string' || !/^[a-z0-9]{1,16}-[a-z0-9]{1,16}$/.test(platform)) {
      throw malformed(MANIFEST, 'a platform is none');
    }
  }
  if (!Array.isArray(files) || files.length === 0 || files.length > MAX_FILES) throw malformed(MANIFEST, 'files');
  const parsed = (files as unknown[]).map(parseFile);
  if (!parsed.some(({ name }) => name === AGENT_MAIN)) throw malformed(MANIFEST, `it names no ${AGENT_MAIN}`);
  return { v: 1, version, platforms: platforms as string[], files: parsed };
}

function parseFile(value: unknown): AgentBundleFile {
  const { name, sizeBytes, sha256: digest } = objectOf(value);
  const good =
    typeof name === 'string' &&
    typeof sizeBytes === 'number' &&
    Number.isSafeInteger(sizeBytes) &&
    sizeBytes >= 0 &&
    typeof digest === 'string' &&
    /^[0-9a-f]{64}$/.test(digest);
  if (!good) throw malformed(MANIFEST, 'a file without name, sizeBytes or sha256');
  return { name, sizeBytes, sha256: digest };
}

/** What the archive holds is exactly what the manifest names: nothing is unpacked that is not signed. */
function compareFiles(manifest: AgentManifest, zip: ZipArchive): void {
  const named = new Map(manifest.files.map((file) => [file.name, file]));
  if (named.size !== manifest.files.length) throw malformed(MANIFEST, 'a file is named twice');
  let found = 0;
  for (const { name, sizeBytes } of zip.entries) {
    if (name === MANIFEST || name === SIGNATURE) continue;
    const file = named.get(name);
    if (!file) throw malformed(name, 'the manifest does not name it');
    if (file.sizeBytes !== sizeBytes) throw malformed(name, `${sizeBytes} bytes, the manifest says ${file.sizeBytes}`);
    found += 1;
  }
  if (found !== named.size) throw malformed(MANIFEST, `${named.size - found} files that it names are missing`);
}

function objectOf(value: unknown): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw malformed(MANIFEST, 'no object');
  return value as Record<string, unknown>;
}

function malformed(field: string, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset: 0, detail });
}
