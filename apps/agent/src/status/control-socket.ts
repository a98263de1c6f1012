/**
 * The daemon's ear on its own machine: a Unix socket in the state folder, for its own user alone. A request is one line
 * of JSON, `{"ask":"status"}`; so is the answer. Whoever has the socket has the state folder, so nothing is signed.
 */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import type { Logger } from '../logger.js';
import { controlPath, MAX_SOCKET_PATH } from './state-folder.js';

export type Answers = Readonly<Record<string, () => unknown>>;

const MAX_REQUEST = 4096;
const MAX_ANSWER = 4 * 1024 * 1024;
const REQUEST_MS = 5000;
const MAX_CALLERS = 16;

export interface ControlSocket {
  close(): Promise<void>;
}

/**
 * Listens. A folder whose path is too long for a socket is told and has none.
 * @throws DrydockError `settings.invalid` when another agent answers there: two on one journal would harm both.
 */
export async function openControlSocket(stateDir: string, answers: Answers, log: Logger): Promise<ControlSocket> {
  const path = controlPath(stateDir);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    log.warn({ path, longest: MAX_SOCKET_PATH }, 'no status socket: the path is too long');
    return { close: () => Promise.resolve() };
  }
  const other = await askDaemon(stateDir, 'who', 1000).catch(() => undefined);
  if (other !== undefined) {
    const pid = (other as { pid?: unknown }).pid;
    throw new DrydockError('settings.invalid', {
      field: '--state',
      detail: `another agent${typeof pid === 'number' ? ` (process ${pid})` : ''} runs on ${stateDir}`,
    });
  }
  await rm(path, { force: true });
  const callers = new Set<Socket>();
  const server = createServer((socket) => {
    if (callers.size >= MAX_CALLERS) {
      socket.destroy();
      return;
    }
    callers.add(socket);
    socket.on('close', () => callers.delete(socket));
    serve(socket, { who: () => ({ pid: process.pid }), ...answers });
  });
  try {
    // The first start is the first to need the folder; without it no status would be told until the next.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await listen(server, path);
    await chmod(path, 0o600);
  } catch (error) {
    // A folder on a file system without sockets still holds a journal.
    log.warn({ path, detail: (error as Error).message }, 'no status socket');
    server.close();
    return { close: () => Promise.resolve() };
  }
  server.on('error', (error) => log.warn({ detail: error.message }, 'status socket'));
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of callers) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/**
 * Asks the daemon that runs on a state folder.
 * @throws DrydockError `gateway.no-link` when nobody answers there in time.
 */
export function askDaemon(stateDir: string, question: string, withinMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(controlPath(stateDir));
    const fail = (detail: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new DrydockError('gateway.no-link', { detail }));
    };
    const timer = setTimeout(() => fail(`the agent did not answer within ${withinMs} ms`), withinMs);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', (error) => fail(error.message));
    socket.on('connect', () => socket.write(`${JSON.stringify({ ask: question })}\n`));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER) return fail('the answer has no end');
      const end = text.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      socket.destroy();
      try {
        resolve(JSON.parse(text.slice(0, end)));
      } catch {
        fail('the answer is no JSON');
      }
    });
    socket.on('end', () => fail('the agent hung up'));
  });
}

function serve(socket: Socket, answers: Answers): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(REQUEST_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  const take = (part: string): void => {
    text += part;
    const end = text.indexOf('\n');
    if (end < 0 && text.length <= MAX_REQUEST) return;
    socket.off('data', take);
    socket.end(`${JSON.stringify(answerTo(text.slice(0, Math.max(0, end)), answers))}\n`);
  };
  socket.on('data', take);
}

function answerTo(text: string, answers: Answers): unknown {
  let ask: unknown;
  try {
    ask = (JSON.parse(text) as { ask?: unknown } | null)?.ask;
  } catch {
    ask = undefined;
  }
  const answer = typeof ask === 'string' && Object.hasOwn(answers, ask) ? answers[ask] : undefined;
  if (!answer) return { error: `ask one of: ${Object.keys(answers).join(', ')}` };
  try {
    return answer();
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** The socket is never readable for others, not even between its birth and `chmod`. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const was = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(was);
    }
  });
}
