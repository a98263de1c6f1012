import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sessions of browsers, passwords, links that set one, and the way to an OpenID provider and back. */
export class Sessions1700000000009 implements MigrationInterface {
  name = 'Sessions1700000000009';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
alter table people add column password_hash text, add column password_set_at timestamptz,
  add column oidc_issuer text, add column oidc_subject text;
create unique index people_oidc on people (oidc_issuer, oidc_subject) where oidc_subject is not null;
create index people_email on people (lower(email)) where email is not null;
create table sessions (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  person_id uuid not null references people,
  -- sha-256 of a random secret
  token_hash bytea not null unique,
  method text not null,
  -- of a session that an API token opened: it does not outlive the token
  api_token_id uuid references api_tokens,
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  ends_at timestamptz not null,
  ended_at timestamptz,
  address text not null,
  user_agent text not null
);
create index sessions_person on sessions (person_id, created_at);
create index sessions_end on sessions (ends_at);
create table password_links (
  token_hash bytea primary key,
  org_id uuid not null references orgs,
  person_id uuid not null references people,
  expires_at timestamptz not null
);
create index password_links_person on password_links (person_id);
create table oidc_attempts (
  -- sha-256 of the browser's cookie
  browser_hash bytea primary key,
  state text not null,
  nonce text not null,
  verifier text not null,
  return_to text not null,
  expires_at timestamptz not null
);
create index oidc_attempts_end on oidc_attempts (expires_at);
`;

const DOWN = /* sql */ `
drop table oidc_attempts, password_links, sessions;
drop index people_email, people_oidc;
alter table people drop column password_hash, drop column password_set_at, drop column oidc_issuer, drop column oidc_subject;
`;
