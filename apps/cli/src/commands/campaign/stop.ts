/** `campaign pause|halt|abort`: what stops one, with its numbers (P2). */
import { ApiProblemError } from '@drydock/api-client';
import { Option, type Command } from 'commander';
import { setTimeout as wait } from 'node:timers/promises';
import type { Api } from '../../api/connect.js';
import { findCampaign, getCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { change, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT, type ExitStatus } from '../../exit-codes.js';
import { requireName, type ChangeFlags } from '../../prompt.js';
import { stopLines, stopObject, type PauseAnswer } from './sentences.js';

const LOOK_EVERY_MS = 1000;
/** Behind the promised end, for the clocks of both sides. */
const GRACE_MS = 15_000;

interface StopFlags extends ChangeFlags {
  readonly wait?: boolean;
}

const pathOf = (id: string) => ({ params: { path: { id } } });

export function addCampaignStop(campaign: Command, running: Running): void {
  change<StopFlags>(
    campaign,
    running,
    'pause <name>',
    'start nothing more; says how many may still start, and until when',
    pause,
    'campaign',
  ).option('--wait', 'return when nothing can start any more');
  change<StopFlags>(
    campaign,
    running,
    'halt <name>',
    'stop as the brake would: going on wants a reason',
    halt,
    'campaign',
  ).option('--wait', 'return when nothing can start any more');
  change<ChangeFlags & { inFlight: 'finish' | 'safe-point' }>(
    campaign,
    running,
    'abort <name>',
    'end it for ever',
    abort,
    'campaign',
  ).addOption(new Option('--in-flight <how>', 'updates under way').choices(['finish', 'safe-point']).default('finish'));
}

const pause = (cli: Cli, [name = '']: string[], flags: StopFlags): Promise<ExitStatus | void> =>
  stop(cli, name, flags, 'pause');
const halt = (cli: Cli, [name = '']: string[], flags: StopFlags): Promise<ExitStatus | void> =>
  stop(cli, name, flags, 'halt');

/** Never asks: stopping must be quick. What is stopped already answers with its numbers. */
async function stop(cli: Cli, name: string, flags: StopFlags, what: 'pause' | 'halt'): Promise<ExitStatus | void> {
  const api = flags.wait === true ? await cli.patientApi() : await cli.api();
  const id = await findCampaign(api, name);
  if (flags.dryRun === true) {
    const now = await exposureOf(api, id);
    cli.out.answer({ dryRun: true, ...stopObject(name, now) }, () => [
      `Would ${what} ${name}: at most ${now.mayStillStart} more may start, none after ${cli.out.times.end(now.noneAfter)}; ${now.running} in flight. Nothing was done.`,
    ]);
    return undefined;
  }
  const reason = flags.reason ?? `${what === 'pause' ? 'paused' : 'halted'} at the command line`;
  const answer = await api
    .ask(
      what === 'pause'
        ? api.client.POST('/api/v1/campaigns/{id}/pause', { ...pathOf(id), body: { reason } })
        : api.client.POST('/api/v1/campaigns/{id}/halt', { ...pathOf(id), body: { reason } }),
    )
    .catch(async (error: unknown): Promise<PauseAnswer> => {
      const already = what === 'pause' ? 'paused' : 'halted';
      if (!(error instanceof ApiProblemError) || error.problem.params['actual'] !== already) throw error;
      return exposureOf(api, id);
    });
  cli.out.answer(stopObject(name, answer), () => stopLines(cli.out, name, answer));
  if (flags.wait === true) return untilNoneStarts(cli, api, id, name);
  return undefined;
}

async function exposureOf(api: Api, id: string): Promise<PauseAnswer> {
  return api.ask(api.client.GET('/api/v1/campaigns/{id}/exposure', pathOf(id)));
}

/** Ends at the promised time at the latest. */
async function untilNoneStarts(cli: Cli, api: Api, id: string, name: string): Promise<ExitStatus | void> {
  const begun = cli.around.now();
  for (;;) {
    const now = await exposureOf(api, id);
    if (now.mayStillStart === 0) {
      if (cli.out.json) cli.out.object(stopObject(name, now));
      else cli.out.lines([`Nothing can start any more. ${now.running} in flight.`]);
      return undefined;
    }
    const limit = cli.settings.timeoutMs;
    if (limit !== undefined && cli.around.now() - begun > limit) {
      throw new CliError(
        'watch.timeout',
        EXIT.ownTimeout,
        `${now.mayStillStart} may still start, none after ${cli.out.times.end(now.noneAfter)}; this command waits no longer. The pause holds.`,
      );
    }
    if (cli.around.now() > now.noneAfter + GRACE_MS) {
      throw new CliError(
        'internal.invariant',
        EXIT.unexpected,
        `${now.mayStillStart} may still start although the time for it is over.`,
      );
    }
    await wait(LOOK_EVERY_MS, undefined, { signal: cli.interrupted.signal });
  }
}

async function abort(
  cli: Cli,
  [name = '']: string[],
  flags: ChangeFlags & { inFlight: 'finish' | 'safe-point' },
): Promise<void> {
  const api = await cli.api();
  const before = await getCampaign(api, name);
  const now = before.startedAt === null ? undefined : await exposureOf(api, before.id);
  const { sums } = before;
  const effect = now
    ? `Aborting ${before.name} ends it for ever: ${sums.planned} are not updated; ${now.mayStillStart} may still start until ${cli.out.times.end(now.noneAfter)}; ${now.running} in flight ${flags.inFlight === 'finish' ? 'finish' : 'stop where the device still works'}.`
    : `Aborting ${before.name} ends it for ever; nothing of it has started.`;
  if (flags.dryRun === true) {
    cli.out.answer({ dryRun: true, campaign: before.name, would: effect }, () => [effect, 'Nothing was done.']);
    return;
  }
  await requireName(cli, flags, before.name, effect, `drydock campaign abort ${before.name}`);
  const reason = flags.reason ?? 'aborted at the command line';
  const answer = await api.ask(
    api.client.POST('/api/v1/campaigns/{id}/abort', {
      ...pathOf(before.id),
      body: { reason, running: flags.inFlight },
    }),
  );
  cli.out.answer(stopObject(before.name, answer), () => stopLines(cli.out, before.name, answer));
}
