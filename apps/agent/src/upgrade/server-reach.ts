/**
 * Whether the server can be reached at all, asked where a version got no connection: either the server, or the way to it,
 * is away for everybody, or that version is at fault.
 */
import type { Clock } from '../clock.js';
import { httpOpen } from '../uplink/http-client.js';
import { agentUrl } from '../uplink/server-http.js';

const ANSWER_MS = 3000;
const PAUSE_MS = 1000;
const WATCH_MS = 5000;
/** After an outage an agent may try again only a minute later, and then has to be let in. */
const FAIR_MS = 75_000;

/**
 * @returns whether a server answers there: to a question that needs no login, and not for a server that is away, as
 *   proxies do (502, 503, 504).
 */
export async function answersAt(serverUrl: string, withinMs = ANSWER_MS): Promise<boolean> {
  const url = agentUrl(new URL(serverUrl), 'root');
  url.searchParams.set('after', '0');
  const signal = AbortSignal.timeout(withinMs);
  try {
    const response = await httpOpen({ method: 'GET', url, timeoutMs: withinMs, signal });
    response.on('error', () => undefined);
    response.destroy();
    return (response.statusCode ?? 0) < 500;
  } catch {
    return false;
  }
}

/** Looks until it is there, or the time is over. */
export class ServerReach {
  #stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly isThere: () => boolean,
    private readonly withinMs: number,
    private readonly found: (reach: 'there' | 'away') => void,
  ) {}

  start(): void {
    this.#look(this.clock.monotonicMs() + this.withinMs);
  }

  stop(): void {
    this.#stopped = true;
  }

  #look(endsAtMs: number): void {
    if (this.#stopped) return;
    if (this.isThere()) this.found('there');
    else if (this.clock.monotonicMs() >= endsAtMs) this.found('away');
    else this.clock.after(PAUSE_MS, () => this.#look(endsAtMs));
  }
}

/** Looks now and then whether the server answers, while a version is on trial. */
export class AnswerWatch {
  #looked = false;
  #silentAtMs: number | undefined;
  #callOff: (() => void) | undefined;
  #stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly answers: () => Promise<boolean>,
  ) {}

  /** It answered all the time, or lately for so long that whoever works would have connected. */
  get answered(): boolean {
    const { clock } = this;
    return this.#looked && (this.#silentAtMs === undefined || clock.monotonicMs() - this.#silentAtMs >= FAIR_MS);
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
  }

  async #look(): Promise<void> {
    const answers = await this.answers().catch(() => false);
    if (this.#stopped) return;
    this.#looked = true;
    if (!answers) this.#silentAtMs = this.clock.monotonicMs();
    this.#callOff = this.clock.after(WATCH_MS, () => void this.#look());
  }
}
