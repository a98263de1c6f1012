/** Places in the agent's state folder that more than one command knows. */
import { join } from 'node:path';

export const logPath = (stateDir: string): string => join(stateDir, 'logs', 'agent.log');
export const controlPath = (stateDir: string): string => join(stateDir, 'control.sock');

/** A Unix socket's address is at most this long on Linux (`sun_path` of unix(7), with its final zero). */
export const MAX_SOCKET_PATH = 107;
