/** Surroundings of a command without a process: what it writes is kept. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Surroundings } from './cli.js';
import type { Terminal } from './output/output.js';
import { run } from './run.js';

export class Kept extends Writable implements Terminal {
  text = '';
  constructor(
    readonly isTTY = false,
    readonly columns = 80,
    readonly rows = 24,
  ) {
    super({ decodeStrings: false });
  }
  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

export interface Told {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Home {
  readonly folder = mkdtempSync(join(tmpdir(), 'drydock-cli-unit-'));
  readonly config = join(this.folder, 'drydock');
  now = Date.parse('2026-11-26T13:26:10Z');

  async run(words: readonly string[], env: Readonly<Record<string, string>> = {}, isTTY = false): Promise<Told> {
    const [stdout, stderr] = [new Kept(isTTY), new Kept(isTTY)];
    const around: Surroundings = {
      env: { XDG_CONFIG_HOME: this.folder, PAGER: '', ...env },
      stdin: Object.assign(new PassThrough(), { isTTY: false }).end(),
      stdout,
      stderr,
      now: () => this.now,
      host: 'desk',
    };
    const status = await run(words, around).ended;
    return { status, stdout: stdout.text, stderr: stderr.text };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
