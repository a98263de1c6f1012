/** `campaign why`: one reason for each device that is not updated; counted for those that wait. */
import type { components } from '@drydock/api-client';
import type { Command } from 'commander';
import { findCampaign, findDevice } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { answerList, listed, look, type ListFlags, type Running } from '../../define.js';
import { plural } from '../../output/format.js';
import { answerPages } from '../../output/pages.js';

type DeploymentWhy = components['schemas']['DeploymentWhy'];

export function addCampaignWhy(campaign: Command, running: Running): void {
  listed(
    look<ListFlags & { device?: string; each?: boolean }>(
      campaign,
      running,
      'why <name>',
      'why devices are not updated: one reason each',
      why,
      'campaign',
    )
      .option('--device <id>', 'of this device alone')
      .option('--each', 'device by device instead of counted'),
    undefined,
    5000,
  );
}

async function why(
  cli: Cli,
  [name = '']: string[],
  flags: ListFlags & { device?: string; each?: boolean },
): Promise<void> {
  const api = await cli.api();
  const id = await findCampaign(api, name);
  if (flags.device !== undefined) {
    const device = await findDevice(api, flags.device);
    const one = await api.ask(
      api.client.GET('/api/v1/campaigns/{id}/devices/{device}/why', { params: { path: { id, device: device.id } } }),
    );
    cli.out.answer(one, () => whyLines(cli, one));
    return;
  }
  const pageOf = (page: { limit: number; after?: string }) =>
    api.ask(api.client.GET('/api/v1/campaigns/{id}/why', { params: { path: { id }, query: page } }));
  if (flags.each === true) {
    await answerList(
      cli,
      flags,
      [
        { key: 'device', value: (row: DeploymentWhy) => row.deviceId },
        { key: 'state', value: (row: DeploymentWhy) => row.state },
        { key: 'reason', value: (row: DeploymentWhy) => row.reason.code },
        {
          key: 'changes',
          value: (row: DeploymentWhy) => (row.reason.until === undefined ? null : cli.out.times.at(row.reason.until)),
        },
        { key: 'sentence', value: (row: DeploymentWhy) => row.reason.sentence },
      ],
      pageOf,
      500,
    );
    return;
  }
  await countedWhy(cli, name, id, flags);
}

/** As the server counts them: of stages that are not open all, of open ones the next in line. */
async function countedWhy(cli: Cli, name: string, id: string, flags: ListFlags): Promise<void> {
  const api = await cli.api();
  const waiting = await api.ask(api.client.GET('/api/v1/campaigns/{id}/waiting', { params: { path: { id } } }));
  const rows = waiting.reasons.map(({ code, n, sentence, until }) => ({
    reason: code,
    state: 'planned',
    devices: n,
    until,
    example: sentence,
  }));
  await answerPages(
    cli,
    [rows.slice(0, flags.limit)],
    [
      { key: 'devices', value: (row) => row.devices, right: true },
      { key: 'reason', value: (row) => row.reason },
      { key: 'changes', value: (row) => (row.until === null ? null : cli.out.times.at(row.until)) },
      { key: 'example', title: 'FOR INSTANCE', value: (row) => row.example },
    ],
    flags.columns,
  );
  if (waiting.looked < waiting.waiting) {
    cli.out.say(`${plural(waiting.waiting, 'device')} wait; the reasons of ${waiting.looked} were looked at.`);
  }
  cli.out.say(`Of devices that were begun, one by one: drydock campaign why ${name} --each`);
}

export function whyLines(cli: Cli, one: DeploymentWhy): string[] {
  const { reason } = one;
  return [
    `${one.campaign.name}: ${reason.sentence}`,
    `  reason ${reason.code}   state ${one.state}${reason.until === undefined ? '' : `   changes ${cli.out.times.at(reason.until)} (${cli.out.times.until(reason.until)})`}`,
  ];
}
