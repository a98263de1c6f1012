/** `device ls|show|log|why`. */
import type { components } from '@drydock/api-client';
import type { Command } from 'commander';
import { findDevice, findGateway, findSite } from '../api/find.js';
import type { Cli } from '../cli.js';
import { answerList, listed, look, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import { whyLines } from './campaign/why.js';
import { tagWords } from './gateway.js';

type Device = components['schemas']['Device'];
type Said = components['schemas']['DeviceConversation']['items'][number];
type DeviceDetail = components['schemas']['DeviceDetail'];

interface DeviceListFlags extends ListFlags {
  readonly model?: string;
  readonly site?: string;
  readonly gateway?: string;
  readonly version?: string;
  readonly tag?: string;
  readonly unapproved?: boolean;
  readonly count?: boolean;
}

export function addDevice(program: Command, running: Running): void {
  const device = program.command('device').description('units that are updated');

  listed(
    look<DeviceListFlags>(device, running, 'ls', 'list devices', list)
      .option('--model <name>', 'of this model')
      .option('--site <name>', 'of this site')
      .option('--gateway <name>', 'behind this gateway')
      .option('--version <version>', 'that run this version')
      .option('--tag <key=value>', 'with this tag')
      .option('--unapproved', 'claimed elsewhere, waiting for a person')
      .option('--count', 'how many, and by which versions; needs --where'),
    'a filter: see  drydock help filters',
  );

  look(
    device,
    running,
    'show <device>',
    'show one device: id, name, serial number or address',
    async (cli, [text = '']) => {
      const found = await findDevice(await cli.api(), text);
      cli.out.answer(found, () => deviceLines(cli, found));
    },
  );

  listed(
    look<ListFlags>(device, running, 'log <device>', 'what its gateways reported of its attempts, newest first', log),
  );

  look(
    device,
    running,
    'why <device>',
    'why it is not updated, for each campaign it is in',
    async (cli, [text = '']) => {
      const api = await cli.api();
      const found = await findDevice(api, text);
      const answer = await api.ask(api.client.GET('/api/v1/devices/{id}/why', { params: { path: { id: found.id } } }));
      cli.out.answer(answer, () =>
        answer.deployments.length === 0
          ? [
              `${found.name ?? found.identity.value} is in no campaign.`,
              `  runs ${found.runningVersion ?? 'an unknown version'}, heard ${cli.out.times.since(found.lastSeenAt)}`,
            ]
          : answer.deployments.flatMap((one) => whyLines(cli, one)),
      );
    },
  );
}

async function list(cli: Cli, _args: string[], flags: DeviceListFlags): Promise<void> {
  const api = await cli.api();
  if (flags.count === true) return countDevices(cli, flags.where);
  const site = flags.site === undefined ? undefined : (await findSite(api, flags.site)).id;
  const gateway = flags.gateway === undefined ? undefined : (await findGateway(api, flags.gateway)).id;
  const { model, version, tag, where } = flags;
  await answerList(
    cli,
    flags,
    columns(cli),
    (page) =>
      api.ask(
        api.client.GET('/api/v1/devices', {
          params: {
            query: {
              ...page,
              ...(model !== undefined && { model }),
              ...(site !== undefined && { site }),
              ...(gateway !== undefined && { gateway }),
              ...(version !== undefined && { version }),
              ...(tag !== undefined && { tag }),
              ...(flags.unapproved === true && { approved: 'false' as const }),
              ...(where !== undefined && { filter: where }),
            },
          },
        }),
      ),
    500,
  );
}

/** The conversation, as long as reports are kept. */
async function log(cli: Cli, [text = '']: string[], flags: ListFlags): Promise<void> {
  const api = await cli.api();
  const { id } = await findDevice(api, text);
  await answerList(
    cli,
    flags,
    [
      { key: 'at', value: (row: Said) => cli.out.times.at(row.saidAt ?? row.at) },
      { key: 'campaign', value: (row: Said) => row.campaign.name },
      { key: 'attempt', value: (row: Said) => row.attempt, right: true },
      { key: 'said', value: (row: Said) => row.kind },
      { key: 'sentence', value: (row: Said) => row.sentence },
      { key: 'gateway', value: (row: Said) => row.gateway.name, hidden: true },
      { key: 'taken', value: (row: Said) => row.disposition, hidden: true },
      { key: 'note', value: (row: Said) => row.note, hidden: true },
      { key: 'known', value: (row: Said) => cli.out.times.at(row.at), hidden: true },
    ],
    (page) => api.ask(api.client.GET('/api/v1/devices/{id}/conversation', { params: { path: { id }, query: page } })),
    500,
  );
}

async function countDevices(cli: Cli, where: string | undefined): Promise<void> {
  if (where === undefined) {
    throw new CliError('usage.count', EXIT.usage, 'Count what?', {
      fix: "drydock device ls --count --where 'model==*'",
    });
  }
  const api = await cli.api();
  const preview = await api.ask(api.client.POST('/api/v1/devices/filter-preview', { body: { filter: where } }));
  cli.out.answer(preview, () => [
    `${preview.exact ? '' : 'about '}${preview.count} devices: ${preview.sentence}`,
    ...preview.strata.map(
      (one) =>
        `  ${String(one.count).padStart(8)}  ${one.model ?? 'unknown model'} ${one.version ?? 'unknown version'}`,
    ),
    ...(preview.otherStrata.count > 0
      ? [`  ${String(preview.otherStrata.count).padStart(8)}  in ${preview.otherStrata.strata} other groups`]
      : []),
  ]);
}

const columns = (cli: Cli) => [
  { key: 'device', value: (row: Device) => row.name ?? row.identity.value },
  { key: 'model', value: (row: Device) => row.model },
  { key: 'runs', value: (row: Device) => row.runningVersion },
  { key: 'mode', value: (row: Device) => (row.needsRescue ? 'needs rescue' : row.mode) },
  { key: 'heard', value: (row: Device) => cli.out.times.since(row.lastSeenAt) },
  { key: 'battery', value: (row: Device) => (row.battery === null ? null : `${row.battery.percent} %`), right: true },
  { key: 'identity', value: (row: Device) => row.identity.value },
  { key: 'hold', value: (row: Device) => row.holdNote, hidden: true },
  { key: 'tags', value: (row: Device) => tagWords(row.tags), hidden: true },
  { key: 'links', value: (row: Device) => row.links.map((link) => link.link).join(' '), hidden: true },
  { key: 'protocol', value: (row: Device) => row.protocol, hidden: true },
  { key: 'hash', value: (row: Device) => row.runningHash, hidden: true },
  { key: 'gateway', value: (row: Device) => row.gateway, hidden: true },
  { key: 'site', value: (row: Device) => row.site, hidden: true },
  { key: 'id', value: (row: Device) => row.id, hidden: true },
];

function deviceLines(cli: Cli, found: DeviceDetail): string[] {
  const { times } = cli.out;
  return [
    `${found.name ?? found.identity.value} · ${found.model ?? 'unknown model'}   heard ${times.since(found.lastSeenAt)}`,
    `runs        ${found.runningVersion ?? 'an unknown version'}${found.mode === 'bootloader' ? ' (in its bootloader)' : ''}`,
    ...found.running.map(
      (image) =>
        `  image ${image.image}   ${image.version ?? '–'}${image.hash === undefined ? '' : ` ${image.hash.slice(0, 16)}`}${image.confirmed === false ? ', on trial' : ''}`,
    ),
    `identity    ${found.identity.kind} ${found.identity.value}`,
    `protocol    ${found.protocol ?? '–'}`,
    ...found.links.map((link) => `link        ${link.link}${link.rssiDbm === undefined ? '' : ` ${link.rssiDbm} dBm`}`),
    ...found.seenBy.map(
      (one) =>
        `seen by     ${one.gateway}${one.rssiDbm === null ? '' : ` ${one.rssiDbm} dBm`}, ${times.since(one.lastSeenAt)}`,
    ),
    ...(found.battery === null ? [] : [`battery     ${found.battery.percent} %, ${times.since(found.battery.at)}`]),
    ...(found.holdNote === null ? [] : [`hold        ${found.holdNote}`]),
    ...(found.needsRescue ? ['rescue      it has no running application'] : []),
    ...(found.outOfService ? ['service     out of service since an update'] : []),
    ...(found.approved ? [] : ['approval    claimed elsewhere; it waits for a person']),
    ...(Object.keys(found.tags).length === 0 ? [] : [`tags        ${tagWords(found.tags)}`]),
    `id          ${found.id}`,
  ];
}
