/** A bundle on its way to the next start: received, checked against the release keys, unpacked, and tried once. */
import { execFile } from 'node:child_process';
import { createHash, verify, type KeyObject } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AGENT_MAIN, AGENT_MODEL, DrydockError, openAgentBundle, type AgentBundle } from '@drydock/dfu-core';
import { syncFolder, writeDurably } from '../journal/disk.js';
import { bundleDir, versionsDir, type BundleRef } from './launcher-state.js';

const TRY_MS = 60_000;
const MAX_SAID = 200;

export class Staging {
  readonly #stateDir: string;
  readonly #keys: () => readonly KeyObject[];
  readonly #platform: string;
  #file: FileHandle | undefined;
  #wanted: { readonly sha256: string; readonly sizeBytes: number } | undefined;
  #gotBytes = 0;
  #checked: BundleRef | undefined;

  /** @param keys release keys of the model `drydock-agent`; without one nothing is taken. */
  constructor(stateDir: string, platform: string, keys: () => readonly KeyObject[]) {
    this.#stateDir = stateDir;
    this.#platform = platform;
    this.#keys = keys;
  }

  /** The bundle that may be activated. */
  get checked(): BundleRef | undefined {
    return this.#checked;
  }

  async begin(sha256: string, sizeBytes: number): Promise<void> {
    await this.close();
    this.#checked = undefined;
    if (this.#keys().length === 0) throw new DrydockError('gateway.no-release-key', { model: AGENT_MODEL });
    await mkdir(versionsDir(this.#stateDir), { recursive: true, mode: 0o700 });
    this.#file = await open(this.#archive, 'w', 0o600);
    this.#wanted = { sha256, sizeBytes };
    this.#gotBytes = 0;
  }

  /** @throws DrydockError `gateway.disk-full`, `artifact.malformed` */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#file || !this.#wanted)
      throw new DrydockError('artifact.malformed', { field: 'bundle', offset: 0, detail: 'no bundle was begun' });
    if (this.#gotBytes + bytes.length > this.#wanted.sizeBytes) {
      throw new DrydockError('artifact.malformed', { field: 'bundle', offset: this.#gotBytes, detail: 'too long' });
    }
    await fullDisk(this.#file.write(bytes));
    this.#gotBytes += bytes.length;
  }

  /**
   * Unpacks what came, if all of it is as the release key signed it and it can be loaded on this machine.
   * @throws DrydockError `artifact.digest`, `artifact.signature`, `gateway.no-release-key`, `artifact.unsupported` …
   */
  async check(): Promise<BundleRef> {
    const wanted = this.#wanted;
    await this.close();
    if (!wanted)
      throw new DrydockError('artifact.malformed', { field: 'bundle', offset: 0, detail: 'no bundle was begun' });
    const bytes = await readFile(this.#archive);
    if (createHash('sha256').update(bytes).digest('hex') !== wanted.sha256) {
      throw new DrydockError('artifact.digest', { field: 'bundle' });
    }
    const bundle = openAgentBundle(bytes);
    this.#checkSignature(bundle);
    const { version, platforms } = bundle.manifest;
    if (!platforms.includes(this.#platform)) {
      throw new DrydockError('artifact.unsupported', {
        detail: `it is for ${platforms.join(', ')}, not ${this.#platform}`,
      });
    }
    const dir = bundleDir(this.#stateDir, wanted.sha256);
    await this.#unpack(bundle, dir);
    try {
      await tryBundle(dir, version);
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    await rm(this.#archive, { force: true });
    this.#checked = { sha256: wanted.sha256, version };
    return this.#checked;
  }

  /** Bundles that nobody will start any more are removed. */
  async keepOnly(sha256: readonly string[]): Promise<void> {
    const dir = versionsDir(this.#stateDir);
    for (const name of await readdir(dir).catch(() => [])) {
      if (name !== 'launcher.json' && !sha256.includes(name))
        await rm(join(dir, name), { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  get #archive(): string {
    return join(versionsDir(this.#stateDir), 'incoming.zip');
  }

  #checkSignature({ signed, signature }: AgentBundle): void {
    const keys = this.#keys().filter((key) => key.asymmetricKeyType === 'ed25519');
    if (!signature || !keys.some((key) => verify(null, signed, key, signature))) {
      throw new DrydockError('gateway.no-release-key', { model: AGENT_MODEL });
    }
  }

  async #unpack(bundle: AgentBundle, dir: string): Promise<void> {
    const next = join(versionsDir(this.#stateDir), 'incoming');
    await rm(next, { recursive: true, force: true });
    await rm(dir, { recursive: true, force: true });
    const folders = new Set([next]);
    try {
      await mkdir(next, { recursive: true, mode: 0o700 });
      for (const file of bundle.manifest.files) {
        const path = join(next, file.name);
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        folders.add(dirname(path));
        await fullDisk(writeDurably(path, bundle.read(file)));
      }
      // What the launcher compares the files with, at every start.
      await fullDisk(writeDurably(join(next, 'drydock-agent.json'), Buffer.from(JSON.stringify(bundle.manifest))));
      for (const folder of folders) await syncFolder(folder);
      await rename(next, dir);
      await syncFolder(dirname(dir));
    } catch (error) {
      await rm(next, { recursive: true, force: true });
      throw error;
    }
  }
}

/** A bundle that cannot even be loaded here is refused before it is on trial. */
async function tryBundle(dir: string, version: string): Promise<void> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(dir, AGENT_MAIN), 'self-test'], {
      timeout: TRY_MS,
      maxBuffer: 64 * 1024,
    });
    if (stdout.trim() === version) return;
    throw new Error(`it calls itself ${stdout.trim().slice(0, 64)}`);
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string };
    const said = (stderr ?? '').trim().split('\n').at(-1) ?? '';
    const detail = `it cannot be loaded here: ${(said || message).slice(0, MAX_SAID)}`;
    throw new DrydockError('artifact.unsupported', { detail }, { cause: error });
  }
}

async function fullDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      throw new DrydockError('gateway.disk-full', {}, { cause: error });
    throw error;
  }
}
