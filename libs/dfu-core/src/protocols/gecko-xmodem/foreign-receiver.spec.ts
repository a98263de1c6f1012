/**
 * Our sender against a receiver that is not ours: `rx` of lrzsz, as Debian ships it. Where it is not installed, nothing is
 * compared; the project's own checks install it.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { SERIAL_CHANNEL, type Effect, type Input, type LinkInfo, type Session } from '../../session/session.js';
import { Payload } from '../silabs/payload.js';
import { Talk } from '../silabs/talk.js';
import type { Hooks } from '../silabs/update-way.js';
import { Terminal } from './terminal.js';
import { Transfer } from './transfer.js';

const RX = process.env.DRYDOCK_RX ?? 'rx';
const isInstalled = spawnSync(RX, ['--version']).status === 0;
const LINK: LinkInfo = {
  kind: 'serial',
  maxWriteBytes: 4096,
  channels: [SERIAL_CHANNEL],
  identity: { kind: 'port-path', value: 'pipe' },
};
const folder = mkdtempSync(join(tmpdir(), 'drydock-rx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A bootloader's menu in front of `rx`: it starts with the choice to upload. */
class ReceiverPort {
  child: ChildProcess | undefined;
  readonly #pieces: Buffer[] = [];
  #wake: () => void = () => undefined;
  #frames = 0;

  constructor(
    private readonly path: string,
    /** Each nth block gets one wrong bit on the line. */
    private readonly spoilEvery: number,
  ) {}

  write(bytes: Uint8Array): void {
    if (!this.child) {
      this.#say(Buffer.from('\r\nbegin upload\r\n'));
      this.child = spawn(RX, ['--with-crc', '--binary', '--quiet', this.path], { stdio: ['pipe', 'pipe', 'ignore'] });
      this.child.stdout!.on('data', (piece: Buffer) => this.#say(piece));
      return;
    }
    this.#frames += 1;
    const isSpoilt = this.spoilEvery > 0 && this.#frames % this.spoilEvery === 0 && bytes.length > 1;
    const sent = Buffer.from(bytes);
    if (isSpoilt) sent[70]! ^= 1;
    this.child.stdin!.write(sent);
  }

  async read(withinMs: number): Promise<Uint8Array | undefined> {
    if (this.#pieces.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#pieces.shift();
  }

  #say(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#wake();
  }
}

async function play<T>(session: Session<T>, port: ReceiverPort, file: Uint8Array): Promise<T> {
  const perform = async (effect: Effect): Promise<Input> => {
    if (effect.kind === 'send') port.write(effect.bytes);
    if (effect.kind === 'read') {
      return { kind: 'data', bytes: file.slice(effect.offset, effect.offset + effect.length) };
    }
    if (effect.kind !== 'await') return { kind: 'done' };
    const bytes = await port.read(effect.withinMs);
    return bytes ? { kind: 'frame', channel: SERIAL_CHANNEL, bytes } : { kind: 'timeout' };
  };
  let step = session.next();
  while (!step.done) step = session.next(await perform(step.value));
  return step.value;
}

function* send(file: Uint8Array): Session<void> {
  const talk = new Talk(LINK);
  const payload = yield* Payload.open(talk, {
    image: 0,
    kind: 'application',
    sizeBytes: file.length,
    sha256: createHash('sha256').update(file).digest('hex'),
  });
  const nothing = function* (): Session<void> {
    yield* talk.sleep(0);
  };
  const hooks: Pick<Hooks, 'erase' | 'advanced' | 'finish'> = { erase: nothing, advanced: nothing, finish: nothing };
  yield* new Transfer(new Terminal(talk), hooks, false).run(payload);
}

describe('XMODEM-CRC to rx of lrzsz', () => {
  it.each([
    ['a quiet line', 0],
    ['a line that spoils every fifth block', 5],
  ])(
    'over %s every byte arrives',
    async (_, spoilEvery) => {
      if (!isInstalled) return expect(isInstalled).toBe(false);
      const file = randomBytes(3000);
      const path = join(folder, `took-${spoilEvery}`);
      const port = new ReceiverPort(path, spoilEvery);
      try {
        await play(send(file), port, file);
        await new Promise((resolve) => port.child!.once('close', resolve));
        const took = readFileSync(path);
        expect(took.subarray(0, file.length)).toEqual(file);
        // The last block is filled up.
        expect(took.length).toBe(Math.ceil(file.length / 128) * 128);
      } finally {
        port.child?.kill('SIGKILL');
      }
    },
    120_000,
  );
});
