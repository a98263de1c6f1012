import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Versions of a campaign's plan, and when the person of a session last proved who they are. */
export class CampaignPlans1700000000012 implements MigrationInterface {
  name = 'CampaignPlans1700000000012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
create table campaign_plans (
  campaign_id uuid not null references campaigns,
  version int not null,
  at timestamptz not null default clock_timestamp(),
  by_id uuid references people,
  -- null: it was there before versions were kept
  by_name text,
  -- started, put up for approval, or changed while the campaign ran: it is not written over any more
  used_at timestamptz,
  -- the last approval that it needed was given
  approved_at timestamptz,
  name text not null,
  note text not null,
  artifact_id uuid not null references artifacts,
  selector jsonb not null,
  policy jsonb not null,
  primary key (campaign_id, version)
);
insert into campaign_plans (campaign_id, version, at, used_at, approved_at, name, note, artifact_id, selector, policy)
  select id, 1, created_at, case when state <> 'draft' then coalesce(started_at, state_at) end,
    case when state not in ('draft', 'awaiting-approval') then coalesce(started_at, state_at) end,
    name, note, artifact_id, selector, policy from campaigns;

alter table sessions add column confirmed_at timestamptz;
update sessions set confirmed_at = created_at where method <> 'oidc';
alter table oidc_attempts add column again boolean not null default false;
`;

const DOWN = /* sql */ `
alter table oidc_attempts drop column again;
alter table sessions drop column confirmed_at;
drop table campaign_plans;
`;
