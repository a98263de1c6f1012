/**
 * Whether the server can be reached at all, asked by a version that is known to be good, right after one that was on trial
 * was left because it got no connection. Either the server is away for everybody, or that version was at fault.
 */
import { connect } from 'node:net';
import type { Clock } from '../clock.js';

/** The server is given so long to take a connection. */
export const REACH_MS = 20_000;
const CONNECT_MS = 3000;
const PAUSE_MS = 1000;

export type Reach = 'looking' | 'there' | 'away';

/** @returns whether something takes a TCP connection where the URL points to. */
export function takesConnection(serverUrl: string, withinMs = CONNECT_MS): Promise<boolean> {
  const { hostname, port, protocol } = new URL(serverUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port || (protocol === 'http:' ? 80 : 443)) });
    const end = (isThere: boolean) => (): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(withinMs, end(false));
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}

export class ServerReach {
  #reach: Reach = 'looking';
  #stopped = false;

  /** @param isThere one look; `online`: the uplink is connected, which settles it. */
  constructor(
    private readonly clock: Clock,
    private readonly isThere: () => Promise<boolean>,
    private readonly online: () => boolean,
  ) {}

  get reach(): Reach {
    return this.#reach;
  }

  start(): void {
    void this.#look(this.clock.monotonicMs() + REACH_MS);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #look(endsAtMs: number): Promise<void> {
    if (this.online() || (await this.isThere().catch(() => false))) {
      this.#reach = 'there';
      return;
    }
    if (this.clock.monotonicMs() >= endsAtMs) this.#reach = 'away';
    else if (!this.#stopped) this.clock.after(PAUSE_MS, () => void this.#look(endsAtMs));
  }
}
