/** What the server's order says about the level of the log. The newest order counts; it ends by the server's clock. */
import type { OrdersBody } from '@drydock/contracts';
import type { LogLevelSwitch } from './log-level.js';

export class RemoteLogLevel {
  #held = { reign: 0, revision: 0 };
  #wish: NonNullable<OrdersBody['settings']>['logLevel'];
  /** The wish that is in force, as text. */
  #inForce: string | undefined;

  constructor(
    private readonly level: Pick<LogLevelSwitch, 'set'>,
    /** The server's clock, null while it is not known. */
    private readonly serverMs: () => number | null,
  ) {}

  take(body: Pick<OrdersBody, 'reign' | 'revision' | 'settings'>): void {
    const { reign, revision } = this.#held;
    if (body.reign < reign || (body.reign === reign && body.revision < revision)) return;
    this.#held = { reign: body.reign, revision: body.revision };
    this.#wish = body.settings?.logLevel;
    this.look();
  }

  /** Again, when the time becomes known: until then nobody can say whether a wish is over. */
  look(): void {
    const said = this.#wish && JSON.stringify(this.#wish);
    if (said === this.#inForce) return;
    if (!this.#wish) {
      this.#inForce = undefined;
      this.level.set('', 0);
      return;
    }
    const now = this.serverMs();
    if (now === null) return;
    this.#inForce = said;
    this.level.set(this.#wish.level, this.#wish.untilMs - now);
  }
}
