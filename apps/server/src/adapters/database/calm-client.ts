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
