/**
 * A connection whose loss never ends the process. A pool listens for errors of idle connections only: one that is checked
 * out and waits between two statements, or that is told of its end twice (by the server and by the socket), would throw
 * where nobody can catch. Whoever uses the connection learns of the loss by the next statement, which is rejected.
 */
import pg from 'pg';

/** For the `Client` option of every `pg.Pool`. */
export class CalmClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

const REFUSED_AFTER_MS = 500;

/**
 * One that could not connect says so only after a while. BullMQ's workers ask again at once whenever they are refused for
 * another reason than a closed port ("the database system is starting up"), as fast as the refusals come.
 */
export class PatientClient extends CalmClient {
  override connect(): Promise<this>;
  override connect(callback: ((error: Error) => void) | ((error: null, client: pg.Client) => void)): void;
  override connect(callback?: unknown): Promise<this> | void {
    const tried = super.connect().then(
      () => this,
      async (error: unknown) => {
        await new Promise((resolve) => setTimeout(resolve, REFUSED_AFTER_MS));
        throw error;
      },
    );
    if (typeof callback !== 'function') return tried;
    const tell = callback as (error: unknown, client?: pg.Client) => void;
    tried.then(
      () => tell(null, this),
      (error: unknown) => tell(error),
    );
    return undefined;
  }
}
