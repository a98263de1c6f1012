/** `gateway enrol|ls|show|quarantine|release`. */
import type { components } from '@drydock/api-client';
import { GATEWAY_STATES } from '@drydock/contracts';
import { Option, type Command } from 'commander';
import { findGateway, findSite } from '../api/find.js';
import type { Cli } from '../cli.js';
import { answerList, change, listed, look, timeFlag, type ListFlags, type Running } from '../define.js';
import { bytes, lengthOfTime } from '../output/format.js';
import { requireReason, type ChangeFlags } from '../prompt.js';

type Gateway = components['schemas']['Gateway'];
type Health = components['schemas']['GatewayHealth'];
type GatewayDetail = components['schemas']['GatewayDetail'];

interface EnrolFlags extends ChangeFlags {
  readonly site: string;
  readonly newSite?: boolean;
  readonly zone: string;
  readonly validFor: number;
}

interface GatewayListFlags extends ListFlags {
  readonly site?: string;
  readonly state?: Gateway['state'];
  readonly online?: boolean;
  readonly offline?: boolean;
  readonly tag?: string;
  readonly name?: string;
}

export function addGateway(program: Command, running: Running): void {
  const gateway = program.command('gateway').description('machines at the sites that update devices');

  change<EnrolFlags>(gateway, running, 'enrol', 'make a one-time token for a new gateway', enrol)
    .requiredOption('--site <name>', 'site that it will stand at')
    .option('--new-site', 'make the site where there is none of that name')
    .option('--zone <zone>', 'time zone of a new site', 'UTC')
    .option('--valid-for <time>', 'how long the token can be used', timeFlag, 86_400_000);

  listed(
    look<GatewayListFlags>(gateway, running, 'ls', 'list gateways', list)
      .option('--site <name>', 'at this site')
      .addOption(new Option('--state <state>', 'in this state').choices(GATEWAY_STATES))
      .option('--online', 'connected now')
      .option('--offline', 'not connected now')
      .option('--tag <key=value>', 'with this tag')
      .option('--name <name>', 'of this name; * stands for anything'),
    'gateways behind which a device matches',
  );

  look(
    gateway,
    running,
    'show <name>',
    'show one gateway',
    async (cli, [name = '']) => {
      const api = await cli.api();
      const found = await findGateway(api, name);
      const health = await api.ask(
        api.client.GET('/api/v1/gateways/{id}/health', { params: { path: { id: found.id } } }),
      );
      cli.out.answer({ ...found, health }, () => gatewayLines(cli, found, health));
    },
    'gateway',
  );

  change<ChangeFlags>(
    gateway,
    running,
    'quarantine <name>',
    'start nothing there any more',
    async (cli, [name = ''], flags) => decide(cli, name, flags, 'quarantine'),
    'gateway',
  );
  change<ChangeFlags>(
    gateway,
    running,
    'release <name>',
    'end its quarantine',
    async (cli, [name = ''], flags) => decide(cli, name, flags, 'release'),
    'gateway',
  );
}

async function enrol(cli: Cli, _args: string[], flags: EnrolFlags): Promise<void> {
  const api = await cli.api();
  if (flags.dryRun === true) {
    cli.out.answer({ dryRun: true, site: flags.site }, () => [`Would make a token for one gateway at ${flags.site}.`]);
    return;
  }
  const site =
    flags.newSite === true
      ? await findSite(api, flags.site).catch(async () =>
          api.ask(api.client.POST('/api/v1/sites', { body: { name: flags.site, zone: flags.zone } })),
        )
      : await findSite(api, flags.site);
  const made = await api.ask(
    api.client.POST('/api/v1/enrolment-tokens', {
      body: { site: site.id, validForSeconds: Math.max(60, Math.round(flags.validFor / 1000)) },
    }),
  );
  cli.out.answer({ site: site.name, token: made.token, expiresAt: made.expiresAt, id: made.id }, () => [
    `Token for one gateway at ${site.name}, good until ${cli.out.times.at(made.expiresAt)}; it is shown this once:`,
    '',
    `  ${made.token}`,
    '',
    'On the gateway (the token is read from a file, and no other user sees it):',
    `  (umask 077; cat > enrol-token)         # paste the token, then Ctrl-D`,
    `  drydock-agent run --state /var/lib/drydock-agent --server ${api.baseUrl} --token-file enrol-token`,
    'It appears here:',
    `  drydock gateway ls --site ${site.name}`,
  ]);
}

async function list(cli: Cli, _args: string[], flags: GatewayListFlags): Promise<void> {
  const api = await cli.api();
  const site = flags.site === undefined ? undefined : (await findSite(api, flags.site)).id;
  const online = flags.online === true ? 'true' : flags.offline === true ? 'false' : undefined;
  const { state, tag, name, where } = flags;
  await answerList(cli, flags, columns(cli), (page) =>
    api.ask(
      api.client.GET('/api/v1/gateways', {
        params: {
          query: {
            ...page,
            ...(site !== undefined && { site }),
            ...(state !== undefined && { state }),
            ...(online !== undefined && { online }),
            ...(tag !== undefined && { tag }),
            ...(name !== undefined && { name }),
            ...(where !== undefined && { filter: where }),
          },
        },
      }),
    ),
  );
}

/** Two lights: connected now, and when it was heard last. */
const columns = (cli: Cli) => [
  { key: 'name', value: (row: Gateway) => row.name },
  { key: 'state', value: (row: Gateway) => row.state },
  { key: 'connected', value: (row: Gateway) => (row.online ? 'yes' : 'no') },
  { key: 'heard', value: (row: Gateway) => cli.out.times.since(row.lastSeenAt) },
  { key: 'devices', value: (row: Gateway) => row.devices, right: true },
  { key: 'agent', value: (row: Gateway) => row.agentVersion },
  {
    key: 'links',
    value: (row: Gateway) => `${row.links.filter((link) => link.state === 'up').length} of ${row.links.length} up`,
  },
  { key: 'hold', value: (row: Gateway) => row.holdNote, hidden: true },
  { key: 'note', value: (row: Gateway) => row.stateNote, hidden: true },
  { key: 'tags', value: (row: Gateway) => tagWords(row.tags), hidden: true },
  { key: 'id', value: (row: Gateway) => row.id, hidden: true },
];

export const tagWords = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(' ');

function gatewayLines(cli: Cli, found: GatewayDetail, health: Health): string[] {
  const { times } = cli.out;
  return [
    `${found.name}   ${found.state}${found.stateNote === null ? '' : `: ${found.stateNote}`}`,
    `connected   ${found.online ? 'yes' : 'no'}   heard ${times.since(found.lastSeenAt)}   last report ${times.since(health.lastReportAt)}`,
    `agent       ${found.agentVersion ?? '–'} (${found.protocols.join(', ') || 'no protocols said'})`,
    `devices     ${found.devices}`,
    `clock       ${found.clockOffsetMs === null ? 'it does not say' : clockWords(found.clockOffsetMs)}`,
    `journal     ${[health.journal === null ? 'can be written' : `cannot be written: ${health.journal.note ?? 'no reason was told'}`, ...(found.journalEntries === null ? [] : [`${found.journalEntries} records`]), ...(found.journalBytes === null ? [] : [bytes(found.journalBytes)])].join(', ')}`,
    `in flight   ${health.inFlight}`,
    ...health.slots.map(
      (slot) => `  ${slot.device.name}: ${slot.state} since ${times.since(slot.stateAt)}, ${slot.campaign.name}`,
    ),
    `failed      ${health.failures.here.n} of ${health.failures.here.of} here, ${health.failures.elsewhere.n} of ${health.failures.elsewhere.of} elsewhere in the same campaigns${health.failures.credible ? '  ⚑ credibly above the rest' : ''}`,
    ...found.links.map(
      (link) => `link        ${link.link}: ${link.state}${link.note === undefined ? '' : ` (${link.note})`}`,
    ),
    ...(found.holdNote === null ? [] : [`hold        ${found.holdNote}`]),
    ...(Object.keys(found.tags).length === 0 ? [] : [`tags        ${tagWords(found.tags)}`]),
    ...(found.logLevel === null ? [] : [`log level   ${found.logLevel.level} until ${times.at(found.logLevel.until)}`]),
    `key         ${found.keyFingerprint}`,
    `orders      holds reign ${found.held.reign}, revision ${found.held.revision}`,
    `enrolled    ${times.at(found.enrolledAt)}`,
    `id          ${found.id}`,
  ];
}

async function decide(cli: Cli, name: string, flags: ChangeFlags, what: 'quarantine' | 'release'): Promise<void> {
  const api = await cli.api();
  const found = await findGateway(api, name);
  const effect =
    what === 'quarantine' ? 'Nothing is started there any more; what runs goes on' : 'Devices are started there again';
  if (flags.dryRun === true) {
    cli.out.answer({ dryRun: true, gateway: found.name, would: what }, () => [
      `Would ${what} ${found.name}, with ${found.devices} devices. ${effect}.`,
    ]);
    return;
  }
  const note = await requireReason(cli, flags, `drydock gateway ${what} ${name}`);
  const request = { params: { path: { id: found.id }, header: { 'If-Match': `"${found.revision}"` } }, body: { note } };
  const after = await api.ask(
    what === 'quarantine'
      ? api.client.POST('/api/v1/gateways/{id}/quarantine', request)
      : api.client.POST('/api/v1/gateways/{id}/release', request),
  );
  cli.out.answer(after, () => [
    `${after.name} is ${after.state}. ${effect}.`,
    ...(what === 'quarantine' ? [`  undo    drydock gateway release ${after.name} --reason TEXT`] : []),
  ]);
}

/** Its own wall clock less the server's; nothing is decided by it. */
function clockWords(offsetMs: number): string {
  return Math.abs(offsetMs) < 1_000
    ? 'right to the second'
    : `${lengthOfTime(Math.abs(offsetMs))} ${offsetMs > 0 ? 'fast' : 'slow'}`;
}
