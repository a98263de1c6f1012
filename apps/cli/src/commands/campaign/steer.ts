/** `campaign start|resume|approve|decline|rollback|complete|lift|release|cancel`: what lets one go on, or changes it. */
import type { Command } from 'commander';
import { findArtifact, findCampaign, findDevice, getCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { change, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT } from '../../exit-codes.js';
import { plural } from '../../output/format.js';
import { requireReason, requireYes, type ChangeFlags } from '../../prompt.js';
import { approvalSentence, headline, resultLines, type Campaign } from './sentences.js';

/** A million members take a while to be planned. */
const LONG_START_MS = 600_000;

export function addCampaignSteer(campaign: Command, running: Running): void {
  change<ChangeFlags>(campaign, running, 'start <name>', 'start a draft, or ask for its approvals', start, 'campaign');
  change<ChangeFlags & { acceptUnproven?: boolean }>(
    campaign,
    running,
    'resume <name>',
    'go on after a pause, a halt or a held stage',
    resume,
    'campaign',
  ).option('--accept-unproven', 'from now on unproven results count as known and not failed');
  change<ChangeFlags & { stage?: string }>(
    campaign,
    running,
    'approve <name>',
    'approve the plan, or the gate that waits for a person',
    approve,
    'campaign',
  ).option('--stage <name>', 'the gate of this stage (name or number)');
  change<ChangeFlags>(
    campaign,
    running,
    'decline <name>',
    'take a plan that waits for approvals back to a draft',
    decline,
    'campaign',
  );
  change<ChangeFlags & { artifact?: string }>(
    campaign,
    running,
    'rollback <name>',
    'draft a campaign that takes its devices back to what they ran',
    rollBack,
    'campaign',
  ).option('--artifact <sha>', 'where they ran several versions');
  change<ChangeFlags>(
    campaign,
    running,
    'complete <name>',
    'end a dynamic campaign whose devices are all finished',
    complete,
    'campaign',
  );
  change<ChangeFlags>(
    campaign,
    running,
    'lift <name> <gateway-or-site>',
    'end a quarantine of this campaign',
    lift,
    'campaign',
  );
  change<ChangeFlags>(
    campaign,
    running,
    'release <name> <version>',
    'let devices that ran a version go on after the brake stopped them',
    release,
    'campaign',
  );
  change<ChangeFlags & { safePoint?: boolean }>(
    campaign,
    running,
    'cancel <name> <device>',
    'take one device out',
    cancel,
    'campaign',
  ).option('--safe-point', 'also where its update has begun: it leaves where the device still works');
}

const pathOf = (id: string) => ({ params: { path: { id } } });

function told(cli: Cli, campaign: Campaign, lines: readonly string[]): void {
  cli.out.answer({ campaign: campaign.name, state: campaign.state, revision: campaign.revision }, () => lines);
}

function wouldBe(cli: Cli, name: string, would: string): void {
  cli.out.answer({ dryRun: true, campaign: name, would }, () => [`Would ${would}. Nothing was done.`]);
}

/** Plans that wait for somebody else are no failure of the start. */
async function start(cli: Cli, [name = '']: string[], flags: ChangeFlags): Promise<void> {
  const api = await cli.api(LONG_START_MS);
  const before = await getCampaign(api, name);
  if (before.state === 'awaiting-approval') {
    throw new CliError('approval.missing', EXIT.notAllowed, approvalSentence(before, cli.out), {
      fix: `ask another approver to run  drydock campaign approve ${before.name}`,
    });
  }
  if (flags.dryRun === true) return wouldBe(cli, before.name, `start ${before.name} (it is ${before.state})`);
  const body = flags.reason === undefined ? {} : { reason: flags.reason };
  const after = await api.ask(api.client.POST('/api/v1/campaigns/{id}/start', { ...pathOf(before.id), body }));
  const waits = after.state === 'awaiting-approval';
  told(cli, after, [
    waits
      ? `${approvalSentence(after, cli.out)}`
      : after.state === 'scheduled'
        ? `Scheduled for ${cli.out.times.at(after.startAt)}: ${plural(after.sums.total, 'device')}.`
        : `Running: ${plural(after.sums.total, 'device')}.${after.preempted === null ? '' : ` ${after.preempted} grants of other campaigns were taken back.`}`,
    waits
      ? `  next    an approver runs  drydock campaign approve ${after.name}`
      : `  follow  drydock campaign watch ${after.name}`,
    ...(waits ? [] : [`  stop    drydock campaign pause ${after.name}`]),
  ]);
}

async function resume(
  cli: Cli,
  [name = '']: string[],
  flags: ChangeFlags & { acceptUnproven?: boolean },
): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  if (before.state === 'halted') {
    cli.out.say(`Halted ${cli.out.times.at(before.stateAt)}: ${before.stateReason ?? ''}`);
    for (const line of resultLines(before)) cli.out.say(`  ${line}`);
  }
  if (flags.dryRun === true) return wouldBe(cli, before.name, `resume ${before.name} (it is ${before.state})`);
  const reason = await requireReason(cli, flags, `drydock campaign resume ${before.name}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/resume', {
      ...pathOf(before.id),
      body: { reason, ...(flags.acceptUnproven === true && { acceptUnproven: true as const }) },
    }),
  );
  told(cli, after, [`It is ${after.state} again.`, `  follow  drydock campaign watch ${after.name}`]);
}

async function approve(cli: Cli, [name = '']: string[], flags: ChangeFlags & { stage?: string }): Promise<void> {
  const api = await cli.api(LONG_START_MS);
  const before = await getCampaign(api, name);
  const body = flags.reason === undefined ? {} : { reason: flags.reason };
  if (flags.stage === undefined && before.state === 'awaiting-approval') {
    const { artifact } = before;
    cli.out.say(
      `${before.name}, revision ${before.revision}: ${artifact.model} ${artifact.version} (${artifact.sha256.slice(0, 12)}) for ${plural(before.sums.total, 'device')}.`,
    );
    cli.out.say(approvalSentence(before, cli.out));
    if (flags.dryRun === true)
      return wouldBe(cli, before.name, `approve revision ${before.revision} of ${before.name}`);
    await requireYes(cli, flags, 'Approve exactly this plan?', `drydock campaign approve ${before.name}`);
    const after = await api.ask(api.client.POST('/api/v1/campaigns/{id}/approve', { ...pathOf(before.id), body }));
    told(cli, after, [
      after.state === 'awaiting-approval' ? approvalSentence(after, cli.out) : `Approved; it is ${after.state}.`,
    ]);
    return;
  }
  const stage = stageToApprove(before, flags.stage);
  cli.out.say(
    `Stage ${stage.index + 1} ${stage.name}: ${stage.state}; known ${stage.sums.known}, failed ${stage.sums.failed}, reverted ${stage.sums.reverted}.`,
  );
  if (flags.dryRun === true) return wouldBe(cli, before.name, `approve the gate of stage ${stage.name}`);
  await requireYes(
    cli,
    flags,
    `Open what comes after stage ${stage.name}?`,
    `drydock campaign approve ${before.name} --stage ${stage.name}`,
  );
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/stages/{index}/approve', {
      params: { path: { id: before.id, index: stage.index } },
      body,
    }),
  );
  told(cli, after, [`Approved the gate of stage ${stage.name}. ${headline(after, cli.out)}`]);
}

function stageToApprove(campaign: Campaign, wanted: string | undefined): Campaign['stages'][number] {
  const { stages } = campaign;
  const found =
    wanted === undefined
      ? stages.find(
          (stage) =>
            stage.gate.approval && stage.approvedBy === null && ['open', 'soaking', 'held'].includes(stage.state),
        )
      : stages.find((stage) => stage.name === wanted || String(stage.index + 1) === wanted);
  if (found) return found;
  throw wanted === undefined
    ? new CliError(
        'approval.not-wanted',
        EXIT.conflict,
        `${campaign.name} is ${campaign.state}, and no gate of it waits for a person.`,
      )
    : new CliError('request.not-found', EXIT.notFound, `${campaign.name} has no stage ${wanted}.`, {
        fix: `stages are ${stages.map(({ name }) => name).join(', ')}`,
      });
}

async function decline(cli: Cli, [name = '']: string[], flags: ChangeFlags): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  if (flags.dryRun === true)
    return wouldBe(cli, before.name, `take ${before.name} back to a draft; its approvals are dropped`);
  const reason = await requireReason(cli, flags, `drydock campaign decline ${before.name}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/withdraw', { ...pathOf(before.id), body: { reason } }),
  );
  told(cli, after, [`${after.name} is a draft again; approvals given so far are dropped.`]);
}

async function rollBack(cli: Cli, [name = '']: string[], flags: ChangeFlags & { artifact?: string }): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  if (flags.dryRun === true)
    return wouldBe(
      cli,
      before.name,
      `draft a campaign that takes ${plural(before.sums.proven, 'device')} and those at risk back to what they ran`,
    );
  const reason = await requireReason(cli, flags, `drydock campaign rollback ${before.name}`);
  const artifactId = flags.artifact === undefined ? undefined : (await findArtifact(api, flags.artifact)).id;
  const draft = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/rollback', {
      ...pathOf(before.id),
      body: { reason, ...(artifactId !== undefined && { artifactId }) },
    }),
  );
  told(cli, draft, [
    `Drafted ${draft.name}: back to ${draft.artifact.model} ${draft.artifact.version}. Nothing has started.`,
    `  look    drydock campaign show ${draft.name} --yaml`,
    `  start   drydock campaign start ${draft.name}`,
  ]);
}

async function complete(cli: Cli, [name = '']: string[], flags: ChangeFlags): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  if (flags.dryRun === true) return wouldBe(cli, before.name, `complete ${before.name}: no device joins any more`);
  const reason = await requireReason(cli, flags, `drydock campaign complete ${before.name}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/complete', { ...pathOf(before.id), body: { reason } }),
  );
  told(cli, after, [`${after.name} is ${after.state}.`]);
}

async function lift(cli: Cli, [name = '', what = '']: string[], flags: ChangeFlags): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  const found = before.quarantines.find(({ id, ref }) => [id, ref.id, ref.name].includes(what));
  if (!found) {
    throw new CliError('request.not-found', EXIT.notFound, `${before.name} has no quarantine of ${what}.`, {
      fix:
        before.quarantines.length === 0
          ? 'there is none'
          : `quarantined are ${before.quarantines.map(({ ref }) => ref.name).join(', ')}`,
    });
  }
  if (flags.dryRun === true) return wouldBe(cli, before.name, `start devices at ${found.ref.name} again`);
  const reason = await requireReason(cli, flags, `drydock campaign lift ${before.name} ${what}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/quarantines/{quarantine}/lift', {
      params: { path: { id: before.id, quarantine: found.id } },
      body: { reason },
    }),
  );
  told(cli, after, [`${found.kind} ${found.ref.name} takes part again.`]);
}

async function release(cli: Cli, [name = '', version = '']: string[], flags: ChangeFlags): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  const found = before.strata.find((one) => one.stopped !== null && one.version === version);
  if (!found) {
    throw new CliError(
      'request.not-found',
      EXIT.notFound,
      `${before.name} has stopped no devices that ran ${version}.`,
    );
  }
  if (flags.dryRun === true)
    return wouldBe(cli, before.name, `let ${plural(found.size, 'device')} that ran ${version} go on`);
  const reason = await requireReason(cli, flags, `drydock campaign release ${before.name} ${version}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/strata/{index}/release', {
      params: { path: { id: before.id, index: found.index } },
      body: { reason },
    }),
  );
  told(cli, after, [`Devices that ran ${version} go on.`]);
}

async function cancel(
  cli: Cli,
  [name = '', text = '']: string[],
  flags: ChangeFlags & { safePoint?: boolean },
): Promise<void> {
  const api = await cli.api();
  const id = await findCampaign(api, name);
  const device = await findDevice(api, text);
  if (flags.dryRun === true) return wouldBe(cli, name, `take ${device.name ?? device.id} out of ${name}`);
  const reason = await requireReason(cli, flags, `drydock campaign cancel ${name} ${text}`);
  const after = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/devices/{device}/cancel', {
      params: { path: { id, device: device.id } },
      body: { reason, mode: flags.safePoint === true ? 'safe-point' : 'before-start' },
    }),
  );
  cli.out.answer(after, () => [`${device.name ?? device.id} is ${after.state}.`]);
}
