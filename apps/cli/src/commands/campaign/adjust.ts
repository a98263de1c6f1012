/** `campaign pace|plans|compare`: what may be changed of a campaign under way, how its plan came to be, and two groups of it. */
import type { Command } from 'commander';
import { findCampaign, getCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { change, countFlag, look, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT } from '../../exit-codes.js';
import { percent, plural } from '../../output/format.js';
import type { ChangeFlags } from '../../prompt.js';

interface PaceFlags extends ChangeFlags {
  readonly startPerMinute?: number;
  readonly upTo?: number;
  readonly inFlight?: number;
  readonly first?: number;
  readonly perGateway?: number;
  readonly perSite?: number;
}

export function addCampaignAdjust(campaign: Command, running: Running): void {
  change<PaceFlags>(
    campaign,
    running,
    'pace <name>',
    'change pace and limits of a campaign under way, within what was approved',
    changePace,
    'campaign',
  )
    .option('--start-per-minute <n>', 'starts a minute at first', countFlag)
    .option('--up-to <n>', 'starts a minute at most', countFlag)
    .option('--in-flight <n>', 'at once, at most', countFlag)
    .option('--first <n>', 'at once, before any is proven', countFlag)
    .option('--per-gateway <n>', 'at once on one gateway', countFlag)
    .option('--per-site <n>', 'at once at one site', countFlag);

  look(
    campaign,
    running,
    'plans <name>',
    'versions of the plan, and what each changed',
    async (cli, [name = '']) => {
      const api = await cli.api();
      const id = await findCampaign(api, name);
      const plans = await api.ask(api.client.GET('/api/v1/campaigns/{id}/plans', { params: { path: { id } } }));
      cli.out.answer({ campaign: name, ...plans }, () =>
        plans.items.flatMap((plan) => [
          `${plan.version}  ${cli.out.times.at(plan.at)}  ${plan.by ?? 'not known'}  ${plan.planDigest.slice(0, 12)}${plan.current ? '  now' : ''}${plan.approvedAt === null ? '' : '  approved'}`,
          ...plan.lines.map(
            (line) => `   ${line.looser === true ? '! ' : '  '}${line.path}: ${text(line.from)} → ${text(line.to)}`,
          ),
        ]),
      );
    },
    'campaign',
  );

  look<{ a: string; b: string }>(
    campaign,
    running,
    'compare <name>',
    'two groups of its devices side by side',
    async (cli, [name = ''], { a, b }) => {
      const api = await cli.api();
      const id = await findCampaign(api, name);
      const found = await api.ask(
        api.client.GET('/api/v1/campaigns/{id}/compare', { params: { path: { id }, query: { a, b } } }),
      );
      cli.out.answer({ campaign: name, ...found }, () => [
        ...(['a', 'b'] as const).map((group) => {
          const { n, of, share, likely } = found[group].failed;
          const range = likely === null ? '' : `, likely ${percent(likely.low)}–${percent(likely.high)}`;
          return `${group.toUpperCase()}  ${n} of ${of} failed or reverted${share === null ? '' : ` (${percent(share)}${range})`}: ${found[group].words}`;
        }),
        found.sentence,
        ...(found.both > 0 ? [`${plural(found.both, 'device')} in both.`] : []),
        ...(found.complete ? [] : [`Looked at the first ${found.looked} with a known result.`]),
      ]);
    },
    'campaign',
  )
    .requiredOption('--a <filter>', 'one group')
    .requiredOption('--b <filter>', 'the other');
}

const text = (value: unknown): string => (value === null || value === undefined ? 'none' : JSON.stringify(value));

async function changePace(cli: Cli, [name = '']: string[], flags: PaceFlags): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  const { pace, limits } = before.policy;
  const { startPerMinute, upTo, inFlight, first, perGateway, perSite } = flags;
  if ([startPerMinute, upTo, inFlight, first, perGateway, perSite].every((value) => value === undefined)) {
    throw new CliError('usage.nothing', EXIT.usage, 'Say what to change.', { fix: 'drydock campaign pace --help' });
  }
  const body = {
    pace: {
      ...pace,
      ...(startPerMinute !== undefined && { startPerMinute }),
      ...(upTo !== undefined && { maxPerMinute: upTo }),
    },
    limits: {
      ...limits,
      ...(inFlight !== undefined && { inFlight }),
      ...(first !== undefined && { firstInFlight: first }),
      ...(perGateway !== undefined && { perGateway }),
      ...(perSite !== undefined && { perSite }),
    },
    reason: flags.reason ?? 'no reason given',
  };
  if (flags.dryRun === true) {
    cli.out.answer({ dryRun: true, campaign: name, ...body }, () => [
      `Would change the pace of ${name}. Nothing was done.`,
    ]);
    return;
  }
  const after = await api.ask(
    api.client.PUT('/api/v1/campaigns/{id}/pace', {
      params: { path: { id: before.id }, header: { 'If-Match': `"${before.revision}"` } },
      body,
    }),
  );
  const now = after.policy;
  cli.out.answer({ campaign: after.name, revision: after.revision, pace: now.pace, limits: now.limits }, () => [
    `Starts ${now.pace.startPerMinute} a minute up to ${now.pace.maxPerMinute}; at once at most ${now.limits.inFlight}. What has been granted stays.`,
  ]);
}
