/**
 * Runs what the site file names: a program, or an address. Never through a shell: what is told of the device goes into the
 * environment or the body, so no name of a device can become a command. Every call ends, and what it says is bounded.
 */
import { spawn } from 'node:child_process';
import { httpOpen, readBody } from '../uplink/http-client.js';
import type { Call } from './site-rules.js';

export type CallResult =
  /** Exit status of the program, or status of the answer. */
  | { readonly kind: 'ended'; readonly status: number; readonly said: string }
  | { readonly kind: 'failed'; readonly detail: string };

/** Of what a program or a page says, so much is kept for people. */
const MAX_SAID_BYTES = 2048;
const MAX_BODY_BYTES = 64 * 1024;

/**
 * @param facts what the call is told: `DRYDOCK_NAME` in the environment of a program, a JSON object in the body of a POST.
 * @param signal ends the call early, as if its time were over.
 */
export function makeCall(
  call: Call,
  facts: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<CallResult> {
  return 'command' in call ? runProgram(call, facts, signal) : callAddress(call, facts, signal);
}

function runProgram(
  { command, timeoutSeconds }: Call & { command: string[] },
  facts: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<CallResult> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const said = new Said();
    let why: string | undefined;
    // A group of its own: what the program has started ends with it.
    const child = spawn(program!, args, {
      shell: false,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...environmentOf(facts) },
    });
    const end = (result: CallResult): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stopped);
      // Whatever it left behind has no business any more; its pipes must not keep anybody waiting.
      endGroup(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(result);
    };
    const stop = (reason: string): void => {
      why ??= reason;
      endGroup(child.pid);
    };
    const stopped = (): void => stop('the agent is stopping');
    const timer = setTimeout(() => stop(`not done within ${timeoutSeconds} s`), timeoutSeconds * 1000);
    if (signal?.aborted) stopped();
    else signal?.addEventListener('abort', stopped, { once: true });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => said.add(part));
    child.once('error', (error) => end({ kind: 'failed', detail: error.message.slice(0, 256) }));
    child.once('exit', (status, killedBy) => {
      // What it wrote last may still be in the pipe.
      setImmediate(() =>
        end(
          status === null || why !== undefined
            ? { kind: 'failed', detail: why ?? `ended by ${killedBy}` }
            : { kind: 'ended', status, said: said.text },
        ),
      );
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

async function callAddress(
  { url, timeoutSeconds }: Call & { url: string },
  facts: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<CallResult> {
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const ends = signal ? AbortSignal.any([timeout, signal]) : timeout;
  try {
    const response = await httpOpen({
      method: 'POST',
      url: new URL(url),
      body: facts,
      timeoutMs: timeoutSeconds * 1000,
      signal: ends,
    });
    const said = new Said();
    said.add(await readBody(response, MAX_BODY_BYTES));
    return { kind: 'ended', status: response.statusCode ?? 0, said: said.text };
  } catch (error) {
    const detail = timeout.aborted ? `not done within ${timeoutSeconds} s` : (error as Error).message;
    return { kind: 'failed', detail: detail.slice(0, 256) };
  }
}

function environmentOf(facts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      `DRYDOCK_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
      // A zero byte would end the variable early, and Node refuses it.
      value.replaceAll('\0', ''),
    ]),
  );
}

class Said {
  #bytes = Buffer.alloc(0);

  add(part: Buffer): void {
    const room = MAX_SAID_BYTES - this.#bytes.length;
    if (room > 0) this.#bytes = Buffer.concat([this.#bytes, part.subarray(0, room)]);
  }

  /** Of one line, without what a terminal would obey. */
  get text(): string {
    return this.#bytes
      .toString('utf8')
      .replace(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, 256);
  }
}
