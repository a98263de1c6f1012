/** Binding a port the way a person expects: a given one or an error that names the setting, a default one or another. */
import type { Server } from 'node:net';
import { SettingsError } from '../settings/settings.js';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Setting to name when the port is taken. */
  readonly setting: string;
  /** True when a person set the port: it is then never replaced. */
  readonly given: boolean;
}

/**
 * @returns the port that was bound.
 * @throws SettingsError when a given port is taken or not allowed, or the address is not one of this machine.
 */
export async function listenOn(
  server: Pick<Server, 'listen' | 'once' | 'off' | 'address'>,
  at: ListenAddress,
): Promise<number> {
  try {
    await listen(server, at.host, at.port);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const taken = code === 'EADDRINUSE' || code === 'EACCES';
    if (!taken || at.given) {
      const words = code === 'EADDRINUSE' ? 'is taken' : `cannot be bound (${code ?? String(error)})`;
      throw new SettingsError('settings.invalid', { field: at.setting, detail: `${at.host}:${at.port} ${words}` });
    }
    await listen(server, at.host, 0);
  }
  return (server.address() as { port: number }).port;
}

function listen(server: Pick<Server, 'listen' | 'once' | 'off'>, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
