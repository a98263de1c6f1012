/** Passwords: set by a link that an admin hands out, changed by their person, compared at sign-in. */
import { Inject, Injectable } from '@nestjs/common';
import type { ChangePassword, PasswordLink, SetPassword } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { ADDRESSES, type Addresses } from '../../../adapters/addresses.js';
import { queryRows } from '../../../adapters/database/rows.js';
import { inTransaction } from '../../../adapters/database/transaction.js';
import { ProblemError } from '../../../http/problem-error.js';
import { AUDIT, type Audit } from '../../audit/audit.port.js';
import { AccessService } from '../access.service.js';
import type { Actor } from '../actor.js';
import { expectFreshSignIn } from './fresh-sign-in.js';
import { hashPassword, isPassword } from './password-hash.js';
import { hashSessionSecret, makeSecret } from './session-secret.js';
import { SessionsService } from './sessions.service.js';

const LINK_HOURS = 24;

@Injectable()
export class PasswordsService {
  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
    @Inject(ADDRESSES) private readonly addresses: Addresses,
    @Inject(AccessService) private readonly access: AccessService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
  ) {}

  /**
   * A new link takes the place of an older one. The secret is behind the `#`: it reaches no log of a server or proxy.
   * @throws ProblemError `sign-in.again`
   */
  async makeLink(actor: Actor, personId: string): Promise<PasswordLink> {
    const person = await this.access.get(actor, personId);
    if (person.disabledAt !== null)
      throw new ProblemError('request.conflict', { detail: `${person.name} is disabled` });
    if (person.email === null) {
      throw new ProblemError('request.conflict', { detail: `${person.name} has no e-mail address to sign in with` });
    }
    const secret = makeSecret();
    return inTransaction(this.source, async (tx) => {
      await expectFreshSignIn(tx, actor);
      await queryRows(tx, 'delete from password_links where person_id = $1', [personId]);
      const [link] = await queryRows<{ expires_at: Date }>(
        tx,
        `insert into password_links (token_hash, org_id, person_id, expires_at)
         values ($1, $2, $3, now() + interval '${LINK_HOURS} hours') returning expires_at`,
        [hashSessionSecret(secret), actor.orgId, personId],
      );
      await this.record(tx, actor.orgId, actor, 'password-link.created', personId, {});
      return { url: `${this.addresses.http}/set-password#${secret}`, expiresAt: link!.expires_at.toISOString() };
    });
  }

  /** @throws ProblemError `password.link`; the link is used up only where the password was set. */
  async setByLink(body: SetPassword): Promise<void> {
    const wrong = () => new ProblemError('password.link');
    const tokenHash = hashSessionSecret(body.token);
    const known = await queryRows(
      this.source.manager,
      'select 1 from password_links where token_hash = $1 and expires_at > now()',
      [tokenHash],
    );
    // A hash costs much: nobody gets one for a guess.
    if (known.length === 0) throw wrong();
    const hash = await hashPassword(body.password);
    await inTransaction(this.source, async (tx) => {
      const [link] = await queryRows<{ org_id: string; person_id: string; name: string }>(
        tx,
        `with used as (delete from password_links where token_hash = $1 and expires_at > now() returning org_id, person_id)
         select used.*, p.name from used join people p on p.id = used.person_id where p.disabled_at is null`,
        [tokenHash],
      );
      if (!link) throw wrong();
      await this.keep(tx, link.person_id, hash, undefined);
      const who = { kind: 'system' as const, name: `link for ${link.name}` };
      await this.record(tx, link.org_id, who, 'password.set', link.person_id, { by: 'link' });
    });
  }

  /** @throws ProblemError `sign-in.refused` where the present password is another; `sign-in.again` where there is none. */
  async change(actor: Actor, body: ChangePassword): Promise<void> {
    const [person] = await queryRows<{ password_hash: string | null; email: string | null }>(
      this.source.manager,
      'select password_hash, email from people where id = $1',
      [actor.personId],
    );
    if (person!.email === null) {
      throw new ProblemError('request.conflict', {
        detail: 'you have no e-mail address to sign in with; an admin adds it',
      });
    }
    const before = person!.password_hash;
    // A first password is no proof of who sets it.
    if (before === null) await expectFreshSignIn(this.source.manager, actor);
    else if (!(await isPassword(body.current ?? '', before))) throw new ProblemError('sign-in.refused');
    const hash = await hashPassword(body.password);
    await inTransaction(this.source, async (tx) => {
      const own = actor.credential.kind === 'session' ? actor.credential.id : undefined;
      const ended = await this.keep(tx, actor.personId, hash, own);
      await this.record(tx, actor.orgId, actor, 'password.set', actor.personId, { by: 'person', sessionsEnded: ended });
    });
  }

  private async keep(
    tx: EntityManager,
    personId: string,
    hash: string,
    ownSession: string | undefined,
  ): Promise<number> {
    await queryRows(tx, 'update people set password_hash = $2, password_set_at = now() where id = $1', [
      personId,
      hash,
    ]);
    await queryRows(tx, 'delete from password_links where person_id = $1', [personId]);
    // Whoever had the old password may have opened sessions with it.
    return this.sessions.endOthers(tx, personId, ownSession);
  }

  private record(
    tx: EntityManager,
    orgId: string,
    actor: Actor | { kind: 'system'; name: string },
    action: string,
    personId: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId, actor, action, target: { kind: 'person', id: personId }, params });
  }
}
