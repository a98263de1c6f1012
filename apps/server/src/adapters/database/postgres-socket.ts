/**
 * The socket file of the embedded Postgres, in its data folder: a sign of life that containers share.
 *
 * A process id says nothing across containers: each has numbers of its own, so a pid file of a neighbour on the same volume
 * looks stale. Whoever listens on a socket file is reached through the file, whatever container that is, and
 * nobody is as soon as the process has ended (unix(7): ECONNREFUSED).
 */
import { closeSync, constants, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const PREFIX = '.s.PGSQL.';
const CONNECT_TIMEOUT_MS = 2_000;
/** What a connect answers when no process listens behind the name; anything else may be one that is busy. */
const NOBODY = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR']);

/**
 * Where Postgres makes its socket: its data folder, which is its working directory. A relative name, since a whole
 * one may be longer than the 107 bytes that a socket's address has.
 */
export const SOCKET_FOLDER = process.platform === 'win32' ? '' : '.';

/** Whether Postgres gave up because the folder's file system has no sockets. */
export const hasNoSockets = (output: string): boolean => /Unix-domain socket|Unix address/i.test(output);

/** Whether a process, in this container or another one, listens on the socket of `port` in the data folder. Never throws. */
export async function isServedThroughSocket(clusterDir: string, port: number): Promise<boolean> {
  const name = `${PREFIX}${port}`;
  if (!Number.isInteger(port) || !existsSync(join(clusterDir, name))) return false;
  // Through an open folder the address is short, however deep the folder lies.
  const folder = existsSync('/proc/self/fd')
    ? openSync(clusterDir, constants.O_RDONLY | constants.O_DIRECTORY)
    : undefined;
  const path = folder === undefined ? join(clusterDir, name) : `/proc/self/fd/${folder}/${name}`;
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connect({ path });
      const settle = (served: boolean) => {
        socket.destroy();
        resolve(served);
      };
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(true));
      socket.once('connect', () => settle(true));
      socket.once('error', (error: NodeJS.ErrnoException) => settle(!NOBODY.has(error.code ?? '')));
    });
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

/** Takes away the sockets that killed ones left, which nobody listens on. */
export function removeDeadSockets(clusterDir: string): void {
  for (const name of readdirSync(clusterDir)) {
    if (name.startsWith(PREFIX)) rmSync(join(clusterDir, name), { force: true });
  }
}
