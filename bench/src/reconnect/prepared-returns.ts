/**
 * Everything that the gateways of a run will say, signed before the clock starts: the load shares the machine with the
 * server, and what it signs while that is measured is missing there. The batches (some 80 KB of each gateway) lie in
 * files, because ten thousand of them would not fit into memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BenchFleet, BenchGateway } from '../report-fleet.js';

/** What a worker is given: a part of the fleet, and where its batches go. */
export interface PrepareTask {
  readonly fleet: Omit<BenchFleet, 'gateways'>;
  readonly gateways: readonly BenchGateway[];
  /** Number of the first of them. */
  readonly from: number;
  /** Devices of each, and reports of each. */
  readonly each: number;
  readonly reports: number;
  readonly path: string;
}

/** What one gateway says, and where its batch lies. */
export interface PreparedWords {
  readonly login: string;
  readonly presence: string;
  readonly timeRequest: string;
  readonly offset: number;
  readonly length: number;
  readonly lastSeq: number;
}

export class PreparedReturns {
  private constructor(
    private readonly parts: readonly { readonly words: readonly PreparedWords[]; readonly file: FileHandle }[],
    private readonly perPart: number,
  ) {}

  /** Signs on all processors. @param folder where the batches are kept; it is the caller's. */
  static async make(fleet: BenchFleet, each: number, reports: number, folder: string): Promise<PreparedReturns> {
    const workers = Math.max(1, Math.min(availableParallelism(), fleet.gateways.length));
    const perPart = Math.ceil(fleet.gateways.length / workers);
    const { gateways, ...rest } = fleet;
    const parts = await Promise.all(
      Array.from({ length: workers }, async (_, part) => {
        const from = part * perPart;
        const path = join(folder, `batches-${part}`);
        const words = await prepare({
          fleet: rest,
          gateways: gateways.slice(from, from + perPart),
          from,
          each,
          reports,
          path,
        });
        return { words, file: await open(path, 'r') };
      }),
    );
    return new PreparedReturns(parts, perPart);
  }

  /** @param at number of the gateway. */
  words(at: number): PreparedWords {
    return this.parts[Math.floor(at / this.perPart)]!.words[at % this.perPart]!;
  }

  async batch(at: number): Promise<Buffer> {
    const { offset, length } = this.words(at);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.parts[Math.floor(at / this.perPart)]!.file.read(bytes, 0, length, offset);
    if (bytesRead !== length) throw new Error(`The batch of gateway ${at} is not where it was written.`);
    return bytes;
  }

  async close(): Promise<void> {
    await Promise.all(this.parts.map(({ file }) => file.close()));
  }
}

function prepare(task: PrepareTask): Promise<readonly PreparedWords[]> {
  const worker = new Worker(new URL('./prepare-worker.js', import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (status) => reject(new Error(`A worker ended with status ${status}.`)));
  });
}
