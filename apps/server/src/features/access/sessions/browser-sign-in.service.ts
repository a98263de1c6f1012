/** How a browser gets a session: by password or by API token. Guessing is slowed down by address and by account. */
import { Inject, Injectable } from '@nestjs/common';
import type { SignInMethods, SignInWith } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { queryRows } from '../../../adapters/database/rows.js';
import { inTransaction } from '../../../adapters/database/transaction.js';
import { FAILURE_LIMITER, FailureLimiter } from '../../../http/failure-limiter.js';
import { ProblemError } from '../../../http/problem-error.js';
import { SETTINGS, type Settings } from '../../../settings/settings.js';
import { AUDIT, type Audit } from '../../audit/audit.port.js';
import type { Actor } from '../actor.js';
import { SignIn } from '../sign-in.js';
import { isPassword } from './password-hash.js';
import { SessionsService, type BrowserFacts } from './sessions.service.js';

/** An account refuses passwords for a while after so many wrong ones; a token or the provider still open the door. */
const ACCOUNT_LIMIT = { maxFailures: 10, windowMs: 15 * 60_000 };

interface PersonRow {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly password_hash: string | null;
}

@Injectable()
export class BrowserSignIn {
  private readonly accounts = new FailureLimiter(ACCOUNT_LIMIT);

  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(AUDIT) private readonly audit: Audit,
    @Inject(FAILURE_LIMITER) private readonly addresses: FailureLimiter,
    @Inject(SignIn) private readonly signIn: SignIn,
    @Inject(SessionsService) private readonly sessions: SessionsService,
  ) {}

  methods(): SignInMethods {
    return {
      password: this.settings.passwordSignIn,
      oidc: this.settings.oidcIssuer === undefined ? null : this.settings.oidcName,
    };
  }

  /**
   * @returns the secret of the new session.
   * @throws ProblemError `sign-in.refused`, `sign-in.off`, `request.unauthenticated`, `request.rate`
   */
  async open(body: SignInWith, browser: BrowserFacts): Promise<string> {
    if (body.with === 'password') {
      const person = await this.byPassword(body.email, body.password, browser);
      const opener = { orgId: person.org_id, personId: person.id, name: person.name };
      return inTransaction(this.source, (tx) =>
        this.sessions.open(tx, { ...opener, method: 'password', confirmed: true }, browser),
      );
    }
    const actor = await this.signIn.person(`Bearer ${body.token}`, browser);
    return inTransaction(this.source, (tx) =>
      this.sessions.open(tx, { ...actor, method: 'token', apiTokenId: actor.credential.id, confirmed: true }, browser),
    );
  }

  /**
   * Whoever has the session proves again that it is they.
   * @throws ProblemError as `open`; `sign-in.refused` also where it is somebody else; `request.conflict` without a session.
   */
  async confirm(actor: Actor, body: SignInWith, browser: BrowserFacts): Promise<void> {
    if (actor.credential.kind !== 'session') {
      throw new ProblemError('request.conflict', { detail: 'an API token signed this request, no session did' });
    }
    const personId =
      body.with === 'password'
        ? (await this.byPassword(body.email, body.password, browser)).id
        : (await this.signIn.person(`Bearer ${body.token}`, browser)).personId;
    if (personId !== actor.personId) throw new ProblemError('sign-in.refused');
    await this.sessions.confirm(actor, body.with);
  }

  private async byPassword(email: string, password: string, browser: BrowserFacts): Promise<PersonRow> {
    if (!this.settings.passwordSignIn) throw new ProblemError('sign-in.off', { method: 'password' });
    const account = email.trim().toLowerCase();
    this.addresses.check(browser.ip);
    // Asked for an unknown address as for a known one, so that the answer does not tell who has an account.
    this.accounts.check(account);
    // Counted before the comparison: many at once do not slip through.
    this.addresses.failed(browser.ip);
    this.accounts.failed(account);
    const people = await queryRows<PersonRow>(
      this.source.manager,
      `select id, org_id, name, password_hash from people where lower(email) = $1 and disabled_at is null limit 2`,
      [account],
    );
    // An address that two people have is nobody's.
    const person = people.length === 1 ? people[0] : undefined;
    if (!(await isPassword(password, person?.password_hash ?? null)) || !person) {
      if (person) await this.tell(person, browser);
      throw new ProblemError('sign-in.refused');
    }
    this.addresses.succeeded(browser.ip);
    this.accounts.forgive(account);
    return person;
  }

  private async tell(person: { id: string; org_id: string }, browser: BrowserFacts): Promise<void> {
    await this.audit.record(this.source.manager, {
      orgId: person.org_id,
      actor: { kind: 'system', name: 'sign-in' },
      action: 'sign-in.failed',
      target: { kind: 'person', id: person.id },
      params: { method: 'password', address: browser.ip },
    });
  }
}
