/** Uploads the packages, runs one campaign with a canary for each, and shows what happens until they end. */
import { until, type DemoPackage, type Operator } from '@drydock/e2e';
import type { Campaign, Deployment } from '@drydock/contracts';
import Table from 'cli-table3';
import colors from 'picocolors';
import type { DemoFleet } from './fleet.js';

export interface DemoResult {
  readonly devices: number;
  readonly proven: number;
  readonly failed: number;
  /** Serial numbers of the units that did not end proven. */
  readonly notProven: readonly string[];
}

const ENDED: readonly string[] = ['completed', 'aborted', 'halted'];
const WITHIN_MS = 240_000;

/** @param operator a token with the role operator. */
export async function runDemoCampaigns(operator: Operator, fleet: DemoFleet): Promise<DemoResult> {
  await until('every simulated device to be seen by its gateway', 90_000, async () => {
    const devices = await operator.devices();
    return devices.length >= fleet.unitCount;
  });
  const ids: string[] = [];
  for (const each of fleet.packages) ids.push(await startCampaign(operator, each));

  const show = process.stdout.isTTY ? liveTable() : changeLines();
  const look = async () => {
    const campaigns = await Promise.all(ids.map((id) => operator.campaign(id)));
    const deployments = (await Promise.all(ids.map((id) => operator.deployments(id)))).flat();
    show(campaigns, deployments);
    return { campaigns, deployments };
  };
  const { deployments } = await until(
    'the campaigns to end',
    WITHIN_MS,
    async () => {
      const seen = await look();
      return seen.campaigns.every((campaign) => ENDED.includes(campaign.state)) ? seen : undefined;
    },
    500,
  );
  const notProven = deployments.filter((each) => each.state !== 'proven');
  return {
    devices: deployments.length,
    proven: deployments.length - notProven.length,
    failed: notProven.filter((each) => each.state === 'failed').length,
    notProven: notProven.map((each) => each.device.name ?? each.device.identity),
  };
}

async function startCampaign(operator: Operator, each: DemoPackage): Promise<string> {
  const artifact = await operator.upload({
    bytes: each.file,
    name: each.fileName,
    model: each.model,
    version: each.version,
    runningVersion: each.version,
  });
  console.log(`Uploaded ${each.fileName}: ${artifact.format}, sha256 ${artifact.sha256.slice(0, 12)}…`);
  const campaign = await operator.createCampaign({
    name: `${each.model}-${each.version}`,
    note: 'The demo: one third as canary, then the rest.',
    artifactId: artifact.id,
    selector: { models: [each.model] },
    policy: {
      // A quarter would be plenty in the field; with six units one planned failure is already a sixth.
      stages: [
        { name: 'canary', percent: 34, gate: { minKnown: 1, maxFailureShare: 0.5 } },
        { name: 'rest', percent: 66, gate: { minKnown: 1, maxFailureShare: 0.5 } },
      ],
      timeouts: { startMs: 30_000, downloadMs: 30_000, transferMs: 90_000, activateMs: 30_000, proveMs: 30_000 },
    },
  });
  await operator.startCampaign(campaign.id);
  console.log(`Started campaign ${campaign.name} on ${campaign.sums.total || 'the selected'} devices.`);
  return campaign.id;
}

const STATE_COLORS: Readonly<Record<string, (text: string) => string>> = {
  proven: colors.green,
  failed: colors.red,
  lost: colors.red,
  reverted: colors.red,
  unproven: colors.yellow,
  planned: colors.dim,
};

function rows(deployments: readonly Deployment[]): string[][] {
  return [...deployments]
    .sort((a, b) => (a.device.name ?? '').localeCompare(b.device.name ?? ''))
    .map((each) => [
      each.device.name ?? each.device.identity,
      each.device.model ?? '',
      each.gateway?.name ?? '',
      String(each.stage + 1),
      (STATE_COLORS[each.state] ?? String)(each.state),
      [each.before?.[0]?.version, each.after?.[0]?.version].filter(Boolean).join(' → '),
      each.outcomeCode ?? each.outcomeReason ?? '',
    ]);
}

const headline = (campaign: Campaign): string =>
  `${campaign.name}: ${campaign.state}, ${campaign.sums.proven} of ${campaign.sums.total} proven` +
  (campaign.sums.failed > 0 ? `, ${campaign.sums.failed} failed` : '');

/** Redraws in place. */
function liveTable(): (campaigns: readonly Campaign[], deployments: readonly Deployment[]) => void {
  let drawn = 0;
  return (campaigns, deployments) => {
    const table = new Table({
      head: ['device', 'model', 'gateway', 'stage', 'state', 'version', 'code'],
      style: { head: [] },
    });
    table.push(...rows(deployments));
    const text = [...campaigns.map(headline), table.toString()].join('\n');
    if (drawn > 0) process.stdout.write(`\u001b[${drawn}A\u001b[0J`);
    process.stdout.write(`${text}\n`);
    drawn = text.split('\n').length;
  };
}

/** Without a terminal: one line per change, no control characters. */
function changeLines(): (campaigns: readonly Campaign[], deployments: readonly Deployment[]) => void {
  const seen = new Map<string, string>();
  const change = (key: string, text: string) => {
    if (seen.get(key) === text) return;
    seen.set(key, text);
    console.log(text);
  };
  return (campaigns, deployments) => {
    for (const each of deployments) {
      if (each.state === 'planned' && each.tries === 0) continue;
      const name = each.device.name ?? each.device.identity;
      const version = [each.before?.[0]?.version, each.after?.[0]?.version].filter(Boolean).join(' -> ');
      change(each.id, [name, each.state, version, each.outcomeCode ?? ''].filter(Boolean).join('  '));
    }
    for (const campaign of campaigns) change(campaign.id, headline(campaign));
  };
}
