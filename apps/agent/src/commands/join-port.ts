/**
 * `join-port`: the other end of a raw port, on the machine where the vendor's tool runs. Signs in at the server as an
 * admin, waits for the gateway, and gives the port to one connection of this machine.
 */
import { readFile } from 'node:fs/promises';
import { rawPortToolPath, RawPortLine } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { listenForTool, parseListen } from '../links/uart/tcp-tool.js';
import { HttpStatusError, requireSafeUrl } from '../uplink/http-client.js';
import { connectRawPort, type RawPortEnd } from '../uplink/raw-port-end.js';
import { printJson, printLines, tellError } from './console-output.js';

export interface JoinPortOptions {
  readonly server: string;
  readonly deployment: string;
  /** `HOST:PORT` of this machine. */
  readonly listen: string;
  readonly line?: string;
  readonly tokenFile?: string;
  readonly allowPlaintext?: boolean;
  readonly json?: boolean;
  /** For callers in this process: the token itself. */
  readonly token?: string;
  /** Told where it listens, as soon as the module is there. */
  readonly listening?: (port: number) => void;
  readonly signal?: AbortSignal;
}

const PARITIES: Readonly<Record<string, RawPortLine['parity']>> = { N: 'none', E: 'even', O: 'odd' };

/** @throws DrydockError `request.invalid` */
export function parseLine(text: string): RawPortLine {
  const match = /^(\d{4,7}),([78]),([NEO]),([12])$/i.exec(text);
  const line = RawPortLine.safeParse(
    match && {
      baud: Number(match[1]),
      dataBits: Number(match[2]),
      parity: PARITIES[match[3]!.toUpperCase()],
      stopBits: Number(match[4]),
    },
  );
  if (!line.success) throw new DrydockError('request.invalid', { detail: '--line: BAUD,7|8,N|E|O,1|2' });
  return line.data;
}

/** @returns 0 when the tool had the port and hung up, 1 when anything else ended it. What runs then, the deployment tells. */
export async function joinPort(options: JoinPortOptions): Promise<number> {
  const json = options.json ?? false;
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  options.signal?.addEventListener('abort', stop);
  try {
    const line = options.line === undefined ? undefined : parseLine(options.line);
    const tool = await listenForTool(parseListen(options.listen));
    try {
      const base = requireSafeUrl(options.server, '--server', options.allowPlaintext ?? false);
      const url = new URL(rawPortToolPath(options.deployment), base.href.endsWith('/') ? base.href : `${base.href}/`);
      const end = await connectRawPort(url, await readToken(options), stopping.signal).catch(explain);
      stopping.signal.addEventListener('abort', () => void end.close());
      if (stopping.signal.aborted) await end.close();
      process.stderr.write('Waiting for the gateway.\n');
      const carried = await carry(end, tool, () => {
        if (line) end.say({ say: 'line', line });
        process.stderr.write(`The module is ready; its port is at ${options.listen.split(':')[0]} ${tool.port}.\n`);
        options.listening?.(tool.port);
      });
      const { isHungUp, ...counts } = carried;
      const by = isHungUp || stopping.signal.aborted ? 'tool' : (end.ended()?.by ?? 'server');
      if (json) printJson({ by, ...counts });
      else {
        printLines([`ended by    ${by}`, `bytes       ${counts.toDevice} to the module, ${counts.toTool} to the tool`]);
      }
      return by === 'tool' && counts.toDevice > 0 ? 0 : 1;
    } finally {
      await tool.close();
    }
  } catch (error) {
    return tellError(error, json);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    options.signal?.removeEventListener('abort', stop);
  }
}

/** Bytes both ways from the moment the port is open, until either end is gone. */
async function carry(
  end: RawPortEnd,
  tool: Awaited<ReturnType<typeof listenForTool>>,
  ready: () => void,
): Promise<{ toDevice: number; toTool: number; isHungUp: boolean }> {
  const counts = { toDevice: 0, toTool: 0, isHungUp: false };
  end.onBytes(async (bytes) => {
    counts.toTool += bytes.length;
    await tool.send(bytes);
  });
  if (await end.opened) {
    ready();
    tool.onBytes(async (bytes) => {
      counts.toDevice += bytes.length;
      await end.send(bytes);
    });
    await Promise.race([tool.gone.then(() => (counts.isHungUp = end.ended() === undefined)), end.gone]);
  }
  await end.close();
  return counts;
}

/** The words of the server's problem document say more than that it is not available. */
function explain(error: unknown): never {
  if (error instanceof HttpStatusError) throw new DrydockError('request.invalid', { detail: error.message });
  throw error;
}

/** A command line can be read by everybody on the machine. */
async function readToken({ token, tokenFile }: JoinPortOptions): Promise<string> {
  if (token !== undefined) return token;
  const text =
    tokenFile === undefined
      ? process.env['DRYDOCK_TOKEN']
      : await readFile(tokenFile, 'utf8').catch((error: Error) => {
          throw new DrydockError(
            'settings.invalid',
            { field: '--token-file', detail: error.message },
            { cause: error },
          );
        });
  if (!text?.trim()) {
    throw new DrydockError('settings.invalid', {
      field: 'DRYDOCK_TOKEN',
      detail: 'an API token of an admin is needed, in this variable or in the file named by --token-file',
    });
  }
  return text.trim();
}
