/**
 * `node tools/dist/bcsp-interop.js BCCMD`: Drydock's BCSP against BlueZ's, over a pseudo-terminal.
 *
 * BCCMD is `bccmd` of BlueZ 5.55 (Debian package bluez 5.55-3.1), which carries CSR's own uBCSP. It talks to `BcspEngine`,
 * which the agent uses against modules, and to the simulated BC127; in one round every seventh frame is lost. Exits with 1
 * if anything is not as expected. `hciattach` cannot take part: it insists on parity, which a pseudo-terminal refuses.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createCsrBc127Device, RealScheduler, serveSerial, type SerialPeripheral } from '@drydock/device-sim';
import { BcspChannel, BcspEngine, type BcspOptions, encodeBccmd, decodeBccmd } from '@drydock/dfu-core';

const run = promisify(execFile);
const [bccmd] = process.argv.slice(2);
const LIMIT_MS = 40_000;
const CHIP_REVISION = 0x281b;
let failures = 0;

/** A module that is all `BcspEngine`: answers BCCMD, in the form of HCI, as `bccmd` speaks it. */
class EnginePeripheral implements SerialPeripheral {
  readonly baud = 115_200;
  readonly engine: BcspEngine;
  #send: (bytes: Uint8Array) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerStarts = -1;
  #frames = 0;
  wasUp = false;

  constructor(
    options: BcspOptions,
    private readonly dropEvery: number,
  ) {
    this.engine = new BcspEngine(options);
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
    this.#go();
  }

  onBytes(bytes: Uint8Array): void {
    for (const event of this.engine.push(bytes)) {
      if (event.kind === 'link-up') this.wasUp = true;
      if (event.kind === 'datagram' && event.channel === BcspChannel.Hci) this.#answer(event.bytes);
    }
    this.#go();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #answer(command: Uint8Array): void {
    const asked = decodeBccmd(command.subarray(4));
    if (asked.type !== 0) return;
    const known = [0x2819, 0x281a, CHIP_REVISION].includes(asked.variable);
    const answer = encodeBccmd({ ...asked, type: 1, status: known ? 0 : 1, words: [known ? 0x00c0 : 0] });
    this.engine.send(BcspChannel.Hci, Uint8Array.from([0xff, answer.length + 1, 0xc2, ...answer]));
  }

  #go(): void {
    for (const frame of this.engine.takeOutput()) {
      this.#frames += 1;
      if (this.dropEvery === 0 || this.#frames % this.dropEvery !== 0) this.#send(frame);
    }
    const { timerMs, timerStarts } = this.engine;
    // Somebody who repeats himself all the time must not put off our own turn.
    if (timerStarts === this.#timerStarts) return;
    this.#timerStarts = timerStarts;
    clearTimeout(this.#timer);
    if (timerMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.engine.expire();
      this.#go();
    }, timerMs);
  }
}

async function call(file: string, args: readonly string[]): Promise<{ status: number; output: string }> {
  try {
    const { stdout, stderr } = await run(file, args, { timeout: LIMIT_MS });
    return { status: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number | string; stdout?: string; stderr?: string };
    return { status: Number(code ?? 1), output: `${stdout ?? ''}${stderr ?? ''}` };
  }
}

function tell(what: string, isGood: boolean, detail: string): void {
  if (!isGood) failures += 1;
  console.log(`${isGood ? 'ok  ' : 'FAIL'}  ${what}: ${detail.trim().split('\n').join(' | ').slice(0, 160)}`);
}

if (bccmd === undefined) {
  console.error('usage: node tools/dist/bcsp-interop.js BCCMD');
  process.exit(2);
}
const options: readonly [string, BcspOptions, number][] = [
  ['engine, window 4, CRC', {}, 0],
  ['engine, uBCSP form', { form: 'ubcsp' }, 0],
  ['engine, no CRC', { crc: false }, 0],
  ['engine, every seventh frame lost', {}, 7],
];
/** A terminal of its own for each call: the same settings cannot be made twice on one. */
async function ask(device: SerialPeripheral, command: string): Promise<{ status: number; output: string }> {
  const service = serveSerial(device, { pacing: 'unpaced' });
  try {
    return await call(bccmd ?? '', ['-t', 'bcsp', '-d', service.path, '-b', '115200', command]);
  } finally {
    await service.close();
  }
}

const isBccmdError = (output: string): boolean => !/port settings|timed out/i.test(output);

for (const [name, bcsp, dropEvery] of options) {
  const expectations: readonly [string, (status: number) => boolean][] = [
    ['chiprev', (status) => status === 0],
    ['panicarg', (status) => status !== 0],
    ['warmreset', (status) => status === 0],
  ];
  for (const [command, isExpected] of expectations) {
    const device = new EnginePeripheral(bcsp, dropEvery);
    const { status, output } = await ask(device, command);
    device.stop();
    const isGood = isExpected(status) && device.wasUp && isBccmdError(output);
    tell(`${name}: bccmd ${command}`, isGood, `status ${status} ${output}`);
  }
}

for (const command of ['chiprev', 'warmreset']) {
  const scheduler = new RealScheduler();
  const unit = createCsrBc127Device({ scheduler, syncMs: 250 });
  const { status, output } = await ask(unit.serial, command);
  tell(`simulated BC127 in its loader: bccmd ${command}`, status === 0 && isBccmdError(output), output);
  scheduler.close();
}
process.exit(failures === 0 ? 0 : 1);
